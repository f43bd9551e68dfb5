/**
 * Waits, but no longer than until there is hope: the network came back, or somebody looks at the page again.
 * Resolves early when `signal` aborts.
 */
export function waitOrWake(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const visible = () => {
      if (document.visibilityState === "visible") done();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    document.addEventListener("visibilitychange", visible);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();

    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      document.removeEventListener("visibilitychange", visible);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
