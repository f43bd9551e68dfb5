import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerProcess, startEmbeddedProcess } from "../processes/start-process.ts";
import type { Deployment } from "./deployment.ts";

const OWNER_KEY = "hil_owner_chaos_0123456789abcdef0123456789";

export interface EmbeddedOptions {
  /** Holds the data folder. Default: a new one, deleted afterwards. */
  readonly folder?: string;
  /** Gets what the process writes to stderr. Default: it goes to ours. */
  readonly onErrorOutput?: (text: string) => void;
}

/** The embedded form, for tests that break it from within. */
export interface EmbeddedDeployment extends Deployment {
  /** The process that runs now. */
  readonly server: ServerProcess;
  /** Starts it again, with more in its environment. Only while it does not run. */
  start(extra?: Record<string, string>): Promise<void>;
}

/** The embedded form: one process on one folder. */
export async function startEmbeddedDeployment(
  environment: Record<string, string>,
  { folder: given, onErrorOutput }: EmbeddedOptions = {},
): Promise<EmbeddedDeployment> {
  const folder = given ?? mkdtempSync(join(tmpdir(), "hil-chaos-"));
  const settings = {
    HIL_DATA_DIR: join(folder, "data"),
    HIL_OWNER_KEY: OWNER_KEY,
    HIL_LOG_LEVEL: "error", // that others are away while it starts is no news here
    ...environment,
  };
  let server = await startEmbeddedProcess(settings, { onErrorOutput });
  const { port } = server;
  const start = async (extra: Record<string, string> = {}) => {
    server = await startEmbeddedProcess({ ...settings, ...extra, HIL_PORT: String(port) }, { onErrorOutput });
  };
  return {
    form: "embedded",
    url: `http://127.0.0.1:${port}`,
    ownerKey: OWNER_KEY,
    get server() {
      return server;
    },
    start,
    targets: [
      {
        name: "hil",
        kill: () => server.kill("SIGKILL"),
        restart: () => start(),
        pause: () => process.kill(server.pid, "SIGSTOP"),
        resume: () => process.kill(server.pid, "SIGCONT"),
      },
    ],
    links: [],
    async [Symbol.asyncDispose]() {
      await server.kill();
      if (given === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
