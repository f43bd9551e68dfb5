// Repeats a call over lost connections and restarts of the service.

import { ConnectError } from "@connectrpc/connect";
import { metadataOf } from "@hil/platform/errors/hil-error.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";

/** How a call ended that was tried until it could not be otherwise. */
export type Tried<T> = { readonly kind: "done"; readonly value: T } | NotDone;

/** Why a call was not done. */
export type NotDone =
  /** The client does not listen any more. */
  | { readonly kind: "detached" }
  /** The service said no; another try would get the same. */
  | { readonly kind: "refused"; readonly error: ConnectError }
  /** The service could not be reached, to the end. */
  | { readonly kind: "unreachable"; readonly error: ConnectError };

export interface Patience {
  /** When to stop trying. */
  readonly until: Date;
  /** How long to try without having reached the service once. Default: AWAY_MS. */
  readonly unreachedMs?: number;
  /** Ends the wait; what was asked stays asked. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** How long a service that was there may be away, in milliseconds: longer than any restart, and short enough to tell. */
const AWAY_MS = 60_000;
/** A try that lasted this long had reached the service before it failed. */
const LASTING_MS = 250;
const BACKOFF_FLOOR_MS = 50;
const BACKOFF = { baseMs: 100, maxMs: 1000 };

/** Tries a call that may be repeated until it is done, refused, or out of patience. */
export async function tryUntil<T>(call: () => Promise<T>, patience: Patience): Promise<Tried<T>> {
  const { until, signal, now } = patience;
  let awayMs = patience.unreachedMs ?? AWAY_MS;
  let contactMs = now().getTime();
  for (let attempt = 1; ; attempt += 1) {
    if (signal.aborted) return { kind: "detached" };
    const startMs = now().getTime();
    try {
      return { kind: "done", value: await call() };
    } catch (thrown) {
      if (signal.aborted) return { kind: "detached" };
      const error = ConnectError.from(thrown);
      if (!isTransient(error)) return { kind: "refused", error };
      const nowMs = now().getTime();
      if (nowMs - startMs >= LASTING_MS) {
        attempt = 1;
        contactMs = nowMs;
        awayMs = AWAY_MS;
      }
      const leftMs = Math.min(until.getTime() - nowMs, contactMs + awayMs - nowMs);
      // A service that says when to come back is taken at its word; before that it would only refuse again.
      const askedMs = Number(metadataOf(error).retry_after_ms) || 0;
      if (leftMs <= 0 || askedMs > leftMs) return { kind: "unreachable", error };
      await pause(
        Math.min(Math.max(askedMs, BACKOFF_FLOOR_MS + backoffMs(attempt, BACKOFF)), leftMs),
        signal,
      );
    }
  }
}

export interface RpcOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Record<string, string>;
}

/** What a call that does not wait for a person may take, in milliseconds. */
export const SHORT_MS = 20_000;
/** How long to look for a service that was not reached once before saying so: longer than a usual restart. */
export const UNREACHED_MS = 6_000;

/** Tries a call that does not wait for a person. */
export function tryShortly<T>(
  rpc: (options: RpcOptions) => Promise<T>,
  { signal, now, headers }: Pick<Patience, "signal" | "now"> & Pick<RpcOptions, "headers">,
): Promise<Tried<T>> {
  const until = new Date(now().getTime() + SHORT_MS);
  return tryUntil(() => rpc({ signal, timeoutMs: SHORT_MS, headers }), {
    until,
    unreachedMs: UNREACHED_MS,
    signal,
    now,
  });
}

/** Ends early, and quietly, when the signal aborts: the caller looks at it next. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
