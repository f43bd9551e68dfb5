// One port for everything: HTTP/1.1 and cleartext HTTP/2 are told apart by the first bytes.
//
// L1. Host and Origin are checked before anything else is looked at, on both protocols.
// L2. What a peer may use up is bounded: header size, streams, request bytes, and the time for sending them. A peer
//     without a right credential gets a small part of it (E4); one that resets streams in a hurry is cut.
// L3. A peer that hangs without closing is noticed: HTTP/2 connections are pinged.
// L4. Credentials are checked here by the headers alone (E1 to E3), and what is refused is never read.

import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Principal } from "../auth/principal.ts";
import { publicError } from "../errors/hil-error.ts";
import { admittedPrincipal, connectRoutes } from "../rpc/connect-routes.ts";
import { errorAnswer } from "../rpc/error-answer.ts";
import { createFastUnary } from "../rpc/fast-unary.ts";
import type { Method, Service } from "../rpc/service.ts";
import type { Log } from "../telemetry/log.ts";
import { currentTracing } from "../telemetry/tracing.ts";
import { createTrustedProxies, type TrustedProxies } from "./client-address.ts";
import { callHeaders, createEntrance, NOBODY, type Peer } from "./entrance.ts";
import { createFallbackGate } from "./fallback-gate.ts";
import type { OriginGuard } from "./origin-guard.ts";
import { sniff } from "./protocol-sniff.ts";
import { startPings } from "./session-pings.ts";

/** HTTP/2 requests come as node:http2's compatible ones, which have the same members. */
export type HttpRequest = http.IncomingMessage;
export type HttpResponse = http.ServerResponse;
/** Answers a plain HTTP request. Whatever it throws becomes a 500. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void | Promise<void>;

/** The most bytes of one RPC request: room for a question's pictures (6 MiB) and its text. */
export const MAX_RPC_BYTES = 8 * 1024 * 1024;

const CLOSE_IDLE_INTERVAL_MS = 50;
/** The most bytes of a request's headers. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Connections at a time, each of which takes a descriptor. */
const MAX_CONNECTIONS = 20_000;
/** How long a peer may take for a request's headers, and for all of it. */
const HEADERS_PATIENCE_MS = 15_000;
const REQUEST_PATIENCE_MS = 60_000;
/** Streams of one connection at a time: for a peer that showed no right credential yet, and for one that did. */
export const MAX_STREAMS_OF_STRANGER = 1_000;
const MAX_STREAMS = 20_000;
/** Streams that a peer may reset at once, and in each second after. A client that drops all its waits is no attacker. */
const RESET_BURST = 2_000;
const RESETS_PER_SECOND = 100;

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Served under /hil.*. */
  readonly services: readonly Service[];
  /** Served beside them, to everybody: gRPC's standard services. */
  readonly standardRoutes?: readonly ((router: ConnectRouter) => void)[];
  /** Everything else. */
  readonly fallback: HttpHandler;
  readonly guard: OriginGuard;
  /** Whose word about a caller's address is taken. Default: nobody's. */
  readonly proxies?: TrustedProxies;
  /** Only services of the deployment call here, the gateway for everybody else (E5). */
  readonly isInner?: boolean;
  readonly log: Log;
  /** Default: the machine's clock. */
  readonly now?: () => Date;
  /** How long a peer may take for sending a request. Default: 60 s. */
  readonly requestPatienceMs?: number;
}

export interface Listener {
  readonly port: number;
  /** Stops taking connections, lets calls under way end for up to `graceMs`, then cuts what is left. */
  close(graceMs?: number): Promise<void>;
}

