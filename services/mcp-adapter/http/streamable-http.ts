// The streamable HTTP transport, for any server: each request makes one, and is answered by a stream of events where that
// takes its time.

import { setTimeout as pause } from "node:timers/promises";
import type { Principal } from "@hil/platform/auth/principal.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createMcpHandler, isLegacyRequest, type McpServerFactory } from "@modelcontextprotocol/server";
import { readMessage } from "./json-rpc.ts";
import { answerLegacy } from "./legacy-exchange.ts";
import { createLegacySessions } from "./legacy-sessions.ts";
import { KEEP_ALIVE_MS, sendWhenReady } from "./send-response.ts";

/** What calls under way have to end when the process does. */
const END_PATIENCE_MS = 3_000;
/** The longest name of a request that goes into a header. */
const MOST_NAME = 500;

/**
 * Whose request it is, and what the server that is made for it is given in `authInfo.extra`: beside it there, `method` is
 * the request's own, undefined for several in one.
 */
export interface RequestOwner {
  readonly principal: Principal;
  readonly extra: Readonly<Record<string, unknown>>;
}

export interface HandleOptions {
  /** Cuts a stream of notifications. Other requests end by themselves. */
  readonly end?: AbortSignal;
  /** Whether the answer's head names the request, for a gateway that has to answer it if this process cannot. */
  readonly namesRequest?: boolean;
}

export interface StreamableHttp {
  /** Resolves when the request is answered or its client is gone. */
  handle(
    request: HttpRequest,
    response: HttpResponse,
    owner: RequestOwner,
    options?: HandleOptions,
  ): Promise<void>;
  /** Lets requests under way end for a moment, and ends the others. */
  close(): Promise<void>;
}

export interface StreamableHttpOptions {
  /** Makes the server of a request. */
  readonly createServer: McpServerFactory;
  /** Whether the servers send nothing of their own but progress, to those who ask for it. Default: they may. */
  readonly sendsOnlyProgress?: boolean;
  readonly log: Log;
}

export function createStreamableHttp({
  createServer,
  sendsOnlyProgress = false,
  log,
}: StreamableHttpOptions): StreamableHttp {
  const handler = createMcpHandler(createServer, {
    responseMode: "auto", // what waits becomes a stream in sendWhenReady
    keepAliveMs: KEEP_ALIVE_MS,
    onerror: (error) => log.debug({ err: error }, "an MCP request was not served"),
  });
  const legacySessions = createLegacySessions();
  const underWay = new Set<Promise<void>>();

  async function serve(
    request: HttpRequest,
    response: HttpResponse,
    { principal, extra }: RequestOwner,
    { end, namesRequest = false }: HandleOptions,
  ): Promise<void> {
    const body = request.method === "POST" ? await readMessage(request, response) : { value: undefined };
    if (!body || response.destroyed) return;
    const call = new AbortController();
    response.once("close", () => call.abort());
    const { method, id, params } = (body.value ?? {}) as { method?: unknown; id?: unknown; params?: unknown };
    if (method === "subscriptions/listen") {
      end?.addEventListener("abort", () => call.abort(), { once: true });
    }
    const exchange = legacySessions.begin(request.headers, body.value, principal, call);
    try {
      const webRequest = new Request("http://mcp.invalid/mcp", {
        method: request.method ?? "GET",
        headers: headersOf(request),
        signal: call.signal,
      });
      const given = {
        // The token stays outside: nothing in a server may hand it on.
        authInfo: {
          token: "",
          clientId: principal.id,
          scopes: [...(principal.scopes ?? [])],
          extra: { ...extra, method: typeof method === "string" ? method : undefined },
        },
        ...(body.value === undefined ? {} : { parsedBody: body.value }),
      };
      const isPlain = sendsOnlyProgress && method === "tools/call" && !wantsProgress(params);
      const answer =
        isPlain && (await isLegacyRequest(webRequest, body.value))
          ? answerLegacy(createServer, webRequest, { ...given, parsedBody: body.value })
          : handler.fetch(webRequest, given);
      const name: Record<string, string> = namesRequest ? requestName(id) : {};
      await sendWhenReady(answer, response, { ...exchange.headers, ...name });
    } finally {
      exchange.end();
    }
  }

  return {
    handle(request, response, owner, options = {}) {
      const done = serve(request, response, owner, options).finally(() => underWay.delete(done));
      underWay.add(done);
      return done;
    },
    async close() {
      await Promise.race([Promise.allSettled(underWay), pause(END_PATIENCE_MS, undefined, { ref: false })]);
      await handler.close();
    },
  };
}

/** A header that names a request; none for a name that no client of good will makes up. */
function requestName(id: unknown): Record<string, string> {
  if (typeof id !== "string" && typeof id !== "number") return {};
  const name = encodeURIComponent(JSON.stringify(id));
  return name.length > MOST_NAME ? {} : { "hil-request-id": name };
}

function wantsProgress(params: unknown): boolean {
  const meta = (params as { _meta?: { progressToken?: unknown } } | undefined)?._meta;
  return meta?.progressToken !== undefined;
}

/** What of a request's headers the protocol reads. Credentials are none of it. */
function headersOf({ headers: given }: HttpRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    const isRead = name === "accept" || name === "content-type" || name.startsWith("mcp-");
    if (isRead && value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return headers;
}
