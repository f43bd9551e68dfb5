// The delivery service with the fake vendor on one side and the fake session service on the other.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient } from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type FixedTenants, fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { type FakeWecom, type FakeWecomOptions, startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { createChannels } from "../channels.ts";
import { readDeliveryConfig } from "../config.ts";
import { type OpenDeliveryService, openDeliveryService } from "../service.ts";
import { createFakeAccess, type FakeAccess } from "./fake-access.ts";
import { createFakeCallbacks, type FakeCallbacks } from "./fake-callbacks.ts";
import { createFakeSessions, type FakeSessions } from "./fake-sessions.ts";
import { VAULT } from "./vaults.ts";

export const KEY = "SECRET-KEY-5d1f";

export interface DeliveryBench extends AsyncDisposable {
  readonly wecom: FakeWecom;
  readonly sessions: FakeSessions;
  readonly callbacks: FakeCallbacks;
  readonly access: FakeAccess;
  /** Where relays attach, where the environment asks for that. */
  readonly relayPort: number;
  readonly dataDir: string;
  readonly tenants: FixedTenants;
  /** Calls for the default tenant. */
  readonly delivery: Client<typeof DeliveryService>;
  /** Calls for a tenant. */
  for(tenantId: string): Client<typeof DeliveryService>;
  /** Closes the service and opens it again on the same data. */
  restart(environment?: NodeJS.ProcessEnv, vault?: Vault): Promise<void>;
  /** What the way out is told from the next start on. */
  guardWith(environment: NodeJS.ProcessEnv): void;
  /** Resolves with what `look` finds, once it finds something. */
  until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T>;
  close(): Promise<void>;
}

export async function startDelivery({
  vendor = {},
  environment = {},
  now = () => new Date(),
  dataDir = mkdtempSync(join(tmpdir(), "hil-delivery-")),
  storage = { kind: "sqlite", dataDir },
  vault = VAULT,
}: {
  vendor?: Partial<FakeWecomOptions>;
  environment?: NodeJS.ProcessEnv;
  now?: () => Date;
  dataDir?: string;
  /** Default: a file in the data folder. */
  storage?: Storage;
  vault?: Vault;
} = {}): Promise<DeliveryBench> {
  const wecom = await startFakeWecom({ key: KEY, ...vendor });
  const sessions = createFakeSessions();
  const callbacks = createFakeCallbacks();
  const access = createFakeAccess();
  const tenants = fixedTenants();
  const guardOf = (variables: NodeJS.ProcessEnv) =>
    createEgressGuard({ config: readEgressConfig(variables), log: silentLog });
  let guard = guardOf(environment);
  let open: OpenDeliveryService;
  const start = async (more: NodeJS.ProcessEnv, vault: Vault) => {
    const config = readDeliveryConfig({ BOT_KEY: KEY, WECOM_API_URL: wecom.url, ...environment, ...more });
    open = await openDeliveryService({
      storage,
      log: silentLog,
      now,
      authenticate: access.authenticate,
      sessions,
      callbacks,
      tenants,
      vault,
      guard,
      channels: createChannels(config, { log: silentLog, now }),
      settings: config,
      retry: { baseMs: 5, maxMs: 20 },
    });
  };
  await start({}, vault);
  const client = (tenantId: string) => {
    const transport = localTransport(() => [open.service]);
    return createClient(DeliveryService, {
      unary: (method, signal, timeoutMs, header, ...rest) => {
        const headers = new Headers(header);
        if (!headers.has(TENANT_HEADER)) headers.set(TENANT_HEADER, tenantId);
        return transport.unary(method, signal, timeoutMs, headers, ...rest);
      },
      stream: transport.stream,
    });
  };
  let delivery = client(DEFAULT_TENANT);
  const close = async () => {
    await open.close();
    await guard.close();
    await wecom.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return {
    wecom,
    sessions,
    callbacks,
    access,
    get relayPort() {
      return open.relayPort!;
    },
    dataDir,
    tenants,
    for: client,
    get delivery() {
      return delivery;
    },
    guardWith(variables) {
      guard = guardOf(variables);
    },
    async restart(more = {}, newVault = vault) {
      await open.close();
      await start(more, newVault);
      delivery = client(DEFAULT_TENANT);
    },
    async until(look) {
      for (;;) {
        const found = await look();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

let count = 0;

/** An order to bring a question to a chat. */
export function order(
  given: MessageInitShape<typeof SessionSchema> = {},
  target: { channelId?: string; chatId?: string } = {},
) {
  count += 1;
  const shortId = count.toString(16).padStart(8, "0");
  const id = `0199f0a0-0000-7000-8000-${count.toString(16).padStart(12, "0")}`;
  const session = create(SessionSchema, {
    id,
    shortId,
    tenantId: DEFAULT_TENANT,
    projectName: "demo",
    body: `Deploy build ${count}?`,
    interaction: { kind: { case: "text", value: {} } },
    state: Session_State.OPEN,
    locale: "en",
    createTime: timestampFromMs(Date.now()),
    expireTime: timestampFromMs(Date.now() + 3_600_000),
    ...given,
  } as MessageInitShape<typeof SessionSchema>);
  return {
    deliveryId: `${id}/1`,
    session,
    target: { channelId: "wecom-robot", chatId: "wrChat", ...target },
  };
}
