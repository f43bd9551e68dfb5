/**
 * A signal that aborts with the first of two, until it is released. `other` may live as long as the process and be waited for
 * by ten thousand calls: AbortSignal.any() would keep what hangs on it for as long, and a listener of each would be compared
 * with all others when it is added.
 */
export function eitherSignal(one: AbortSignal | undefined, other: AbortSignal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (one?.aborted || other.aborted) abort();
  one?.addEventListener("abort", abort, { once: true });
  const waiting = waitingFor(other);
  waiting.add(abort);
  return {
    signal: controller.signal,
    release() {
      one?.removeEventListener("abort", abort);
      waiting.delete(abort);
    },
  };
}

const allWaiting = new WeakMap<AbortSignal, Set<() => void>>();

/** What is called when a signal aborts, by one listener for all. */
function waitingFor(signal: AbortSignal): Set<() => void> {
  let waiting = allWaiting.get(signal);
  if (!waiting) {
    const all = new Set<() => void>();
    signal.addEventListener(
      "abort",
      () => {
        for (const each of all) each();
      },
      { once: true },
    );
    allWaiting.set(signal, all);
    waiting = all;
  }
  return waiting;
}
