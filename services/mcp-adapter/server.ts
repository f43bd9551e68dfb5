// The MCP server of one connection or request, for both eras of the protocol: from a message to its handler.
//
// The SDK's plain Server is used and not McpServer: over HTTP one is made for each request, and a result of a tool
// may be a task, which McpServer takes for a fault of a tool that has an output schema.

import { setImmediate } from "node:timers/promises";
import {
  CLIENT_INFO_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Caller } from "./caller.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { getPrompt, listPrompts } from "./prompts.ts";
import {
  declaresTasks,
  serveTasks,
  TASKS_CAPABILITY,
  type TaskStore,
  taskResult,
  taskUnknown,
} from "./tasks.ts";
import type { ToolCall, ToolHandlers } from "./tool-handlers.ts";
import { toolResult } from "./tool-result.ts";
import { findTool, listTools, type Tool } from "./tools.ts";

/** The name of the earlier client's server: users' permission rules carry it. */
const SERVER_NAME = "wecom-hil";

const INSTRUCTIONS =
  'Asks a person and waits for the answer. A result with status "waiting" is no failure: call wait_for_reply with its session_id until it ends.';

/** What never changes while a version runs may be kept for an hour. */
const STATIC = { ttlMs: 3_600_000, cacheScope: "public" as const };
const CACHE_HINTS = { "tools/list": STATIC, "prompts/list": STATIC, "resources/templates/list": STATIC };

/** Checks answers to elicitations, which this server never asks for. The default costs 30 ms at start. */
const NO_VALIDATOR = {
  getValidator() {
    throw new Error("this server asks for no elicitation");
  },
};

/** Tells what a handler knows of a call, from the SDK's context. */
type CallOf = (context: ServerContext) => ToolCall;

export interface Adapter {
  /**
   * Makes the server for one connection, or for one request of `method`: it costs less where it need not answer others,
   * and over HTTP there are as many as calls that wait.
   */
  createServer(caller: Caller, era: "legacy" | "modern", method?: string): Server;
  /** Resolves when the acknowledgements under way are done. */
  settle(): Promise<unknown>;
}

export interface AdapterOptions {
  /** Called with the first call of a tool: what it loads takes longer than clients like to wait for a server. */
  readonly handlers: () => Promise<ToolHandlers>;
  readonly now: () => Date;
  readonly version: string;
}

