// MCP in the distributed form: handed on to a replica of the adapter, and its streams brought back as they come.
//
// M1. Any replica serves any request. Those of one client before 2026-07-28 go to the same one while the replicas stay
//     the same, so that a cancellation finds its call; messages of an event stream go to the replica that has it.
// M2. A client that goes away is gone for the adapter too, at once.
// M3. When the gateway drains, the replicas end the waits that came through it with "waiting": their clients go on at
//     another gateway.
// M4. A call whose replica is lost is told so at once: a client whose stream just breaks waits for its own time limit.
// M5. The credential is the one that was verified here. Of cookies, and of what callers say about whom they speak for,
//     nothing goes further.

import { createHash, randomUUID } from "node:crypto";
import type * as http from "node:http";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { currentTracing } from "@hil/platform/telemetry/tracing.ts";
import { openReplicas } from "./replicas.ts";
import type { McpHttp } from "./service.ts";

const PATHS = new Set(["/mcp", "/sse", "/messages"]);
/** Each call that waits has a connection. */
const MAX_SOCKETS = 20_000;
/** What the replicas may take to hear of a drain. */
const DRAIN_PATIENCE_MS = 2_000;
/** What of a request the adapter reads; headers of the protocol besides, which begin with "mcp-". */
const HANDED_ON = new Set(["accept", "content-type", "content-length", "hil-tenant", "last-event-id"]);
const NOT_HANDED_BACK = new Set(["connection", "keep-alive", "transfer-encoding", "hil-request-id"]);

const AGAIN = "Call again with the same arguments: nothing is asked twice";
/** Also for a call whose replica was lost before it had begun to answer: what it asked may be stored. */
const NOT_NOW = `HIL cannot take this now. ${AGAIN}`;

export interface McpProxy extends McpHttp {
  /** Tells the replicas that this gateway goes (M3). */
  drain(): Promise<void>;
  close(): void;
}

export interface McpProxyOptions {
  /** The replicas of the adapter, as for remoteTransport. */
  readonly url: string;
  readonly serviceKey: string;
  readonly log: Log;
}

export function createMcpProxy({ url, serviceKey, log }: McpProxyOptions): McpProxy {
  const replicas = openReplicas({ url, maxSockets: MAX_SOCKETS });
  const gateway = randomUUID();
  const known = (): Promise<readonly string[]> => replicas.addresses().catch(() => []);
  return {
    matches: (path) => PATHS.has(path),
    async handle(request, response, credential) {
      const [path = "/", query] = (request.url ?? "/").split("?", 2);
      const named = path === "/messages" ? replicaOf(query) : undefined;
      if (named !== undefined && !(await known()).includes(named)) {
        answerError(response, 404, -32001, "there is no such stream any more; open one with GET /sse");
        return;
      }
      try {
        const handedOn = await replicas.connect({
          method: request.method ?? "POST",
          path: request.url ?? "/",
          headers: (replica) => ({
            ...headersOf(request),
            ...credential,
            "hil-gateway": gateway,
            "hil-replica": replica,
          }),
          ...orderFor(named, request.headers["mcp-session-id"]),
        });
        await pass(request, response, handedOn);
      } catch (error) {
        if (response.destroyed) return; // the client went away, which is how the request to the replica ended
        log.warn({ err: error }, "an MCP request could not be handed on");
        if (response.headersSent) response.destroy();
        else answerError(response, 503, -32000, NOT_NOW, { "retry-after": "1" });
      }
    },
    async drain() {
      const tell = async (replica: string) => {
        const { body } = await fetch(`${replica}/gateways/${gateway}/drain`, {
          method: "POST",
          headers: { authorization: `Bearer ${serviceKey}` },
          signal: AbortSignal.timeout(DRAIN_PATIENCE_MS),
        });
        await body?.cancel();
      };
      // A replica that does not hear of it ends its calls when their connections are cut.
      await Promise.allSettled((await known()).map(tell));
    },
    close: () => replicas.close(),
  };
}

/** The replica that has an event stream, by the stream's name. */
function replicaOf(query: string | undefined): string | undefined {
  const [where] = (new URLSearchParams(query).get("sessionId") ?? "").split(".", 1);
  return where ? Buffer.from(where, "base64url").toString("utf8") : undefined;
}

/** Where a request may go (M1). */
function orderFor(named: string | undefined, session: string | string[] | undefined) {
  if (named !== undefined) return { order: () => [named] };
  if (session === undefined) return {};
  const weight = (address: string) =>
    createHash("sha256")
      .update(`${String(session)}\n${address}`)
      .digest("hex");
  return {
    order: (addresses: readonly string[]) =>
      addresses
        .map((address) => ({ address, weight: weight(address) }))
        .sort((one, other) => (one.weight < other.weight ? -1 : 1))
        .map(({ address }) => address),
  };
}

function headersOf(request: HttpRequest): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && (HANDED_ON.has(name) || name.startsWith("mcp-"))) headers[name] = value;
  }
  currentTracing()?.inject({
    set(name, value) {
      headers[name] = value;
    },
  });
  return headers;
}

/** Sends the body on and the answer back. Resolves when the answer has ended, or the client is gone. */
async function pass(
  request: HttpRequest,
  response: HttpResponse,
  handedOn: http.ClientRequest,
): Promise<void> {
  const gone = () => handedOn.destroy();
  response.once("close", gone);
  if (response.destroyed) gone();
  try {
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      handedOn.once("response", resolve);
      handedOn.on("error", reject);
    });
    request.pipe(handedOn);
    const answer = await answered;
    const headers: http.OutgoingHttpHeaders = {};
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined && !NOT_HANDED_BACK.has(name)) headers[name] = value;
    }
    // The adapter did not read the rest of the request, and neither do we.
    if (!request.readableEnded && request.httpVersionMajor === 1) headers.connection = "close";
    response.writeHead(answer.statusCode ?? 502, headers);
    response.flushHeaders();
    await new Promise<void>((resolve) => {
      answer.once("error", () => {
        const lost = lostCall(answer);
        if (lost === undefined) response.destroy();
        else response.end(lost);
      });
      response.once("close", resolve);
      answer.pipe(response);
    });
  } finally {
    response.removeListener("close", gone);
  }
}

/** The end of a stream that its replica did not end: an error for the call that the stream answers. */
function lostCall({ headers }: http.IncomingMessage): string | undefined {
  const id = headers["hil-request-id"];
  if (typeof id !== "string" || !headers["content-type"]?.startsWith("text/event-stream")) return undefined;
  const message = `HIL lost this call; what was asked is kept. ${AGAIN}`;
  const error = `{"jsonrpc":"2.0","id":${decodeURIComponent(id)},"error":${JSON.stringify({ code: -32000, message })}}`;
  return `\n\nevent: message\ndata: ${error}\n\n`; // the first line ends a message that came in part
}

function answerError(
  response: HttpResponse,
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } }));
}
