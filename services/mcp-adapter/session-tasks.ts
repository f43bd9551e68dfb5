// A question as a task: the task is the session, by the session's id. So any replica, and a process that was started
// anew, finds it again.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { askResult } from "./results.ts";
import type { Task } from "./tasks.ts";
import { toolResult } from "./tool-result.ts";

const MINUTE_MS = 60_000;
/** A session is kept for at least this long after its end. */
const KEPT_MS = 30 * 24 * 60 * MINUTE_MS;

/** The task that a session is. `remarks` go before its message. */
export function taskOf(session: Session, now: Date, remarks: readonly string[] = []): Task {
  const createdMs = session.createTime ? timestampDate(session.createTime).getTime() : now.getTime();
  const updated = session.updateTime ? timestampDate(session.updateTime) : new Date(createdMs);
  const result = askResult(session, remarks);
  const fields = {
    taskId: session.id,
    statusMessage: `${result.message} (session ${session.id})`,
    createdAt: new Date(createdMs).toISOString(),
    lastUpdatedAt: updated.toISOString(),
    ttlMs: session.expireTime ? timestampDate(session.expireTime).getTime() - createdMs + KEPT_MS : null,
    pollIntervalMs: pollIntervalMs(now.getTime() - createdMs),
  };
  switch (session.state) {
    case Session_State.OPEN:
      return { ...fields, status: "working" };
    case Session_State.CANCELLED:
      return { ...fields, status: "cancelled" };
    default:
      return { ...fields, status: "completed", result: toolResult(result) };
  }
}

/** How often to ask about a question: the longer it is open, the less it matters to hear of its answer at once. */
export function pollIntervalMs(ageMs: number): number {
  if (ageMs < 10 * MINUTE_MS) return 2_000;
  return ageMs < 60 * MINUTE_MS ? 5_000 : 15_000;
}
