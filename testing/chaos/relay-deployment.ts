import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelayKey } from "../processes/relay-key.ts";
import { freePort } from "../servers/free-port.ts";
import { startTcpProxy } from "../toxics/tcp-proxy.ts";
import type { Deployment } from "./deployment.ts";
import { type EmbeddedDeployment, startEmbeddedDeployment } from "./embedded-deployment.ts";
import { type RelayTarget, startRelayTarget } from "./relay-process.ts";

/** For tests that break it from within. */
export interface RelayDeployment extends Deployment {
  readonly hil: EmbeddedDeployment;
  readonly relay: RelayTarget;
}

/** The embedded form, with its robot behind a relay, on a line between them that can go bad. */
export async function startRelayDeployment(environment: Record<string, string>): Promise<RelayDeployment> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "hil-chaos-relay-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const served = { HIL_MODE: "relay", HIL_RELAY_PORT: String(port), BOT_KEY: "" };
  const hil = stack.use(await startEmbeddedDeployment({ ...environment, ...served }, { onErrorOutput }));
  const line = stack.use(await startTcpProxy({ port }));
  const relay = stack.use(
    await startRelayTarget({
      name: "relay",
      url: `grpc://127.0.0.1:${line.port}`,
      token: await createRelayKey(hil, "plant-2"),
      dataDir: join(folder, "data"),
      environment,
    }),
  );
  const owned = stack.move();
  return {
    form: "relay",
    hil,
    relay,
    url: hil.url,
    ownerKey: hil.ownerKey,
    callbackUrl: relay.callbackUrl,
    targets: [...hil.targets, relay, both(hil.targets[0]!, relay)],
    links: [{ name: "line", poison: (toxic) => line.poison(toxic), heal: () => line.heal() }],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function onErrorOutput(text: string): void {
  if (!text.startsWith("failpoint ")) process.stderr.write(text);
}

/** Two at once. */
function both(one: Deployment["targets"][0], other: Deployment["targets"][0]): Deployment["targets"][0] {
  return {
    name: `${one.name} and ${other.name}`,
    async kill() {
      await Promise.all([one.kill(), other.kill()]);
    },
    async restart() {
      await Promise.all([one.restart(), other.restart()]);
    },
    pause() {
      one.pause();
      other.pause();
    },
    resume() {
      one.resume();
      other.resume();
    },
  };
}
