import type * as http2 from "node:http2";

const PING_INTERVAL_MS = 20_000;
const PING_PATIENCE_MS = 10_000;

/** Destroys a session whose peer hangs without closing. Returns what stops the pings. */
export function startPings(session: http2.ServerHttp2Session): () => void {
  const timer = setInterval(() => {
    if (session.destroyed) return;
    let answered = false;
    session.ping((error) => {
      answered = !error;
    });
    setTimeout(() => {
      if (!answered && !session.destroyed) session.destroy();
    }, PING_PATIENCE_MS).unref();
  }, PING_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
