// The line to SessionService: Connect over HTTP/1.1 with fetch, which every proxy and old nginx lets through.

import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { findKeys } from "@hil/platform/client/keys.ts";
import { proxyFor } from "@hil/platform/client/proxy.ts";
import type { AdapterConfig } from "./config.ts";

export type SessionClient = Client<typeof SessionService>;

/** The most bytes of one answer: a page of sessions with their texts. */
const READ_MAX_BYTES = 32 * 1024 * 1024;

const NO_KEY = "no key for HIL is set";

/** True where nothing was sent because no key is known. */
export function isKeyMissing(error: ConnectError): boolean {
  return error.code === Code.Unauthenticated && error.rawMessage === NO_KEY;
}

/** Makes a client. Nothing is dialled before the first call. */
export function createSessionClient(config: AdapterConfig, environment: NodeJS.ProcessEnv): SessionClient {
  const { baseUrl } = config.service;
  return createClient(
    SessionService,
    createTransport({
      httpClient: fetchOnce(proxyFor(baseUrl, environment)),
      baseUrl,
      useBinaryFormat: true,
      interceptors: [withTenant(config.tenantId), withKey(() => findKeys(config))],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 1024,
      readMaxBytes: READ_MAX_BYTES,
      writeMaxBytes: 0xffffffff,
    }),
  );
}

/** Says which tenant the key should be of, so that HIL refuses one of another instead of asking the wrong people. */
function withTenant(tenantId: string): Interceptor {
  return (next) => (request) => {
    // What cannot stand in a header can be no tenant's id either; encoded, it stays another one.
    if (tenantId !== "") request.header.set(TENANT_HEADER, encodeURIComponent(tenantId.toWellFormed()));
    return next(request);
  };
}

/** Shows the keys one after the other until one is known. There is more than one only on the server's own machine. */
function withKey(keys: () => string[]): Interceptor {
  return (next) => async (request) => {
    let refused: unknown = new ConnectError(NO_KEY, Code.Unauthenticated);
    for (const key of keys()) {
      request.header.set("authorization", `Bearer ${key}`);
      try {
        return await next(request);
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
        refused = error;
      }
    }
    throw refused;
  };
}

/**
 * Sends a unary call with fetch. The request goes out as one piece with its length, because old proxies refuse
 * chunked requests.
 */
function fetchOnce(proxy: string | undefined): UniversalClientFn {
  const send = lazyFetch(proxy);
  return async ({ url, method, header, body, signal }) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body ?? []) chunks.push(chunk);
    try {
      const response = await (await send())(url, {
        method,
        headers: header,
        body: Buffer.concat(chunks),
        signal,
        // A redirect would turn the call into a GET of some page.
        redirect: "error",
      });
      const responseHeader = new Headers(response.headers);
      if (responseHeader.has("content-encoding")) {
        // fetch asks for compression and takes it off by itself, but leaves the headers that tell of it.
        responseHeader.delete("content-encoding");
        responseHeader.delete("content-length");
      }
      return {
        status: response.status,
        header: responseHeader,
        body: response.body ?? empty(),
        trailer: new Headers(),
      };
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ConnectError(networkFailure(error), Code.Unavailable, undefined, undefined, error);
    }
  };
}

/** Node's own fetch, which knows no proxies; or, where there is one, that of undici, loaded only then. */
function lazyFetch(proxy: string | undefined): () => Promise<typeof fetch> {
  if (proxy === undefined) return async () => fetch;
  let proxied: Promise<typeof fetch> | undefined;
  return () => {
    proxied ??= import("undici").then((undici) => {
      // An http address is asked of the proxy itself: many let no tunnels through but those to port 443.
      const dispatcher = new undici.ProxyAgent({ uri: proxy, proxyTunnel: false });
      return ((url: string, init: object) =>
        undici.fetch(url, { ...init, dispatcher })) as unknown as typeof fetch;
    });
    return proxied;
  };
}

/** fetch says "fetch failed" and hides the reason in its cause, or, of a proxy that refuses, in the cause's own. */
function networkFailure(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  // undici's own codes say less than its sentences: UND_ERR_ABORTED for a proxy that answered 403.
  return code && !code.startsWith("UND_ERR_") ? code : cause.message || String(code);
}

async function* empty(): AsyncGenerator<Uint8Array<ArrayBuffer>> {}
