import { join } from "node:path";
import { type ServerProcess, startProcess } from "../processes/start-process.ts";
import { freePort } from "../servers/free-port.ts";
import type { Target } from "./deployment.ts";

/** A relay as something that can be broken. */
export interface RelayTarget extends Target, AsyncDisposable {
  /** Where the robot calls back. */
  readonly callbackUrl: string;
}

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
  const start = () =>
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
      },
      {
        onErrorOutput(text) {
          if (!text.startsWith("hil-relay: callbacks are heard on")) process.stderr.write(text);
        },
      },
    );
  let relay: ServerProcess = await start();
  return {
    name,
    callbackUrl: `http://127.0.0.1:${port}/callback`,
    kill: () => relay.kill("SIGKILL"),
    async restart() {
      relay = await start();
    },
    pause: () => process.kill(relay.pid, "SIGSTOP"),
    resume: () => process.kill(relay.pid, "SIGCONT"),
    [Symbol.asyncDispose]: () => relay.kill(),
  };
}
