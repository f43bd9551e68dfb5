import type { Log } from "../telemetry/log.ts";

const INTERVAL_MS = 3_600_000;

/**
 * Deletes old rows once an hour, in small writes so that none keeps others waiting. `deleteSome` deletes a few and
 * returns how many; it is called until that is none. Returns what stops it after the write under way.
 */
export function startCleanUp({
  what,
  deleteSome,
  log,
}: {
  /** For the log: "deliveries". */
  what: string;
  deleteSome: () => Promise<number>;
  log: Log;
}): { close(): Promise<void> } {
  let running: Promise<void> | undefined;
  let closed = false;
  const cleanUp = async () => {
    let total = 0;
    for (let deleted = 1; deleted > 0 && !closed; total += deleted) deleted = await deleteSome();
    if (total > 0) log.info({ what, rows: total }, "deleted what was kept long enough");
  };
  const timer = setInterval(() => {
    running ??= cleanUp()
      .catch((error: unknown) => log.warn({ err: error, what }, "clean-up failed; trying again in an hour"))
      .finally(() => {
        running = undefined;
      });
  }, INTERVAL_MS);
  timer.unref();
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
