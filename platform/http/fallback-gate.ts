// Wrong credentials on what is not an RPC: the faces of the earlier systems, the console.
//
// What a credential is worth is found by whoever answers; the gate asks beforehand whether it may be tried (E2), and is
// told afterwards.

import type { ConnectError } from "@connectrpc/connect";
import { metadataOf, publicError, reasonName, reasonOf } from "../errors/hil-error.ts";
import { callHeaders, type Entrance, type Peer, shownCredential } from "./entrance.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "./listener.ts";

const judges = new WeakMap<HttpRequest, (wasRight: boolean) => void>();
const addresses = new WeakMap<HttpRequest, string>();
const refusals = new WeakMap<HttpRequest, (error: unknown) => Promise<void> | undefined>();

/** By what the sender of a request is known in limits: its address, from behind trusted proxies too. */
export function callerAddress(request: HttpRequest): string {
  return addresses.get(request) ?? request.socket?.remoteAddress ?? "";
}

/** Tells whether the credential of a request was right. Whoever verifies one that came over plain HTTP says so, once. */
export function credentialJudged(request: HttpRequest, wasRight: boolean): void {
  judges.get(request)?.(wasRight);
}

/** Resolves when the caller of a request may be told that it is refused. Whoever refuses by a limit waits for it (E3). */
export async function untilRefused(request: HttpRequest, error: unknown): Promise<void> {
  await refusals.get(request)?.(error);
}

/** Puts the gate in front of a handler. */
export function createFallbackGate(entrance: Entrance, handler: HttpHandler) {
  return async (request: HttpRequest, response: HttpResponse, peer: Peer): Promise<void> => {
    const headers = callHeaders(request.headers);
    addresses.set(request, entrance.addressOf(headers, peer));
    refusals.set(request, (error) => entrance.refusing(error, headers, peer));
    const credential = pathKey(request.url) ?? shownCredential(headers);
    if (credential !== undefined) {
      try {
        if (credential !== peer.lastRight) entrance.check(credential, headers, peer);
      } catch (error) {
        await entrance.refusing(error, headers, peer);
        sendRefusal(response, publicError(error));
        return;
      }
      judges.set(request, (wasRight) => entrance.settled(credential, headers, peer, wasRight));
    }
    await handler(request, response);
  };
}

/** The key in "/k/{key}/…", as it came. */
function pathKey(target = ""): string | undefined {
  return /^\/k\/([^/?#]*)/.exec(target)?.[1];
}

function sendRefusal(response: HttpResponse, error: ConnectError): void {
  response.writeHead(429, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "retry-after": String(Math.ceil(Number(metadataOf(error).retry_after_ms ?? 1_000) / 1000)),
  });
  response.end(JSON.stringify({ error: error.rawMessage, reason: reasonName(reasonOf(error)) }));
}
