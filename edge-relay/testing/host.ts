// An intranet host for tests: a folder, a stand-in for the vendor, and a relay on both.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type FakeWecom, startFakeWecom } from "../../testing/fake-wecom/fake-wecom.ts";
import { type RelayConfig, readCommand } from "../config.ts";
import { type Relay, startRelay } from "../relay.ts";

export const ROBOT_KEY = "relay-robot-key";
export const TOKEN = "hil_relay_for_tests";
export const CALLBACK_KEY = "callback-secret";

export interface Host extends AsyncDisposable {
  readonly folder: string;
  readonly wecom: FakeWecom;
  readonly config: RelayConfig;
  readonly relay: Relay;
  /** Starts the relay again on the same folder, after it was stopped. */
  restart(): Promise<Relay>;
}

/** Starts a relay that dials `url`. */
export async function startHost(url: string, environment: Record<string, string> = {}): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), "hil-relay-"));
  const wecom = await startFakeWecom({
    key: ROBOT_KEY,
    perMinute: 0,
    callbackRetryMs: 50,
    callbackHeader: ["x-api-key", CALLBACK_KEY],
  });
  const config = configOf({
    HIL_URL: url,
    HIL_TOKEN: TOKEN,
    HIL_DATA_DIR: join(folder, "data"),
    BOT_KEY: ROBOT_KEY,
    WECOM_API_URL: wecom.url,
    CALLBACK_HOST: "127.0.0.1",
    CALLBACK_PORT: "0",
    CALLBACK_AUTH_VALUE: CALLBACK_KEY,
    ...environment,
  });
  const start = async () => {
    const started = await startRelay({ config, log: silentLog });
    wecom.callbackUrl = `http://127.0.0.1:${started.callbackPort}/callback`;
    return started;
  };
  let relay = await start();
  return {
    folder,
    wecom,
    config,
    get relay() {
      return relay;
    },
    async restart() {
      relay = await start();
      return relay;
    },
    async [Symbol.asyncDispose]() {
      await relay.stop();
      await wecom.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The configuration that these variables make. */
export function configOf(environment: Record<string, string>): RelayConfig {
  const command = readCommand([], environment);
  if (command.kind !== "run") throw new Error("no configuration");
  return command.config;
}
