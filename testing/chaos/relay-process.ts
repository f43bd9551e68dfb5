import { join } from "node:path";
import { type ServerProcess, startProcess } from "../processes/start-process.ts";
import { freePort } from "../servers/free-port.ts";
import type { Target } from "./deployment.ts";

/** A relay as something that can be broken. */
export interface RelayTarget extends Target, AsyncDisposable {
  /** Where the robot calls back. */
  readonly callbackUrl: string;
  /** The process that runs now. */
  readonly server: ServerProcess;
  /** Starts it again, with more in its environment. Only while it does not run. */
  start(extra?: Record<string, string>): Promise<void>;
}

/** What it says of itself, and of a place at which a test breaks it. */
const EXPECTED = /^(hil-relay: callbacks are heard on|failpoint )/;

/** Starts a relay with the robot that the environment names, on a port of its own. */
export async function startRelayTarget({
  name,
  url,
  token,
  dataDir,
  environment,
}: {
  name: string;
  /** Where it dials. */
  url: string;
  token: string;
  dataDir: string;
  environment: Record<string, string>;
}): Promise<RelayTarget> {
  const port = await freePort();
  const run = (extra: Record<string, string>) =>
    startProcess(
      join(import.meta.dirname, "..", "..", "edge-relay", "main.ts"),
      [],
      {
        HIL_LOG_LEVEL: "fatal", // that the server is away is no news here
        ...environment,
        HIL_URL: url,
        HIL_TOKEN: token,
        HIL_DATA_DIR: dataDir,
        CALLBACK_PORT: String(port),
        ...extra,
      },
      {
        onErrorOutput(text) {
          if (!EXPECTED.test(text)) process.stderr.write(text);
        },
      },
    );
  let relay: ServerProcess = await run({});
  const start = async (extra: Record<string, string> = {}) => {
    relay = await run(extra);
  };
  return {
    name,
    callbackUrl: `http://127.0.0.1:${port}/callback`,
    get server() {
      return relay;
    },
    start,
    kill: () => relay.kill("SIGKILL"),
    restart: () => start(),
    pause: () => process.kill(relay.pid, "SIGSTOP"),
    resume: () => process.kill(relay.pid, "SIGCONT"),
    [Symbol.asyncDispose]: () => relay.kill(),
  };
}
