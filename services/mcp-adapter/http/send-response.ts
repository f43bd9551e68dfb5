// Writes what a web-standard handler answers.
//
// A quick answer goes out as it is, with the status that its error has. One that takes longer becomes a stream of events:
// its head goes out now and something every 10 s, since many proxies and clients give a server little time for that.

import type { HttpResponse } from "@hil/platform/http/listener.ts";

export const KEEP_ALIVE_MS = 10_000;
/** When an answer counts as one that takes longer. */
const QUICK_MS = 250;
/** Of one connection, which is not ours to promise. HTTP/2 refuses them. */
const OF_CONNECTION = new Set(["connection", "keep-alive", "transfer-encoding"]);
export const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

type Headers = Readonly<Record<string, string>>;

/** `pending` is settled, at the latest, when the client is gone. `headers` go with it. */
export async function sendWhenReady(
  pending: Promise<Response>,
  response: HttpResponse,
  headers: Headers,
): Promise<void> {
  const early = await within(QUICK_MS, pending);
  if (early) {
    await sendNow(early, response, headers);
    return;
  }
  if (response.destroyed) return;
  response.writeHead(200, { ...STREAM_HEADERS, ...headers });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write(": keepalive\n\n"), KEEP_ALIVE_MS);
  let answer: Response;
  try {
    answer = await pending;
  } finally {
    clearInterval(keepAlive);
  }
  if (isStream(answer)) await pipe(answer, response);
  else if (answer.body) response.write(`event: message\ndata: ${await answer.text()}\n\n`);
  response.end();
}

/** What a promise resolves to in time; undefined where that takes longer. */
async function within<T>(ms: number, pending: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function sendNow(answer: Response, response: HttpResponse, more: Headers): Promise<void> {
  if (response.destroyed) {
    await answer.body?.cancel();
    return;
  }
  const headers: Record<string, string> = { ...more };
  for (const [name, value] of answer.headers) if (!OF_CONNECTION.has(name)) headers[name] = value;
  response.writeHead(answer.status, headers);
  if (isStream(answer)) response.flushHeaders();
  await pipe(answer, response);
  response.end();
}

function isStream({ headers }: Response): boolean {
  return headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

async function pipe({ body }: Response, response: HttpResponse): Promise<void> {
  for await (const chunk of body ?? []) {
    if (response.destroyed) break;
    if (!response.write(chunk)) await drained(response);
  }
}

function drained(response: HttpResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off("drain", settle).off("close", settle);
      resolve();
    };
    response.on("drain", settle).on("close", settle);
  });
}
