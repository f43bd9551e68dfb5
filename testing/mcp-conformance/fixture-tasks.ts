// Tasks in memory, which end by themselves or ask the client back: what the conformance suite wants to see of the tasks
// that our own code serves.

import { randomUUID } from "node:crypto";
import {
  acceptedContent,
  type InputRequests,
  inputRequired,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from "@modelcontextprotocol/server";
import {
  declaresTasks,
  TASKS_CAPABILITY,
  type Task,
  type TaskStore,
  taskResult,
  taskUnknown,
} from "hil-mcp/tasks.ts";
import { text } from "./fixture-content.ts";
import type { FixtureTool } from "./fixture-tools.ts";

type State =
  | { readonly status: "working" | "cancelled" }
  | { readonly status: "input_required"; readonly inputRequests: InputRequests }
  | { readonly status: "completed"; readonly result: Record<string, unknown> }
  | { readonly status: "failed"; readonly error: { readonly code: number; readonly message: string } };

interface Kept {
  readonly taskId: string;
  readonly owner: string;
  readonly createTime: Date;
  updateTime: Date;
  state: State;
}

/** One for all requests, as they come to it one by one. */
export class FixtureTasks implements TaskStore {
  readonly #tasks = new Map<string, Kept>();

  /** Stores a task. It is what `end` says after some time; at once where that is 0. */
  start(
    context: ServerContext,
    {
      end,
      afterMs,
      state = { status: "working" },
    }: {
      readonly end: State;
      readonly afterMs: number;
      readonly state?: State;
    },
  ): Task {
    const now = new Date();
    const kept: Kept = {
      taskId: randomUUID(),
      owner: ownerOf(context),
      createTime: now,
      updateTime: now,
      state: afterMs === 0 ? end : state,
    };
    this.#tasks.set(kept.taskId, kept);
    if (afterMs > 0 && state.status === "working") {
      setTimeout(() => kept.state.status === "working" && this.#move(kept, end), afterMs).unref();
    }
    return taskOf(kept);
  }

  async get(taskId: string, context: ServerContext): Promise<Task> {
    return taskOf(this.#find(taskId, context));
  }

  async update(taskId: string, inputResponses: Readonly<Record<string, unknown>>, context: ServerContext) {
    const kept = this.#find(taskId, context);
    if (kept.state.status !== "input_required") return;
    const open = Object.entries(kept.state.inputRequests).filter(([key]) => !(key in inputResponses));
    this.#move(
      kept,
      open.length > 0
        ? { status: "input_required", inputRequests: Object.fromEntries(open) }
        : { status: "completed", result: { content: [text("All of it was answered.")] } },
    );
  }

  async cancel(taskId: string, context: ServerContext) {
    const kept = this.#find(taskId, context);
    if (["working", "input_required"].includes(kept.state.status)) this.#move(kept, { status: "cancelled" });
  }

  #move(kept: Kept, state: State): void {
    kept.state = state;
    kept.updateTime = new Date();
  }

  #find(taskId: string, context: ServerContext): Kept {
    const kept = this.#tasks.get(taskId);
    if (kept?.owner !== ownerOf(context)) throw taskUnknown(taskId);
    return kept;
  }
}

/** The tools that are answered by tasks. */
export function taskTools(tasks: FixtureTasks): Record<string, FixtureTool> {
  const done = (words: string): State => ({ status: "completed", result: { content: [text(words)] } });
  const confirm = (message: string) =>
    inputRequired.elicit({
      message,
      requestedSchema: {
        type: "object",
        properties: { confirm: { type: "boolean" } },
        required: ["confirm"],
      },
    });
  const onlyAsTask = (run: FixtureTool["run"]): FixtureTool => ({
    run(context, input) {
      if (declaresTasks(context)) return run(context, input);
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: TASKS_CAPABILITY });
    },
  });
  const asking = (inputRequests: InputRequests) =>
    onlyAsTask((context) => {
      const state: State = { status: "input_required", inputRequests };
      return taskResult(tasks.start(context, { end: done("never"), afterMs: 1, state }));
    });
  return {
    greet: { run: (_context, { name }) => ({ content: [text(`Hello, ${name}!`)] }) },
    slow_compute: {
      async run(context, { seconds = 0 }) {
        const afterMs = Number(seconds) * 1000;
        const words = `Computed for ${seconds} s.`;
        if (declaresTasks(context)) return taskResult(tasks.start(context, { end: done(words), afterMs }));
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        return { content: [text(words)] };
      },
    },
    failing_job: onlyAsTask((context) => {
      const result = { content: [text("The job failed.")], isError: true };
      return taskResult(tasks.start(context, { end: { status: "completed", result }, afterMs: 100 }));
    }),
    protocol_error_job: onlyAsTask((context) => {
      const error = { code: -32603, message: "the job broke" };
      return taskResult(tasks.start(context, { end: { status: "failed", error }, afterMs: 100 }));
    }),
    confirm_delete: asking({ confirm: confirm("Delete it?") }),
    multi_input: asking({ first: confirm("The first?"), second: confirm("The second?") }),
    test_tool_with_task: onlyAsTask((context) => {
      const answer = acceptedContent<{ name?: string }>(context.mcpReq.inputResponses, "user_name");
      if (answer) {
        return taskResult(tasks.start(context, { end: done(`Done for ${answer.name}.`), afterMs: 100 }));
      }
      const requestedSchema = {
        type: "object" as const,
        properties: { name: { type: "string" as const } },
        required: ["name"],
      };
      return inputRequired({
        inputRequests: { user_name: inputRequired.elicit({ message: "Your name?", requestedSchema }) },
      });
    }),
  };
}

function taskOf({ taskId, createTime, updateTime, state }: Kept): Task {
  const fields = {
    taskId,
    createdAt: createTime.toISOString(),
    lastUpdatedAt: updateTime.toISOString(),
    ttlMs: null,
    pollIntervalMs: 100,
  };
  return { ...fields, ...state };
}

function ownerOf({ http }: ServerContext): string {
  return http?.authInfo?.clientId ?? "";
}
