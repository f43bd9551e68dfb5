// One of several delivery services on the same database, which send to the same fake vendor.

import { type Client, createClient } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import { type Log, silentLog } from "@hil/platform/telemetry/log.ts";
import { fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { createChannels } from "../channels.ts";
import { readDeliveryConfig } from "../config.ts";
import { openDeliveryService } from "../service.ts";
import { createFakeSessions, type FakeSessions } from "./fake-sessions.ts";
import { VAULT } from "./vaults.ts";

export interface Replica extends AsyncDisposable {
  readonly delivery: Client<typeof DeliveryService>;
  /** What it told the session service. */
  readonly sessions: FakeSessions;
}

export async function openReplica({
  databaseUrl,
  vendorUrl,
  key,
  log = silentLog,
}: {
  databaseUrl: string;
  vendorUrl: string;
  /** The robot's. */
  key: string;
  log?: Log;
}): Promise<Replica> {
  const now = () => new Date();
  const settings = readDeliveryConfig({
    BOT_KEY: key,
    WECOM_API_URL: vendorUrl,
    WECOM_ROBOT_MESSAGES_PER_MINUTE: "0",
  });
  const guard = createEgressGuard({ config: readEgressConfig({}), log });
  const sessions = createFakeSessions();
  const { service, close } = await openDeliveryService({
    storage: { kind: "postgres", url: databaseUrl },
    log,
    now,
    authenticate: (headers) => ({
      kind: "service",
      id: "test",
      tenantId: headers.get(TENANT_HEADER) ?? DEFAULT_TENANT,
      roles: [Role.SERVICE, Role.OWNER],
    }),
    sessions,
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
    async [Symbol.asyncDispose]() {
      await close();
      await guard.close();
    },
  };
}
