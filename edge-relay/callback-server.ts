// The addresses that vendors call on this host, and those that tell how the relay is.
//
// H1. 200 with errcode 0 goes out only after the message is on disk (I9). Whatever kept it from there is a 503 within 2 s,
//     so that the vendor tries again; so is a spool that is full.
// H2. What nobody could read is 200 with errcode -1: a repetition of it would be no better.
// H3. Who is not admitted cannot make us read a body; nobody can make us read more than 64 KiB, or keep a connection for
//     more than 10 s with a request that does not come.
// H4. No web page gets a message in: a request with an Origin is refused, and where no header guards the port, one that
//     was not sent to this machine by name.
// H5. What the server hears of a message says whether the vendor has its yes: a message is handed on once the answer is
//     written out, or cannot be any more.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import { MAX_BODY_BYTES } from "@hil/channels/wecom-robot/inbound.ts";
import { withoutCredentials } from "@hil/channels/wecom-robot/without-credentials.ts";
import { isSameSecret } from "@hil/platform/auth/same-secret.ts";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { createOriginGuard } from "@hil/platform/http/origin-guard.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { storageUnavailable } from "@hil/platform/storage/storage-unavailable.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { RelayConfig } from "./config.ts";
import type { Spool } from "./spool.ts";
import { version } from "./version.ts";

const CALLBACK = /^(?:\/api)?\/callback(?:\/([a-z][a-z0-9-]{0,62}))?$/;
/** The header that the earlier worker looked at, whatever name was set up. */
const USUAL_HEADER = "x-api-key";
const COMMIT_PATIENCE_MS = 2_000;
const REQUEST_PATIENCE_MS = 10_000;
const MOST_CONNECTIONS = 500;

/** How the relay is, for those who ask. */
export interface RelayState {
  /** Whether its stream stands now. */
  readonly attached: boolean;
  readonly relayName: string | undefined;
  /** Why there is no stream. */
  readonly reason: string | undefined;
  /** The channels that the server did not let it run when it last attached, and why. */
  readonly refusedChannels: ReadonlyMap<string, string>;
}

export interface CallbackServer {
  readonly port: number;
  /** Takes no new calls, and ends when those under way have. */
  close(): Promise<void>;
}

