// One of several delivery services on the same database, which send to the same fake vendor.

import { type Client, createClient } from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import { type Log, silentLog } from "@hil/platform/telemetry/log.ts";
import { fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { createChannels } from "../channels.ts";
import { readDeliveryConfig } from "../config.ts";
import { openDeliveryService } from "../service.ts";
import { createFakeAccess } from "./fake-access.ts";
import { createFakeCallbacks, type FakeCallbacks } from "./fake-callbacks.ts";
import { createFakeSessions, type FakeSessions } from "./fake-sessions.ts";
import { VAULT } from "./vaults.ts";

export interface Replica extends AsyncDisposable {
  readonly delivery: Client<typeof DeliveryService>;
  /** What it told the session service. */
  readonly sessions: FakeSessions;
  /** What it told the callback service. */
  readonly callbacks: FakeCallbacks;
  /** Where relays attach. */
  readonly relayPort: number | undefined;
}

export async function openReplica({
  databaseUrl,
  vendorUrl,
  key,
  log = silentLog,
  bus,
  environment = {},
}: {
  databaseUrl: string;
  vendorUrl: string;
  /** The robot's. */
  key: string;
  log?: Log;
  bus?: EventBus;
  environment?: NodeJS.ProcessEnv;
}): Promise<Replica> {
  const now = () => new Date();
  const settings = readDeliveryConfig({
    BOT_KEY: key,
    WECOM_API_URL: vendorUrl,
    WECOM_ROBOT_MESSAGES_PER_MINUTE: "0",
    ...environment,
  });
  const guard = createEgressGuard({ config: readEgressConfig({}), log });
  const sessions = createFakeSessions();
  const callbacks = createFakeCallbacks();
  const { service, close, relayPort } = await openDeliveryService({
    storage: { kind: "postgres", url: databaseUrl },
    log,
    now,
    authenticate: createFakeAccess().authenticate,
    sessions,
    callbacks,
    ...(bus && { bus }),
    tenants: fixedTenants(),
    vault: VAULT,
    guard,
    channels: createChannels(settings, { log, now }),
    settings,
    retry: { baseMs: 5, maxMs: 20 },
  });
  return {
    delivery: createClient(
      DeliveryService,
      localTransport(() => [service]),
    ),
    sessions,
    callbacks,
    relayPort,
    async [Symbol.asyncDispose]() {
      await close();
      await guard.close();
    },
  };
}
