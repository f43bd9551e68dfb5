// Requests of 2026-07-28 as they are on the wire. The client of the SDK takes no task for an answer, so that tests of
// tasks speak for themselves.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const VERSION = "2026-07-28";
export const TASKS = "io.modelcontextprotocol/tasks";

/** What a server answers: a result, or an error with its code. */
export interface ModernAnswer {
  readonly result?: Record<string, unknown> & { readonly taskId?: string; readonly status?: string };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** Sends one request and gives its answer. Requests say that their client knows tasks, unless `tasks` is false. */
export type ModernCall = (
  method: string,
  params?: Record<string, unknown>,
  options?: { tasks?: boolean },
) => Promise<ModernAnswer>;

let lastId = 0;

function request(method: string, params: Record<string, unknown>, tasks: boolean) {
  lastId += 1;
  return {
    jsonrpc: "2.0",
    id: lastId,
    method,
    params: {
      ...params,
      _meta: {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { name: "modern-test", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": tasks ? { extensions: { [TASKS]: {} } } : {},
      },
    },
  };
}

/** Over HTTP. */
export function modernOverHttp(url: string, key: string): ModernCall {
  return async (method, params = {}, { tasks = true } = {}) => {
    const name = params.name ?? params.taskId ?? params.uri;
    const response = await fetch(`${url}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": method,
        ...(name === undefined ? {} : { "mcp-name": String(name) }),
      },
      body: JSON.stringify(request(method, params, tasks)),
    });
    const text = await response.text();
    const messages = response.headers.get("content-type")?.startsWith("text/event-stream")
      ? [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!)
      : [text];
    return JSON.parse(messages.at(-1)!) as ModernAnswer;
  };
}

/** Over stdio, by a process of its own that may be killed. */
export function modernOverStdio({
  command,
  args,
  env,
}: {
  command: string;
  args: string[];
  env: Record<string, string>;
}) {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const waiting = new Map<unknown, (answer: ModernAnswer) => void>();
  createInterface(child.stdout).on("line", (line) => {
    const message = JSON.parse(line) as ModernAnswer & { id?: unknown };
    waiting.get(message.id)?.(message);
  });
  const call: ModernCall = (method, params = {}, { tasks = true } = {}) =>
    new Promise((resolve) => {
      const message = request(method, params, tasks);
      waiting.set(message.id, resolve);
      child.stdin.write(`${JSON.stringify(message)}\n`);
    });
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  return { call, kill, [Symbol.asyncDispose]: kill };
}
