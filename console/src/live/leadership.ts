// Which tab of a browser holds the stream.
//
// T1. One tab leads at a time; the others hear from it. Over HTTP/1.1 a stream for each tab would block the
//     whole site at the sixth.
// T2. A leader that closes is followed at once by another tab.
// T3. A leader that is silent, as a frozen tab is, loses the lead to a tab that somebody looks at.
// T4. Where the browser has no locks (plain http beyond this machine), each tab leads itself.

/** One cookie signs a browser in, so one stream serves all its tabs. */
const LOCK = "hil.watch";

export interface LeadershipOptions {
  /** Leads until the signal aborts; returning gives up the lead for good. */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  /** When the leader was last heard, in milliseconds of Date.now(). */
  readonly lastHeardMs: () => number;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** Takes part until `signal` aborts or a lead returned by itself. */
export async function takePart({ lead, lastHeardMs, silenceMs, signal }: LeadershipOptions): Promise<void> {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return lead(signal);
  let steal = false;
  let done = false;
  while (!signal.aborted && !done) {
    const term = new AbortController();
    const queue = new AbortController();
    const startedMs = Date.now();
    let leading = false;
    const watchdog = setInterval(() => {
      if (leading || document.visibilityState !== "visible") return;
      if (Date.now() - Math.max(startedMs, lastHeardMs()) > silenceMs) queue.abort();
    }, silenceMs / 8);
    try {
      await locks.request(
        LOCK,
        steal ? { steal: true } : { signal: AbortSignal.any([signal, queue.signal]) },
        async () => {
          leading = true;
          await lead(AbortSignal.any([signal, term.signal]));
          done = !term.signal.aborted;
        },
      );
    } catch {
      // Left the queue to steal, or was stolen from: either way the next round says what we are.
    } finally {
      clearInterval(watchdog);
      term.abort();
      steal = queue.signal.aborted;
    }
  }
}
