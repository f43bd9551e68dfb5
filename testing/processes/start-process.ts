import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePort } from "../servers/free-port.ts";

export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** Resolves when it is gone, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Asks it to collect its garbage. */
  collectGarbage(): void;
  /** Ends it at once and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  /** Gets what it writes to stderr. Default: it goes to ours. */
  readonly onErrorOutput?: (text: string) => void;
  /** Of Node. */
  readonly flags?: readonly string[];
}

/** Runs a script that prints "listening <port>" once it serves. Rejects where it ends before. */
export async function startProcess(
  script: string,
  args: readonly string[],
  environment: Record<string, string>,
  { onErrorOutput, flags = [] }: StartOptions = {},
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...flags, "--expose-gc", script, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...environment },
    stdio: ["ignore", "pipe", onErrorOutput ? "pipe" : "inherit"],
  });
  child.stderr?.on("data", (chunk: Buffer) => onErrorOutput?.(chunk.toString("utf8")));
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal!)); // after the last of its output was read
  });
  const port = await listeningPort(child, script);
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  return {
    pid: child.pid!,
    port,
    ended,
    collectGarbage: () => child.kill("SIGUSR2"),
    kill,
    [Symbol.asyncDispose]: () => kill("SIGKILL"),
  };
}

/** The embedded form on a data folder, as a process that can be killed and started again on its port. */
export async function startEmbeddedProcess(
  environment: Record<string, string>,
  options?: StartOptions,
): Promise<ServerProcess> {
  return startProcess(
    join(import.meta.dirname, "embedded-server.ts"),
    [],
    { HIL_PORT: String(await freePort()), HIL_LOG_LEVEL: "warn", ...environment },
    { ...options, flags: ["--max-semi-space-size=4"] }, // as npm start
  );
}

function listeningPort(child: ChildProcess, script: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const match = /listening (\d+)/.exec(text);
      if (match) resolve(Number(match[1]));
    });
    child.once("error", reject);
    child.once("close", (code, signal) =>
      reject(new Error(`${script} ended with ${code ?? signal} before it listened`)),
    );
  });
}
