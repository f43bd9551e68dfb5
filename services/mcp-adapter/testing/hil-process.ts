// A real HIL in a process of its own that tests may kill and start again, and the person who answers there.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DeliverySummary_State, type Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { freePort } from "../../../testing/servers/free-port.ts";
import { readCommand } from "../config.ts";
import { createSessionClient, type SessionClient } from "../session-client.ts";

export interface HilProcess {
  readonly url: string;
  readonly dataDir: string;
  /** A key that it knows, until it is started again. */
  key(): string;
  /** Every session there is, newest first. */
  sessions(): Promise<Session[]>;
  /** Waits until a session asks this, and answers it in words. */
  answer(body: string, words: string): Promise<Session>;
  /** Waits until a session asks this. */
  asked(body: string): Promise<Session>;
  /** Waits until a session that asks this was brought to its chats, and HIL knows that. */
  shown(body: string): Promise<Session>;
  /** The service as the owner sees it. */
  owner(): SessionClient;
  /** kill -9. */
  kill(): Promise<void>;
  /** Asks it to end; resolves with its exit code. */
  end(): Promise<number>;
  /** Starts it again on the same folder and port. */
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startHil(environment: Record<string, string> = {}): Promise<HilProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "hil-mcp-test-"));
  let running = await spawnHil(dataDir, await freePort(), environment);
  const { url } = running;
  const owner = (): SessionClient => {
    const command = readCommand(["--service-url", url], { HIL_API_KEY: running.localKey }, "");
    if (command.kind !== "serve") throw new Error(`not a command to serve: ${command.kind}`);
    return createSessionClient(command.config, {});
  };
  const sessions = async () => (await owner().listSessions({})).sessions;
  const asked = async (body: string): Promise<Session> => {
    for (;;) {
      const found = (await sessions()).find((session) => session.body === body);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const shown = async (body: string): Promise<Session> => {
    for (;;) {
      const found = await asked(body);
      if (found.deliveries.every(({ state }) => state === DeliverySummary_State.SENT)) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const kill = async () => {
    running.process.kill("SIGKILL");
    await running.exited;
  };
  return {
    url,
    dataDir,
    key: () => running.localKey,
    sessions,
    asked,
    shown,
    owner,
    kill,
    async answer(body, words) {
      const { id } = await asked(body);
      const value = { kind: { case: "text" as const, value: { text: words } } };
      const { session } = await owner().answerSession({
        sessionId: id,
        requestId: `answer-${id}`,
        value,
        responderName: "Zhang San",
        channelId: "console",
      });
      return session!;
    },
    async end() {
      running.process.kill("SIGTERM");
      const [code] = (await running.exited) as [number];
      return code;
    },
    async start() {
      running = await spawnHil(dataDir, Number(new URL(url).port), environment);
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function spawnHil(
  dataDir: string,
  port: number,
  environment: Record<string, string>,
): Promise<{ process: ChildProcess; exited: Promise<unknown>; url: string; localKey: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "hil-main.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HIL_PORT: String(port),
      HIL_DATA_DIR: dataDir,
      HIL_LOG_LEVEL: "error",
      ...environment,
    },
  });
  const exited = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    exited.then(() => Promise.reject(new Error("HIL ended before it listened"))),
  ]);
  return { process: child, exited, ...JSON.parse(line as string) };
}
