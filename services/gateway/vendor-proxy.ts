// Vendors' callbacks in the distributed form: handed on to a replica of the callback service as they come.
//
// P1. What the vendor hears is what the callback service said, so that its 200 still means "on disk" (I1). What keeps
//     the gateway from hearing that is a 503 within 4 s: the vendor tries again.
// P2. A replica that does not take the connection is passed over while nothing of the request was read; later it is
//     the vendor that repeats, and the inbox that tells copies apart.
// P3. The body is not kept here: who is not admitted by the callback service makes nobody read it.
// P4. Guessing is slowed down here, where the caller's address is known.
// P5. The caller's cookie goes no further, and neither does what it says about whom it speaks for.

import type * as http from "node:http";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { untilRefused } from "@hil/platform/http/fallback-gate.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { currentTracing } from "@hil/platform/telemetry/tracing.ts";
import { openReplicas } from "./replicas.ts";
import type { VendorCaller, VendorHttp } from "./service.ts";

const PATH = /^(?:\/api)?\/callback(?:\/[^/?#]*)?$/;
/** Vendors give up after 5 s. */
const ANSWER_PATIENCE_MS = 4_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of one connection, or written by whoever stands in front of us and not by the vendor. */
const NOT_HANDED_ON = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "cookie",
  "expect",
  "forwarded",
  "x-forwarded-for",
  "x-real-ip",
]);
const ANSWER_HEADERS = ["content-type", "allow", "retry-after"];

export interface VendorProxy extends VendorHttp {
  close(): void;
}

/** `url`: the replicas of the callback service, as for remoteTransport. */
export function createVendorProxy({ url, log }: { url: string; log: Log }): VendorProxy {
  const replicas = openReplicas({ url, maxSockets: 256 });
  return {
    matches: (path) => PATH.test(path),
    async handle(request, response, caller = {}) {
      try {
        const handedOn = await replicas.connect({
          method: request.method ?? "POST",
          path: request.url ?? "/",
          headers: () => headersOf(request, caller),
        });
        await pass(request, response, handedOn);
      } catch (error) {
        log.warn({ err: error }, "a vendor's call could not be handed on; asked for it again");
        if (response.headersSent) response.destroy();
        else answerLater(request, response);
      }
    },
    close: () => replicas.close(),
  };
}

function headersOf(request: HttpRequest, caller: VendorCaller) {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !name.startsWith(":") && !NOT_HANDED_ON.has(name)) headers[name] = value;
  }
  if (caller.authorization !== undefined) headers.authorization = caller.authorization;
  currentTracing()?.inject({
    set(name, value) {
      headers[name] = value;
    },
  });
  return headers;
}

/** Sends the body on and the answer back. Rejects where there is none in time. */
async function pass(
  request: HttpRequest,
  response: HttpResponse,
  handedOn: http.ClientRequest,
): Promise<void> {
  const late = setTimeout(() => handedOn.destroy(new Error("no answer in time")), ANSWER_PATIENCE_MS);
  const gone = () => handedOn.destroy(new Error("the vendor went away"));
  response.once("close", gone);
  try {
    const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
      handedOn.once("response", resolve);
      handedOn.on("error", reject);
    });
    request.pipe(handedOn);
    const answered = await answer;
    const body = await bytesOf(answered);
    request.unpipe(handedOn);
    clearTimeout(late);
    if (answered.statusCode === 401) await untilRefused(request, credentialInvalid());
    const headers: Record<string, string> = { "content-length": String(body.length) };
    for (const name of ANSWER_HEADERS) {
      const value = answered.headers[name];
      if (value !== undefined) headers[name] = String(value);
    }
    // The callback service did not read the rest of the request, and neither do we.
    if (!request.readableEnded && request.httpVersionMajor === 1) headers.connection = "close";
    response.writeHead(answered.statusCode ?? 502, headers);
    response.end(body);
  } finally {
    clearTimeout(late);
    response.removeListener("close", gone);
  }
}

async function bytesOf(answered: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answered as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error("the answer is longer than any of the callback service");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answerLater(request: HttpRequest, response: HttpResponse): void {
  if (response.destroyed) return;
  const body = JSON.stringify({ errcode: -1, errmsg: "the message could not be kept; send it again" });
  response.writeHead(503, {
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    "retry-after": "1",
    ...(!request.readableEnded && request.httpVersionMajor === 1 ? { connection: "close" } : {}),
  });
  response.end(body);
}
