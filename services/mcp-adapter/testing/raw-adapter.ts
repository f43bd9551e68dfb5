// A client that speaks JSON-RPC by hand, to see every line that a program writes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface RawAdapter {
  /** Sends a request and resolves to its result; what comes in between is kept in `lines`. Rejects with an error answer. */
  request<T>(method: string, params?: object): Promise<T>;
  notify(method: string, params?: object): void;
  /** Every line on stdout so far. */
  readonly lines: readonly string[];
  /** Closes stdin and resolves to the exit code. */
  close(): Promise<number | null>;
}

/** Starts a program that is an MCP server. Nothing of the surrounding environment gets in. */
export function startRaw(
  command: string,
  args: readonly string[],
  { environment = {}, cwd }: { environment?: Record<string, string>; cwd?: string } = {},
): RawAdapter {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const lines: string[] = [];
  const waiting = new Map<unknown, (answer: Answer) => void>();
  createInterface(child.stdout).on("line", (line) => {
    lines.push(line);
    const message = parsed(line);
    waiting.get(message.id)?.(message);
  });
  const write = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  let last = 0;
  return {
    lines,
    async request<T>(method: string, params = {}) {
      const id = ++last;
      const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
      write({ id, method, params });
      const ended = exited.then(([code]) => Promise.reject(new Error(`ended with ${code} before ${method}`)));
      const { result, error } = await Promise.race([answered, ended]);
      if (error !== undefined) throw new Error(JSON.stringify(error));
      return result as T;
    },
    notify(method, params = {}) {
      write({ method, params });
    },
    async close() {
      child.stdin.end();
      return (await exited)[0];
    },
  };
}

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** The handshake of the protocol's earlier revisions. */
export async function initialize(raw: RawAdapter, name = "raw") {
  const answer = await raw.request<{ serverInfo: { name: string; version: string } }>("initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name, version: "1" },
  });
  raw.notify("notifications/initialized");
  return answer;
}

function parsed(line: string): Answer {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // noise, which a test may look for in `lines`
  }
}
