// Where relays attach, with nothing behind it: messages of vendors are counted and not kept, and commands come from nowhere.
// relay-frame-server.ts <folder>. It prints "listening <port>" of HTTP, where GET / tells what it counted and where
// relays attach, and POST /commands/<count> keeps so many commands under way.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { SendCommandSchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { ChannelDirectory } from "../../services/delivery/channel-directory.ts";
import { createChannels } from "../../services/delivery/channels.ts";
import { readDeliveryConfig } from "../../services/delivery/config.ts";
import { openDeliveryStore } from "../../services/delivery/open-delivery-store.ts";
import { openRelays } from "../../services/delivery/relay/relays.ts";
import { createOpenTenantChannel } from "../../services/delivery/tenant-channel.ts";
import { createFakeAccess } from "../../services/delivery/testing/fake-access.ts";
import { VAULT } from "../../services/delivery/testing/vaults.ts";

const [dataDir] = process.argv.slice(2);
if (!dataDir) throw new Error("relay-frame-server.ts <folder>");
const CHANNEL = "wecom-robot";
const PATIENCE_MS = 60_000;
const now = () => new Date();
const log = silentLog;
const settings = readDeliveryConfig({ BOT_KEY: "", HIL_MODE: "relay", HIL_RELAY_PORT: "0" });
const store = await openDeliveryStore({ kind: "sqlite", dataDir }, { vault: VAULT, log });
let inbounds = 0;
let results = 0;
const relays = openRelays({
  store,
  callbacks: {
    async ingestInbound({ messages = [] }) {
      inbounds += messages.length;
      return {
        $typeName: "hil.callback.v1.IngestInboundResponse",
        results: messages.map(() => ({
          $typeName: "hil.callback.v1.IngestResult",
          inboundId: "",
          duplicate: false,
          refusal: "",
        })),
      };
    },
  },
  authenticate: createFakeAccess().authenticate,
  settings,
  servesRelays: true,
  log,
  now,
  onWake: () => {},
});
const channels = new ChannelDirectory({
  deployment: createChannels(settings, { log, now }).map((channel) => relays.ofDeployment(channel)),
  store,
  openTenantChannel: createOpenTenantChannel({
    robot: settings.wecomRobot,
    guard: createEgressGuard({ config: readEgressConfig({}), log }),
    relays: relays.attached,
    now,
  }),
});
await relays.listen(channels);

/** Has relays run one command after the other. */
async function keepCommanding(signal: AbortSignal): Promise<void> {
  const runners = { tenantId: DEFAULT_TENANT, names: undefined, channelId: CHANNEL };
  while (!signal.aborted) {
    const command = create(SendCommandSchema, {
      commandId: randomUUID(),
      channelId: CHANNEL,
      chatId: "chat",
      message: { case: "markdown", value: { text: "Deploy build 214 to production? ".repeat(8) } },
      expireTime: timestampFromMs(Date.now() + PATIENCE_MS),
    });
    const run = await relays.attached.run(runners, command, { signal, patienceMs: PATIENCE_MS });
    if (run?.end.kind !== "result") return;
    if (run.end.result.outcome === Attempt_Outcome.DELIVERED) results += 1;
  }
}

const control = createServer((request, response) => {
  const count = /^\/commands\/(\d+)$/.exec(request.url ?? "")?.[1];
  if (request.method === "POST" && count !== undefined) {
    for (let index = 0; index < Number(count); index += 1) void keepCommanding(new AbortController().signal);
  }
  response.end(JSON.stringify({ inbounds, results, relayPort: relays.port }));
});
control.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening ${(control.address() as AddressInfo).port}\n`);
});
