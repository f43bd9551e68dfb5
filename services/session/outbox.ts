// Hands the log of sessions to a consumer, at least once and the events of a session in order.
//
// O1. Only what is committed is read, so nothing is announced that did not happen.
// O2. What is handed over is forgotten only after the consumer took it: after a crash some entries are seen again,
//     none is missed.
// O3. A consumer that fails holds its own line only, and is tried again with growing pauses.
// O4. What a process left behind that died is found by another, a second later at most.

import { setTimeout as pause } from "node:timers/promises";
import type { Event } from "@hil/gen/hil/session/v1/session_pb.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { resumeTrace } from "@hil/platform/telemetry/tracing.ts";
import type { Backlog, OutboxLine, SessionStore } from "./session-store.ts";

const BATCH = 500;
const LOOK_INTERVAL_MS = 1_000;
/** How long another process is left alone with what it hands over. */
const BUSY_MS = 20;
const RETRY = { baseMs: 50, maxMs: 2_000 };

export interface OutboxConsumer {
  readonly line: OutboxLine;
  /** Takes events. Rejects where they must be handed over again. */
  take(events: readonly Event[]): Promise<void>;
}

/** A line that is handed over. */
export interface Outbox {
  readonly line: OutboxLine;
  /** What was not handed over yet. */
  backlog(): Promise<Backlog>;
  /** Stops; a batch under way is finished first. */
  close(): Promise<void>;
}

/** Starts handing over. */
export async function startOutbox({
  store,
  consumer,
  log,
}: {
  store: Pick<SessionStore, "openOutbox" | "afterCommit">;
  consumer: OutboxConsumer;
  log: Log;
}): Promise<Outbox> {
  const reader = await store.openOutbox(consumer.line);
  let running: Promise<void> | undefined;
  let again = false;
  const stopped = new AbortController();
  const wait = (ms: number) => pause(ms, undefined, { signal: stopped.signal }).catch(() => {}); // closing

  const take = async (events: readonly Event[]): Promise<void> => {
    failpoint("outbox.before_take");
    await consumer.take(events);
    failpoint("outbox.after_take");
  };
  const drain = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      again = false;
      try {
        const left = await reader.hand(BATCH, take);
        failures = 0;
        if (left === "with_others") await wait(BUSY_MS);
        else if (left === "nothing" && !again) return;
      } catch (error) {
        failures += 1;
        if (failures === 1)
          log.warn({ err: error, consumer: consumer.line }, "the outbox waits for its consumer");
        await wait(backoffMs(failures, RETRY));
      }
    }
  };
  const kick = () => {
    again = true;
    if (running || stopped.signal.aborted) return;
    running = resumeTrace("", drain).finally(() => {
      running = undefined;
      if (again) kick();
    });
  };

  const stopListening = store.afterCommit(kick);
  const looker = setInterval(kick, LOOK_INTERVAL_MS);
  looker.unref();
  kick();
  return {
    line: consumer.line,
    backlog: () => reader.backlog(),
    async close() {
      if (stopped.signal.aborted) return;
      stopped.abort();
      stopListening();
      clearInterval(looker);
      await running;
      await reader.close();
    },
  };
}
