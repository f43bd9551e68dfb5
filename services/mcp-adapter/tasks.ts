// Tasks of MCP 2026-07-28, the extension io.modelcontextprotocol/tasks, for any server: a call of a tool is answered by
// the name of a task, which the client asks about until it has ended. The SDK knows the extension no further than that
// it lets its messages through; once it serves tasks itself, this file goes.
//
// T1. Only a client that declares the extension with its request is answered by a task, and may ask about one.
// T2. A task belongs to who made it. For anybody else there is none (-32602), whatever its name: names are no secrets.
// T3. A task that is told of is durable: it was stored before its name was sent.

import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";

/** The extension's name. */
export const TASKS = "io.modelcontextprotocol/tasks";

/** What a server that serves tasks declares in 2026-07-28. */
export const TASKS_CAPABILITY = { extensions: { [TASKS]: {} } };

/** What is told of a task in each of its states. */
interface TaskFields {
  readonly taskId: string;
  readonly statusMessage?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
  /** How long after its creation the task can be asked about, in milliseconds. Null: always. */
  readonly ttlMs: number | null;
  /** How long to wait between two questions about it, in milliseconds. */
  readonly pollIntervalMs?: number;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A task as it stands.
 *
 *   working        - under way.
 *   input_required - under way, and asks the client for something; tasks/update brings it.
 *   completed      - final; what the tool answered, also where that tells of an error.
 *   failed         - final; an error of the protocol.
 *   cancelled      - final.
 */
export type Task =
  | (TaskFields & { readonly status: "working" | "cancelled" })
  | (TaskFields & { readonly status: "input_required"; readonly inputRequests: JsonObject })
  | (TaskFields & { readonly status: "completed"; readonly result: JsonObject })
  | (TaskFields & {
      readonly status: "failed";
      readonly error: { readonly code: number; readonly message: string };
    });

/** Where the tasks of a server live. Each method rejects with `taskUnknown` for a task that is not the caller's. */
export interface TaskStore {
  get(taskId: string, context: ServerContext): Promise<Task>;
  /** Brings what a task asked for. What it did not ask for is ignored. */
  update(taskId: string, inputResponses: JsonObject, context: ServerContext): Promise<void>;
  /** Ends a task; nothing happens to one that has ended. */
  cancel(taskId: string, context: ServerContext): Promise<void>;
}

export function taskUnknown(taskId: string): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `there is no task ${JSON.stringify(taskId.slice(0, 100))}`,
  );
}

/** Whether a request comes from a client that knows tasks (T1). */
export function declaresTasks({ mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as JsonObject | undefined;
  const capabilities = envelope?.[CLIENT_CAPABILITIES_META_KEY] as { extensions?: JsonObject } | undefined;
  return capabilities?.extensions?.[TASKS] !== undefined;
}

/** A task as the answer to the call of a tool. */
export function taskResult(task: Task) {
  const { taskId, status, statusMessage, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs } = task;
  return {
    // The SDK would add it anyway.
    content: [],
    resultType: "task" as const,
    taskId,
    status,
    ...(statusMessage === undefined ? {} : { statusMessage }),
    createdAt,
    lastUpdatedAt,
    ttlMs,
    ...(pollIntervalMs === undefined ? {} : { pollIntervalMs }),
  };
}

const named = z.object({ taskId: z.string() });

/** Serves tasks/get, tasks/update and tasks/cancel. */
export function serveTasks(server: Server, store: TaskStore): void {
  server.setRequestHandler("tasks/get", { params: named }, async ({ taskId }, context) => {
    assertDeclared(context);
    return { ...(await store.get(taskId, context)) };
  });
  server.setRequestHandler("tasks/update", { params: named }, async ({ taskId }, context) => {
    assertDeclared(context);
    const { inputResponses } = context.mcpReq; // the SDK takes them out of every request
    if (!inputResponses) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "tasks/update needs inputResponses");
    }
    await store.update(taskId, inputResponses, context);
    return {};
  });
  server.setRequestHandler("tasks/cancel", { params: named }, async ({ taskId }, context) => {
    assertDeclared(context);
    await store.cancel(taskId, context);
    return {};
  });
}

function assertDeclared(context: ServerContext): void {
  if (declaresTasks(context)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: TASKS_CAPABILITY });
}
