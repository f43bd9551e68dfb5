/**
 * A signal that aborts with the first of two, until it is released. AbortSignal.any() of a signal that lives as long as
 * the process would keep what hangs on it for as long.
 */
export function eitherSignal(one: AbortSignal | undefined, other: AbortSignal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (one?.aborted || other.aborted) abort();
  one?.addEventListener("abort", abort, { once: true });
  other.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    release() {
      one?.removeEventListener("abort", abort);
      other.removeEventListener("abort", abort);
    },
  };
}
