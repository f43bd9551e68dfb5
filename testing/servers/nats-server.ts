// A NATS server of the tests' own, with JetStream: on a free port of loopback, in a folder that goes away with it.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.ts";

const READY_PATIENCE_MS = 30_000;

export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Ends it. The store stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same store and port. */
  restart(): Promise<void>;
  /** Deletes all that JetStream kept. Only while it does not run. */
  wipe(): void;
}

/** The program. Throws a sentence that says what to install. */
export function natsBinary(): string {
  const named = process.env.HIL_TEST_NATS_SERVER ?? "nats-server";
  if (spawnSync(named, ["--version"]).status === 0) return named;
  throw new Error(
    "nats-server was not found: install it (Debian: apt-get install nats-server), or set HIL_TEST_NATS_SERVER to its path",
  );
}

export async function startNats(): Promise<NatsServer> {
  const binary = natsBinary();
  const folder = mkdtempSync(join(tmpdir(), "hil-nats-"));
  const store = join(folder, "store");
  const port = await freePort();
  let child: ChildProcess;
  const run = async () => {
    mkdirSync(store, { recursive: true });
    child = spawn(binary, ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", store], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-4_000);
    });
    for (const end = Date.now() + READY_PATIENCE_MS; !(await answers(port)); await pause(20)) {
      if (child.exitCode !== null) throw new Error(`nats-server did not start: ${said}`);
      if (Date.now() > end) throw new Error("nats-server was not ready within 30 s");
    }
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  await run();
  return {
    url: `nats://127.0.0.1:${port}`,
    get pid() {
      return child.pid!;
    },
    kill,
    async restart() {
      await kill();
      await run();
    },
    wipe() {
      rmSync(store, { recursive: true, force: true });
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether a server greets on the port: it sends INFO first. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once("data", (data) => end(data.toString("latin1").startsWith("INFO")));
    socket.once("error", () => end(false));
    socket.setTimeout(1_000, () => end(false));
  });
}
