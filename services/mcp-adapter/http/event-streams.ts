// The transport of 2024-11-05, for clients that know no other: GET /sse opens a stream of messages to the client, and
// what it has to say comes by POST /messages.
//
// E1. A stream belongs to the principal that opened it. Anybody else's messages find nothing there.
// E2. It ends within 5 s of its credential's revocation (S6), and when the process drains, once its calls are answered.
//     Its client opens another one; the questions that it asked are kept.
// E3. A stream is this process's, and where there are several its name says which one has it: the gateway brings its
//     messages there, whichever gateway they come to.

import { randomUUID } from "node:crypto";
import type { Principal } from "@hil/platform/auth/principal.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import {
  type JSONRPCMessage,
  parseJSONRPCMessage,
  type Server,
  type Transport,
} from "@modelcontextprotocol/server";
import { readMessage, sendError } from "./json-rpc.ts";
import { OpenRequests, ownerOf } from "./open-requests.ts";
import { KEEP_ALIVE_MS, STREAM_HEADERS } from "./send-response.ts";

export const STREAM_PATH = "/sse";
export const MESSAGES_PATH = "/messages";
/** Streams of one principal at a time. Programs of a key share them. */
const MOST_OF_PRINCIPAL = 200;

export class EventStreams {
  readonly #streams = new Map<string, EventStream>();
  readonly #open = new OpenRequests(MOST_OF_PRINCIPAL);

  /**
   * Opens a stream for `server`; resolves when it has ended. `replica` is where this process is reached. `drain` ends it
   * once its calls are answered, `end` at once.
   */
  async open(
    response: HttpResponse,
    server: Server,
    {
      principal,
      replica,
      drain,
      end,
    }: {
      principal: Principal;
      replica: string | undefined;
      drain: AbortSignal;
      end: AbortSignal;
    },
  ): Promise<void> {
    const leave = drain.aborted ? undefined : this.#open.enter(principal);
    if (!leave) {
      const [status, why] = drain.aborted
        ? [503, "this server is ending"]
        : [429, "this key has too many streams open; close some"];
      sendError(response, status, -32000, `${why}; then try again`, { "retry-after": "1" });
      return;
    }
    const stream = new EventStream(response, streamId(replica), ownerOf(principal));
    this.#streams.set(stream.id, stream);
    const close = () => void stream.close();
    const endLater = () => stream.drain();
    end.addEventListener("abort", close, { once: true });
    drain.addEventListener("abort", endLater, { once: true });
    try {
      await server.connect(stream);
      await stream.ended;
    } finally {
      end.removeEventListener("abort", close);
      drain.removeEventListener("abort", endLater);
      this.#streams.delete(stream.id);
      leave();
      await server.close();
    }
  }

  /** Takes a message to the stream that the address names. */
  async take(request: HttpRequest, response: HttpResponse, principal: Principal): Promise<void> {
    const id = new URLSearchParams((request.url ?? "").split("?", 2)[1]).get("sessionId") ?? "";
    const stream = this.#streams.get(id);
    if (!stream || stream.owner !== ownerOf(principal)) {
      sendError(response, 404, -32001, `there is no such stream here; open one with GET ${STREAM_PATH}`);
      return;
    }
    const body = await readMessage(request, response);
    if (!body) return;
    let messages: JSONRPCMessage[];
    try {
      messages = (Array.isArray(body.value) ? body.value : [body.value]).map(parseJSONRPCMessage);
    } catch {
      sendError(response, 400, -32600, "this is no message of JSON-RPC");
      return;
    }
    response.writeHead(202, { "content-type": "text/plain" });
    response.end("Accepted");
    for (const message of messages) stream.receive(message);
  }
}

/** One stream, as a server sees it. */
class EventStream implements Transport {
  readonly id: string;
  readonly owner: string;
  readonly ended: Promise<void>;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  readonly #response: HttpResponse;
  readonly #unanswered = new Set<string | number>();
  #keepAlive: NodeJS.Timeout | undefined;
  #draining = false;
  #resolve!: () => void;
  #closed = false;

  constructor(response: HttpResponse, id: string, owner: string) {
    this.#response = response;
    this.id = id;
    this.owner = owner;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  async start(): Promise<void> {
    const response = this.#response;
    if (response.destroyed) {
      await this.close();
      return;
    }
    response.once("close", () => void this.close());
    response.writeHead(200, STREAM_HEADERS);
    // Without a path before it, it is beside the stream, whatever prefix or key that was reached with.
    response.write(`event: endpoint\ndata: ${MESSAGES_PATH.slice(1)}?sessionId=${this.id}\n\n`);
    this.#keepAlive = setInterval(() => response.write(": keepalive\n\n"), KEEP_ALIVE_MS);
    this.#keepAlive.unref();
  }

  receive(message: JSONRPCMessage): void {
    if ("method" in message && "id" in message) this.#unanswered.add(message.id);
    if ("method" in message && message.method === "notifications/cancelled") {
      this.#unanswered.delete(message.params?.requestId as string | number); // it gets no answer
    }
    this.onmessage?.(message);
    this.#endIfDone();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) return;
    this.#response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    if (!("method" in message) && message.id !== undefined) this.#unanswered.delete(message.id);
    this.#endIfDone();
  }

  drain(): void {
    this.#draining = true;
    this.#endIfDone();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#keepAlive);
    this.#response.end();
    this.#resolve();
    this.onclose?.();
  }

  #endIfDone(): void {
    if (this.#draining && this.#unanswered.size === 0) void this.close();
  }
}

/** Names a stream, and the replica that has it. */
function streamId(replica: string | undefined): string {
  const where = replica === undefined ? "" : Buffer.from(replica, "utf8").toString("base64url");
  return `${where}.${randomUUID()}`;
}
