import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTcpProxy } from "../toxics/tcp-proxy.ts";
import type { Deployment } from "./deployment.ts";
import { startEmbeddedDeployment } from "./embedded-deployment.ts";
import { startRelayCarrier } from "./relay-carrier.ts";
import { startRelayTarget } from "./relay-process.ts";

/** The embedded form, with its robot behind a relay, on a line between them that can go bad. */
export async function startRelayDeployment(environment: Record<string, string>): Promise<Deployment> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "hil-chaos-relay-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const carrier = stack.use(await startRelayCarrier());
  const hil = stack.use(await startEmbeddedDeployment({ ...environment, WECOM_API_URL: carrier.vendorUrl }));
  carrier.leadTo(`${hil.url}/k/${hil.ownerKey}/api/callback`);
  const line = stack.use(await startTcpProxy({ port: carrier.port }));
  const relay = stack.use(
    await startRelayTarget({
      name: "relay",
      url: `grpc://127.0.0.1:${line.port}`,
      token: "token",
      dataDir: join(folder, "data"),
      environment,
    }),
  );
  const owned = stack.move();
  return {
    form: "relay",
    url: hil.url,
    ownerKey: hil.ownerKey,
    callbackUrl: relay.callbackUrl,
    targets: [...hil.targets, relay, both(hil.targets[0]!, relay)],
    links: [{ name: "line", poison: (toxic) => line.poison(toxic), heal: () => line.heal() }],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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
