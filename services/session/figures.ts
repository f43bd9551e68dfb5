// What the session service tells those who watch it; see platform/telemetry/metrics.ts.
//
// Ends are counted as the outbox hands them over, off the way of the calls: once each, and twice at most where a process
// died in between. What is in the database is the whole deployment's, whichever replica is asked.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Event, Event_Type } from "@hil/gen/hil/session/v1/session_pb.ts";
import { timeOfUuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import {
  openSessions,
  outboxAge,
  outboxLag,
  sessionsEnded,
  timeToAnswer,
  waits,
} from "@hil/platform/telemetry/metrics.ts";
import type { Outbox } from "./outbox.ts";
import type { Backlog, SessionStore } from "./session-store.ts";
import type { Waiters } from "./waiters.ts";

const OUTCOMES: Partial<Record<Event_Type, string>> = {
  [Event_Type.ANSWERED]: "answered",
  [Event_Type.EXPIRED]: "expired",
  [Event_Type.CANCELLED]: "cancelled",
  [Event_Type.UNDELIVERABLE]: "undeliverable",
};

/** Counts the ends among events. A session's id says when it was asked. */
export function countEnds(events: readonly Event[]): void {
  for (const { type, time, sessionId } of events) {
    const outcome = OUTCOMES[type];
    if (outcome === undefined) continue;
    sessionsEnded.inc({ outcome });
    if (type !== Event_Type.ANSWERED || !time) continue;
    timeToAnswer.observe(Math.max(0, timestampMs(time) - timeOfUuidV7(sessionId)) / 1000);
  }
}

/** Lets the service's figures be looked up. Returns what stops it. */
export function offerFigures({
  store,
  waiters,
  outboxes,
  now,
}: {
  store: Pick<SessionStore, "allOpenSessions">;
  waiters: Pick<Waiters, "count">;
  outboxes: readonly Outbox[];
  now: () => Date;
}): () => void {
  const ofOutboxes = async (figure: (backlog: Backlog) => number) =>
    Object.fromEntries(
      await Promise.all(
        outboxes.map(async (outbox) => [outbox.line, figure(await outbox.backlog())] as const),
      ),
    );
  const ageS = ({ oldestTimeMs }: Backlog) =>
    oldestTimeMs === undefined ? 0 : Math.max(0, now().getTime() - oldestTimeMs) / 1000;
  const stops = [
    openSessions.from(() => store.allOpenSessions()),
    waits.from(() => waiters.count),
    outboxLag.from(() => ofOutboxes(({ events }) => events)),
    outboxAge.from(() => ofOutboxes(ageS)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
