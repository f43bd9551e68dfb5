// A relay as a process on a host of its own, with a robot within its intranet.

import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FakeWecom, type FakeWecomOptions, startFakeWecom } from "../fake-wecom/fake-wecom.ts";
import type { Namespace } from "./namespace.ts";

export const ROBOT_KEY = "network-robot-key";
const CALLBACK_KEY = "network-callback-key";
const CALLBACK_PORT = 8082;
/** Of /proc; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface RelayHost extends AsyncDisposable {
  readonly wecom: FakeWecom;
  /** Whether the relay says that its stream stands. */
  isAttached(): Promise<boolean>;
  /** Messages that it keeps for the server. */
  waiting(): Promise<number>;
  /** How much of a processor it has used since its start. */
  cpuMs(): number;
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
  /** What it wrote to its log. */
  logged(): string;
}

/** Starts a relay in a namespace. `program`: the executable file; default: the sources on this Node. */
export async function startRelayHost({
  namespace,
  url,
  token,
  program,
  wecom: wecomOptions = {},
}: {
  namespace: Namespace;
  url: string;
  token: string;
  program?: string;
  wecom?: Partial<FakeWecomOptions>;
}): Promise<RelayHost> {
  const folder = mkdtempSync(join(tmpdir(), "hil-relay-host-"));
  const wecom = await startFakeWecom({
    key: ROBOT_KEY,
    perMinute: 0,
    host: namespace.intranet,
    callbackRetryMs: 300,
    callbackHeader: ["x-api-key", CALLBACK_KEY],
    callbackUrl: `http://${namespace.host}:${CALLBACK_PORT}/callback`,
    ...wecomOptions,
  });
  const main = join(import.meta.dirname, "..", "..", "edge-relay", "main.ts");
  const [file, args] = program === undefined ? [process.execPath, [main]] : [program, []];
  let said = "";
  const start = async () => {
    const child = namespace.spawn(file, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HIL_URL: url,
        HIL_TOKEN: token,
        HIL_DATA_DIR: join(folder, "data"),
        BOT_KEY: ROBOT_KEY,
        WECOM_API_URL: `http://${namespace.intranet}:${wecom.port}`,
        CALLBACK_AUTH_VALUE: CALLBACK_KEY,
        CALLBACK_PORT: String(CALLBACK_PORT),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-256_000);
    });
    const ended = once(child, "exit");
    const listening = new Promise<boolean>((resolve) => {
      child.stdout!.on("data", (chunk: Buffer) => {
        if (chunk.toString("utf8").includes("listening")) resolve(true);
      });
      void ended.then(() => resolve(false));
    });
    if (!(await listening)) throw new Error(`the relay ended before it listened: ${said}`);
    return { child, ended };
  };
  let running = await start();
  const ask = async (path: string): Promise<Record<string, unknown>> => {
    const response = await fetch(`http://${namespace.host}:${CALLBACK_PORT}${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    const { child, ended } = running;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await ended;
    }
  };
  return {
    wecom,
    isAttached: async () => (await ask("/health")).ws_connected === true,
    waiting: async () => Number((await ask("/readyz")).waiting ?? Number.NaN),
    cpuMs() {
      const stat = readFileSync(`/proc/${running.child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
    },
    kill,
    async restart() {
      running = await start();
    },
    logged: () => said,
    async [Symbol.asyncDispose]() {
      await kill("SIGTERM");
      await wecom.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
