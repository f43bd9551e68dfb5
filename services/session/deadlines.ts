// Ends sessions at their deadline.
//
// Deadlines live in the database, so they hold over a restart; what fell due meanwhile is ended at the start.
// A session expires in [expire_time, expire_time + 1 s] (G11).

import { Event_Type } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SYSTEM_PRINCIPAL } from "@hil/platform/audit/audit-log.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { expireSession } from "./session.ts";
import type { SessionStore } from "./session-store.ts";

const LOOK_INTERVAL_MS = 200;
const BATCH = 500;

export interface DeadlineOptions {
  readonly store: SessionStore;
  readonly now: () => Date;
  readonly log: Log;
}

/** Starts looking. Returns what stops it. */
export function startDeadlines({ store, now, log }: DeadlineOptions): {
  close(): Promise<void>;
} {
  let busy: Promise<void> | undefined;
  const look = () => {
    busy ??= expireDue(store, now)
      .catch((error: unknown) => log.warn({ err: error }, "deadlines could not be looked at; trying again"))
      .finally(() => {
        busy = undefined;
      });
  };
  const looker = setInterval(look, LOOK_INTERVAL_MS);
  looker.unref();
  look();
  return {
    async close() {
      clearInterval(looker);
      await busy;
    },
  };
}

/** Ends every session whose deadline has passed. */
export async function expireDue(store: SessionStore, now: () => Date): Promise<void> {
  for (;;) {
    const due = await store.due(now().getTime(), BATCH);
    if (due.length > 0) failpoint("deadline.before_expire");
    // One turn, one commit for all of them.
    await Promise.all(
      due.map(({ tenantId, id }) =>
        store.change(tenantId, id, SYSTEM_PRINCIPAL, (session) => {
          const next = expireSession(session, now());
          return next
            ? { kind: "store", session: next, event: Event_Type.EXPIRED, result: undefined }
            : { kind: "keep", result: undefined };
        }),
      ),
    );
    if (due.length > 0) failpoint("deadline.after_expire");
    if (due.length < BATCH) return;
  }
}