/** Opens the port. Rejects with a sentence when it cannot. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { guard, log, now = () => new Date(), requestPatienceMs = REQUEST_PATIENCE_MS } = options;
  const entrance = createEntrance({
    proxies: options.proxies ?? createTrustedProxies([]),
    now,
    isInner: options.isInner ?? false,
  });
  const peers = new WeakMap<object, Peer>();
  const peerOf = (connection: object | undefined): Peer => (connection && peers.get(connection)) ?? NOBODY;
  const methods = methodsByPath(options.services);
  const admitted = new WeakMap<object, Principal>();
  const fastUnary = createFastUnary(options.services, {
    maxRequestBytes: MAX_RPC_BYTES,
    requestPatienceMs,
    admit: (method, headers, stream) => entrance.admit(method, headers, peerOf(stream.session)),
  });
  const fallback = createFallbackGate(entrance, async (request, response) => {
    try {
      const tracing = currentTracing();
      const run = () => options.fallback(request, response);
      await (tracing ? tracing.serveHttp(request, response, run) : run());
    } catch (error) {
      log.error({ err: error, method: request.method }, "a request failed");
      if (!response.headersSent) response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: "something went wrong on our side; the server's log says what" }));
    }
  });
  const connect = connectNodeAdapter({
    routes: (router) => {
      connectRoutes(options.services)(router);
      for (const route of options.standardRoutes ?? []) route(router);
    },
    readMaxBytes: MAX_RPC_BYTES,
    contextValues: (request) => createContextValues().set(admittedPrincipal, admitted.get(request)),
    fallback: (request, response) =>
      fallback(request as HttpRequest, response as HttpResponse, peerOf(connectionOf(request))),
  });
  const handle = (request: HttpRequest, response: HttpResponse): void => {
    const host = (request.headers[":authority"] as string | undefined) ?? request.headers.host;
    const refused = guard.refusal(host, request.headers.origin);
    if (refused) {
      refuse(response, refused);
      return;
    }
    const method = methods.get((request.url ?? "").split("?", 1)[0]!);
    if (!method) {
      connect(request, response);
      return;
    }
    const enter = (principal: Principal | undefined) => {
      if (principal) admitted.set(request, principal);
      if (!response.destroyed) connect(request, response);
    };
    const turnAway = (error: unknown) => answerError(request, response, error);
    try {
      const principal = entrance.admit(method, callHeaders(request.headers), peerOf(connectionOf(request)));
      if (principal instanceof Promise) principal.then(enter, turnAway);
      else enter(principal);
    } catch (error) {
      turnAway(error);
    }
  };

  const h1 = http.createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: Math.min(HEADERS_PATIENCE_MS, requestPatienceMs),
      requestTimeout: requestPatienceMs,
      connectionsCheckingInterval: Math.min(5_000, requestPatienceMs),
    },
    handle,
  );
  h1.keepAliveTimeout = 65_000;
  // A server that is only handed connections starts neither its list of them nor its clock for slow requests
  // until it hears this; without it, closing waits for every idle keep-alive connection.
  h1.emit("listening");
  const h2 = http2.createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS_OF_STRANGER, maxHeaderListSize: MAX_HEADER_BYTES },
    maxSessionMemory: 256,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESETS_PER_SECOND,
  });
  h2.on("stream", (stream, headers, _flags, rawHeaders) => {
    // Node's own limit holds from when a peer has said that it knows of it, which a peer may never say.
    if (stream.session?.pendingSettingsAck && bytesOf(rawHeaders as unknown as string[]) > MAX_HEADER_BYTES) {
      stream.on("error", () => {}); // the one that closing makes
      stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const refused = guard.refusal(headers[":authority"] ?? headers.host, headers.origin);
    if (!refused && fastUnary(stream, headers)) return;
    const request = new http2.Http2ServerRequest(stream, headers, {}, rawHeaders as unknown as string[]);
    const response = new http2.Http2ServerResponse(stream);
    if (!stream.endAfterHeaders) {
      const giveUp = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), requestPatienceMs);
      stream.once("end", () => clearTimeout(giveUp));
      stream.once("close", () => clearTimeout(giveUp));
    }
    handle(request as unknown as HttpRequest, response as unknown as HttpResponse);
  });
  const sessions = new Set<http2.ServerHttp2Session>();
  // A session tells of its socket through a stand-in only; it is made while its connection is handed over.
  let handedOver: Peer = NOBODY;
  h2.on("session", (session) => {
    sessions.add(session);
    peers.set(session, handedOver);
    handedOver.recognised = () => {
      if (!session.destroyed) session.settings({ maxConcurrentStreams: MAX_STREAMS });
    };
    session.on("error", () => session.destroy());
    const stopPings = startPings(session);
    session.on("close", () => {
      sessions.delete(session);
      stopPings();
    });
  });

  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    const peer = entrance.connected(socket.remoteAddress ?? "", () => socket.destroy());
    peers.set(socket, peer);
    sockets.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      entrance.disconnected(peer);
    });
    sniff(socket, (isHttp2) => {
      handedOver = peer;
      (isHttp2 ? h2 : h1).emit("connection", socket);
      handedOver = NOBODY;
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(error as NodeJS.ErrnoException, options)));
    server.listen(options.port, options.host, resolve);
  });
  server.on("error", (error) => log.error({ err: error }, "the listener failed"));

  return {
    port: (server.address() as net.AddressInfo).port,
    async close(graceMs = 10_000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      h1.close();
      // A connection whose call ends only now is idle from then on.
      const closeIdle = setInterval(() => h1.closeIdleConnections(), CLOSE_IDLE_INTERVAL_MS);
      for (const session of sessions) session.close();
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(closeIdle);
      clearTimeout(cut);
    },
  };
}

function methodsByPath(services: readonly Service[]): ReadonlyMap<string, Method> {
  const table = new Map<string, Method>();
  for (const { desc, methods } of services) {
    for (const method of methods.values()) table.set(`/${desc.typeName}/${method.desc.name}`, method);
  }
  return table;
}

function bytesOf(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (const each of rawHeaders) bytes += each.length;
  return bytes;
}

/** What a request came on: the session of HTTP/2, the socket of HTTP/1.1. */
function connectionOf(request: object): object | undefined {
  const { stream, socket } = request as { stream?: http2.ServerHttp2Stream; socket?: net.Socket };
  return stream ? stream.session : socket;
}