/** Starts to listen. `kept` hears of each message that can be handed on. Throws a ConfigurationError where the port is taken. */
export async function startCallbackServer({
  config: { host, port, authHeader },
  channels,
  spool,
  kept,
  state,
  log,
  now,
}: {
  config: RelayConfig["callback"];
  /** The channels that are heard, the one of the bare address first. */
  channels: readonly string[];
  spool: Spool;
  kept: () => void;
  state: () => RelayState;
  log: Log;
  now: () => Date;
}): Promise<CallbackServer> {
  const guard = createOriginGuard({ listenHost: host, allowedHosts: [] });

  const refusalOf = (request: IncomingMessage): { status: number; reason: string } | undefined => {
    const { headers } = request;
    if (headers.origin !== undefined) return { status: 403, reason: "web pages are not served here" };
    if (authHeader) {
      const names = [authHeader.name.toLowerCase(), USUAL_HEADER];
      const right = names.map((name) => isSameSecret(headers[name], authHeader.value)).includes(true);
      if (right) return undefined;
      return {
        status: 401,
        reason: `the ${authHeader.name} header is missing or wrong; send the value of CALLBACK_AUTH_VALUE in it`,
      };
    }
    return guard.refusal(headers.host, undefined) === undefined
      ? undefined
      : { status: 403, reason: "only calls to this machine by its name or address are served here" };
  };

  const handOn = (id: string) => {
    spool.release(id);
    kept();
  };

  const takeCallback = async (
    request: IncomingMessage,
    response: ServerResponse,
    channelId: string | undefined,
  ): Promise<void> => {
    if (request.method !== "POST") {
      answer(response, 405, "only POST is served here", { allow: "POST", connection: "close" });
      return;
    }
    const refusal = refusalOf(request);
    if (refusal) {
      answer(response, refusal.status, refusal.reason, { connection: "close" });
      return;
    }
    if (channelId === undefined || !channels.includes(channelId)) {
      answer(response, 404, "this relay runs no such channel", { connection: "close" });
      return;
    }
    const body = await readBody(request);
    if (body === "gone") return;
    if (body === "too large") {
      answer(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`, { connection: "close" });
      return;
    }
    const message = withoutCredentials(body);
    if (!message) {
      log.warn("a callback's body is no JSON object in UTF-8, and is not kept");
      answer(response, 200, "the body is not a JSON object in UTF-8");
      return;
    }
    const receiveTime = now();
    const id = uuidV7(receiveTime.getTime());
    try {
      failpoint("relay.before_spool");
      await within(COMMIT_PATIENCE_MS, spool.add({ id, channelId, body: message, receiveTime }));
    } catch (error) {
      log.error(
        { err: ConnectError.from(error) },
        "a vendor's message could not be kept; asked for it again",
      );
      answer(response, 503, "the message could not be kept; send it again", { "retry-after": "1" });
      return;
    }
    const refused = state().refusedChannels.get(channelId);
    if (refused !== undefined) {
      log.warn(
        { channel_id: channelId, reason: refused },
        "a vendor's message is kept here until the server lets this relay run its channel",
      );
    }
    failpoint("relay.before_ok");
    let isOut = false;
    response.once("finish", () => {
      isOut = true;
      failpoint("relay.after_ok");
      spool.acknowledge(id, now());
      handOn(id);
    });
    response.once("close", () => {
      if (!isOut) handOn(id);
    });
    answer(response, 200, undefined);
  };

  const tell = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const { attached, relayName, reason, refusedChannels } = state();
    switch (path) {
      case "/health":
      case "/api/health":
        sendJson(response, 200, { status: "healthy", ws_connected: attached });
        return;
      case "/":
        sendJson(response, 200, {
          service: "hil-relay",
          version: version(),
          mode: "proxy",
          ws_connected: attached,
        });
        return;
      case "/healthz":
        sendJson(response, 200, { status: "alive", service: "relay" });
        return;
      case "/readyz":
        // What comes while there is no stream is kept: it is ready to hear, and says that the rest is late.
        sendJson(response, 200, {
          status: "ready",
          service: "relay",
          impaired: [...(attached ? [] : ["server"]), ...(refusedChannels.size > 0 ? ["channels"] : [])],
          ...(isLocal(request)
            ? {
                relay: relayName,
                reason: attached ? undefined : reason,
                refused_channels: [...refusedChannels].map(([id, why]) => ({ channel_id: id, reason: why })),
                waiting: spool.size,
                waiting_bytes: spool.bytes,
                oldest_waiting_time: spool.oldestTime()?.toISOString(),
              }
            : {}),
        });
        return;
      default:
        sendJson(response, 404, { error: "there is nothing at this path" });
    }
  };

  const server = createServer(
    {
      headersTimeout: REQUEST_PATIENCE_MS,
      requestTimeout: REQUEST_PATIENCE_MS,
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    (request, response) => {
      const path = (request.url ?? "").split("?", 1)[0]!;
      const callback = CALLBACK.exec(path);
      if (callback) {
        takeCallback(request, response, callback[1] ?? channels[0]).catch((error: unknown) => {
          log.error({ err: error }, "a callback could not be answered");
          response.destroy();
        });
      } else if (request.method === "GET" || request.method === "HEAD") {
        tell(request, response, path);
      } else {
        sendJson(response, 404, { error: "there is nothing at this path" }, { connection: "close" });
      }
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new ConfigurationError(
          `callbacks cannot be heard on ${host}:${port} (${error.code}); set CALLBACK_PORT or CALLBACK_HOST to what is free on this host`,
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await closed;
    },
  };
}

function isLocal(request: IncomingMessage): boolean {
  return /^(::1|(::ffff:)?127\..*)$/.test(request.socket.remoteAddress ?? "");
}

/** Writes the vendor's form of an answer: errcode 0, or -1 and what is wrong. */
function answer(
  response: ServerResponse,
  status: number,
  wrong: string | undefined,
  headers: Record<string, string> = {},
): void {
  const body = wrong === undefined ? { errcode: 0, errmsg: "ok" } : { errcode: -1, errmsg: wrong };
  sendJson(response, status, body, headers);
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(text);
}

/** Reads a body up to the limit. "gone": the caller went away in the middle. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | "too large" | "gone"> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return "too large";
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) {
        chunks.push(chunk);
        return;
      }
      request.pause();
      resolve("too large");
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", () => resolve("gone"));
    request.on("close", () => resolve("gone")); // after "end" this changes nothing
  });
}

/** Rejects where `work` takes longer. The work goes on; what it keeps is told from its repetition by the server's inbox. */
async function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storageUnavailable("the commit took too long")), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // it was reported, or comes after the answer went out
  }
}