export function createAdapter({ handlers, now, version }: AdapterOptions): Adapter {
  const acknowledging = new Set<Promise<void>>();

  /** Acknowledges an answer once its result was handed over, if the client still listened then. */
  function acknowledgeLater(
    { signal, caller }: ToolCall,
    acknowledge: (() => Promise<void>) | undefined,
  ): void {
    if (!acknowledge || signal.aborted) return;
    const handedOver = caller.handedOver ?? (() => setImmediate().then(() => !signal.aborted));
    const done = handedOver()
      .then((isThere) => (isThere ? acknowledge() : undefined))
      .finally(() => acknowledging.delete(done));
    acknowledging.add(done);
  }

  /** Tells the client, until what is returned is called, that its call still waits. */
  function heartbeat(context: ServerContext, everyS: number | undefined): () => void {
    const progressToken = context.mcpReq._meta!.progressToken!;
    return startHeartbeat(
      (beat) => {
        const params = { progressToken, ...beat };
        // A client that is gone aborts the signal; there is nobody to tell.
        context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
      },
      { everyS, now },
    );
  }

  async function callTool(tool: Tool, given: object | undefined, call: ToolCall, context: ServerContext) {
    const input = tool.input.safeParse(withoutNulls(given));
    if (!input.success) {
      // A result and not an error of the protocol: it is the model that has to read it and call otherwise.
      const text = `Invalid arguments for ${tool.name}:\n${z.prettifyError(input.error)}`;
      return { content: [{ type: "text" as const, text }], isError: true };
    }
    const stopHeartbeat = call.hasProgressToken ? heartbeat(context, call.caller.progressS) : () => {};
    try {
      const handed = await tool.run(await handlers(), input.data as never, call);
      if ("task" in handed) return taskResult(handed.task);
      acknowledgeLater(call, handed.acknowledge);
      return toolResult(handed.result);
    } finally {
      stopHeartbeat();
    }
  }

  /** What each request of a client is answered with. A server gets those that it may be asked for. */
  const answers: Record<string, (server: Server, callOf: CallOf) => void> = {
    "tools/list": (server) => server.setRequestHandler("tools/list", () => ({ tools: listTools() })),
    "tools/call": (server, callOf) =>
      server.setRequestHandler("tools/call", ({ params }, context) => {
        const tool = findTool(params.name);
        if (!tool) {
          throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no tool ${params.name}`);
        }
        return callTool(tool, params.arguments, callOf(context), context);
      }),
    "prompts/list": (server) => server.setRequestHandler("prompts/list", () => ({ prompts: listPrompts() })),
    "prompts/get": (server) =>
      server.setRequestHandler("prompts/get", ({ params }) => getPrompt(params.name, params.arguments)),
    "resources/templates/list": (server) =>
      server.setRequestHandler("resources/templates/list", async () => {
        const { TEMPLATE } = await import("./session-resources.ts");
        return { resourceTemplates: [TEMPLATE] };
      }),
    "resources/list": (server, callOf) =>
      server.setRequestHandler("resources/list", async ({ params }, context) => {
        const { resourceOf } = await import("./session-resources.ts");
        const { sessions, next } = await (await handlers()).listOwn(params?.cursor ?? "", callOf(context));
        return { resources: sessions.map(resourceOf), ...(next === "" ? {} : { nextCursor: next }) };
      }),
    "resources/read": (server, callOf) =>
      server.setRequestHandler("resources/read", async ({ params: { uri } }, context) => {
        const { contentsOf, sessionIdOf } = await import("./session-resources.ts");
        const id = sessionIdOf(uri);
        const session = id && (await (await handlers()).readOwn(id, callOf(context)));
        if (!session) throw new ResourceNotFoundError(uri);
        return { contents: contentsOf(session) };
      }),
  };

  /** Sessions as tasks. */
  const tasksOf = (callOf: CallOf): TaskStore => ({
    async get(taskId, context) {
      const call = callOf(context);
      const found = await (await handlers()).readTask(taskId, call);
      if (!found) throw taskUnknown(taskId);
      acknowledgeLater(call, found.acknowledge);
      return found.result;
    },
    async update(taskId, _inputResponses, context) {
      // A question asks its person and never the client, so there is nothing to bring.
      if (!(await (await handlers()).readTask(taskId, callOf(context)))) throw taskUnknown(taskId);
    },
    async cancel(taskId, context) {
      if (!(await (await handlers()).cancelTask(taskId, callOf(context)))) throw taskUnknown(taskId);
    },
  });

  return {
    settle: () => Promise.allSettled(acknowledging),
    createServer(caller, era, method) {
      const isModern = era === "modern";
      const server = new Server(
        { name: SERVER_NAME, version },
        {
          capabilities: { tools: {}, resources: {}, prompts: {}, ...(isModern ? TASKS_CAPABILITY : {}) },
          instructions: INSTRUCTIONS,
          cacheHints: CACHE_HINTS,
          jsonSchemaValidator: NO_VALIDATOR,
        },
      );
      const callOf: CallOf = (context) => ({
        caller,
        signal: context.mcpReq.signal,
        clientName: clientNameOf(server, context) ?? caller.clientName,
        hasProgressToken: context.mcpReq._meta?.progressToken !== undefined,
        takesTask: isModern && declaresTasks(context),
      });
      for (const [name, answer] of Object.entries(answers)) {
        if (method === undefined || method === name) answer(server, callOf);
      }
      if (isModern && (method === undefined || method.startsWith("tasks/"))) {
        serveTasks(server, tasksOf(callOf));
      }
      return server;
    },
  };
}

/** Clients that know a schema with nulls send them for what is left out. */
function withoutNulls(given: object | undefined): object {
  return Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== null));
}

/** How the client calls itself: told with each request since 2026-07-28, and in the handshake before. */
function clientNameOf(server: Server, { mcpReq }: ServerContext): string | undefined {
  const envelope = mcpReq.envelope as Record<string, { name?: string } | undefined> | undefined;
  return envelope?.[CLIENT_INFO_META_KEY]?.name ?? server.getClientVersion()?.name;
}
