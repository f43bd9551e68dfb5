// MCP over HTTP: /mcp for both eras of the protocol, /sse and /messages for clients older than those.
//
// H1. Nothing is kept between requests, so any replica serves any request. What a client asked lives in SessionService.
// H2. A call is made with the credential that its request brought, and with nothing else.
// H3. A client that goes away, cancels or gives a call up detaches its wait. The question stays open.
// H4. While a call waits, its answer streams: something is sent at least every 10 s, so that no proxy cuts it.
// H5. When the process drains, or the gateway that a call came through, calls that wait answer "waiting" at once, and
//     their clients go on elsewhere.
// H6. A stream that waits for nothing ends within 5 s of its credential's revocation, as waits do (S6).

import { createClient, type Transport } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { Recheck } from "@hil/platform/auth/recheck.ts";
import { publicError } from "@hil/platform/errors/hil-error.ts";
import { callHeaders } from "@hil/platform/http/entrance.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import { eitherSignal } from "@hil/platform/rpc/either-signal.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { Caller } from "../caller.ts";
import { sentenceOverHttp } from "../failures.ts";
import manifest from "../package.json" with { type: "json" };
import { createAdapter } from "../server.ts";
import { createToolHandlers } from "../tool-handlers.ts";
import { callerOf } from "./caller-of-request.ts";
import { Drains } from "./drains.ts";
import { EventStreams, MESSAGES_PATH, STREAM_PATH } from "./event-streams.ts";
import { sendError } from "./json-rpc.ts";
import { OpenRequests } from "./open-requests.ts";
import { createStreamableHttp } from "./streamable-http.ts";

const PATH = "/mcp";
/**
 * Requests of one principal at a time in this process. What a tenant may wait for in all is in its policy; this keeps one
 * key from taking all the connections.
 */
const MOST_OPEN = 2_000;

/** The face of one process. */
export interface McpHttp {
  /** `path` has no query and no key. */
  matches(path: string): boolean;
  /** Answers a request. `credential` are the headers that show the services who calls. */
  handle(
    request: HttpRequest,
    response: HttpResponse,
    credential: Readonly<Record<string, string>>,
    way?: Way,
  ): Promise<void>;
  /** Ends waits as if their time were over: all, or those of one gateway (H5). */
  drain(gateway?: string): void;
  close(): Promise<void>;
}

/** How a request came here where another process handed it on. */
export interface Way {
  /** The process that handed it on. */
  readonly gateway: string | undefined;
  /** The address that it used. */
  readonly replica: string | undefined;
}

export interface McpHttpOptions {
  /** The way to SessionService, with the credential that each call brings. */
  readonly toSessions: Transport;
  readonly authenticate: Authenticate;
  readonly log: Log;
  readonly now: () => Date;
}

export function createMcpHttp({ toSessions, authenticate, log, now }: McpHttpOptions): McpHttp {
  const handlers = createToolHandlers({
    client: createClient(SessionService, toSessions),
    failed: sentenceOverHttp,
    now,
  });
  const adapter = createAdapter({ handlers: async () => handlers, now, version: manifest.version });
  const streamable = createStreamableHttp({
    createServer({ authInfo, era }) {
      const { caller, method } = authInfo!.extra as { caller: Caller; method: string | undefined };
      return adapter.createServer(caller, era, method);
    },
    sendsOnlyProgress: true,
    log,
  });
  const streams = new EventStreams();
  const drains = new Drains();
  const open = new OpenRequests(MOST_OPEN);
  const recheck = new Recheck(authenticate);

  return {
    matches: (path) => path === PATH || path === STREAM_PATH || path === MESSAGES_PATH,
    async handle(request, response, credential, way = { gateway: undefined, replica: undefined }) {
      const path = (request.url ?? "").split("?", 1)[0]!;
      const allowed = path === STREAM_PATH ? "GET" : path === MESSAGES_PATH ? "POST" : undefined;
      if (allowed !== undefined && request.method !== allowed) {
        sendError(response, 405, -32000, `this path serves ${allowed}`, { allow: allowed });
        return;
      }
      const headers = callHeaders(credential);
      let principal: Principal;
      try {
        principal = await authenticate(headers);
      } catch (thrown) {
        const error = publicError(thrown);
        sendError(response, codeToHttpStatus(error.code), -32000, error.rawMessage);
        return;
      }
      if (path === MESSAGES_PATH) {
        await streams.take(request, response, principal);
        return;
      }
      const leave = open.enter(principal);
      if (!leave) {
        const sentence = `this key has ${MOST_OPEN} requests under way; let some end, then try again`;
        sendError(response, 429, -32000, sentence, { "retry-after": "3" });
        return;
      }
      const drain = drains.of(way.gateway);
      const revoked = new AbortController();
      const unfollow = recheck.follow(headers, { principal, check() {}, end: () => revoked.abort() });
      const over = eitherSignal(revoked.signal, drain.signal);
      try {
        const shared = { credential, principal, drain: drain.signal };
        if (path === STREAM_PATH) {
          const caller = callerOf(request, { ...shared, handedOver: undefined });
          const server = adapter.createServer(caller, "legacy");
          const end = revoked.signal;
          await streams.open(response, server, { ...shared, replica: way.replica, end });
        } else {
          const caller = callerOf(request, { ...shared, handedOver: () => wasSent(response) });
          const owner = { principal, extra: { caller } };
          const options = { end: over.signal, namesRequest: way.gateway !== undefined };
          await streamable.handle(request, response, owner, options);
        }
      } finally {
        over.release();
        unfollow();
        drain.release();
        leave();
      }
    },
    drain(gateway) {
      if (gateway === undefined) drains.endAll();
      else drains.endOf(gateway);
    },
    async close() {
      drains.endAll();
      await streamable.close();
      await adapter.settle();
    },
  };
}

/** Resolves when all of an answer was handed to the system; to false where its connection closed before. */
function wasSent(response: HttpResponse): Promise<boolean> {
  if (response.writableFinished || response.destroyed) return Promise.resolve(response.writableFinished);
  return new Promise((resolve) => {
    response.once("finish", () => resolve(true)).once("close", () => resolve(false));
  });
}
