import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "@hil/platform/telemetry/log.ts";

const MOST_PAUSE_MS = 1_000;

/** Looks again and again, at least once a second and not in step with other processes. Returns what stops it. */
export function startPoll({ look, log }: { look: () => Promise<void>; log: Log }): {
  close(): Promise<void>;
} {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      try {
        await pause(MOST_PAUSE_MS * (0.5 + Math.random() / 2), undefined, {
          signal: stop.signal,
          ref: false,
        });
        await look();
      } catch (error) {
        if (!stop.signal.aborted) log.debug({ err: error }, "a look for waiting work failed; looking again");
      }
    }
  };
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
