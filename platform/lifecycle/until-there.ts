import { Code, ConnectError } from "@connectrpc/connect";
import { backoffMs } from "../retry/backoff.ts";
import type { Log } from "../telemetry/log.ts";

const RETRY = { baseMs: 250, maxMs: 3_000 };

/**
 * Runs `open` until what it needs is there: containers start all at once, the database among them. What is not about
 * something that is away is thrown at once. Stops when `signal` aborts.
 */
export async function untilThere<T>(
  open: () => Promise<T>,
  { signal, log, retry = RETRY }: { signal: AbortSignal; log: Log; retry?: typeof RETRY },
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (!isAway(error) || signal.aborted) throw error;
      log.warn({ err: error, tries }, "what this service needs is not there yet; trying again");
      await new Promise((resolve) => setTimeout(resolve, retry.baseMs + backoffMs(tries, retry)));
    }
  }
}

/** Errors of the network and of a server that starts, stops or is full; not those of a wrong password or statement. */
function isAway(error: unknown): boolean {
  if (error instanceof ConnectError) return error.code === Code.Unavailable;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string") {
    return /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|08|57P|53)/.test(code);
  }
  return (
    typeof message === "string" && /^(Connection terminated|timeout expired|timeout exceeded)/.test(message)
  );
}