/** Answers an RPC that is not let in, and drops its request as it comes: a caller that is cut off reads no answer. */
function answerError(request: HttpRequest, response: HttpResponse, thrown: unknown): void {
  if (response.destroyed) return;
  const { status, headers, body } = errorAnswer(request.headers["content-type"] ?? "", publicError(thrown));
  response.writeHead(status, headers);
  response.end(body);
  const { stream } = request as { stream?: http2.ServerHttp2Stream };
  if (stream) {
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    return;
  }
  let dropped = 0;
  request.on("data", (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > 2 * MAX_RPC_BYTES) request.destroy();
  });
}

function refuse(response: HttpResponse, { header, value }: { header: string; value: string }): void {
  response.writeHead(403, { "content-type": "application/json" });
  response.end(
    JSON.stringify({
      code: "permission_denied",
      reason: "ORIGIN_REFUSED",
      message: `the ${header} header ${JSON.stringify(value.slice(0, 200))} is not served here; add the name to HIL_ALLOWED_HOSTS if it is yours`,
    }),
  );
}

function cannotListen(error: NodeJS.ErrnoException, { host, port }: ListenerOptions): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(`port ${port} on ${host} is taken: stop what uses it, or set HIL_PORT to another`, {
        cause: error,
      });
    case "EACCES":
      return new Error(`port ${port} may not be opened by this user: set HIL_PORT to one above 1023`, {
        cause: error,
      });
    case "EADDRNOTAVAIL":
      return new Error(`${host} is not an address of this machine: set HIL_HOST to one that is`, {
        cause: error,
      });
    default:
      return new Error(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
  }
}
