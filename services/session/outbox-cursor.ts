// The outbox of a store that has the log to itself: the log, read from a place that is remembered.
//
// The place is kept in memory and written down lazily: after a crash some entries are handed over again, none is
// missed.

import type { Event } from "@hil/gen/hil/session/v1/session_pb.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { Backlog, OutboxReader } from "./session-store.ts";

const CONFIRM_INTERVAL_MS = 1_000;

/** Opens a reader at the place `start`. */
export function openOutboxCursor({
  start,
  read,
  backlog,
  confirm,
}: {
  start: number;
  /** The entries after a place, and the place to go on from. */
  read: (after: number, limit: number) => { readonly events: readonly Event[]; readonly cursor: number };
  /** What comes after a place. */
  backlog: (after: number) => Backlog;
  /** Writes down how far the reader got. */
  confirm: (cursor: number) => Promise<void>;
}): OutboxReader {
  let cursor = start;
  let confirmed = start;
  const confirmReached = async () => {
    if (cursor === confirmed) return;
    const reached = cursor;
    failpoint("outbox.before_confirm");
    await confirm(reached);
    confirmed = reached;
  };
  const confirmer = setInterval(() => {
    confirmReached().catch(() => {
      // Not remembered: entries are handed over again after a restart, which every consumer expects.
    });
  }, CONFIRM_INTERVAL_MS);
  confirmer.unref();
  return {
    async hand(limit, take) {
      const { events, cursor: next } = read(cursor, limit);
      if (events.length > 0) await take(events);
      cursor = next;
      return events.length < limit ? "nothing" : "more";
    },
    backlog: async () => backlog(cursor),
    async close() {
      clearInterval(confirmer);
      await confirmReached().catch(() => {}); // as above
    },
  };
}
