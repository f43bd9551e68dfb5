import type { Client } from "@connectrpc/connect";
import type { Channel } from "@hil/channels/channel.ts";
import type { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import type { EgressGuard } from "@hil/platform/egress/egress-guard.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import type { OpenService } from "@hil/platform/lifecycle/open-service.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { type Authenticate, defineService } from "@hil/platform/rpc/service.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { startCleanUp } from "@hil/platform/storage/clean-up.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { ChannelDirectory } from "./channel-directory.ts";
import type { DeliveryConfig } from "./config.ts";
import type { RetryPolicy } from "./delivery.ts";
import type { DeliveryStore, Sharing } from "./delivery-store.ts";
import { openDeliveryStore } from "./open-delivery-store.ts";
import { startPoll } from "./poll.ts";
import { openRelays } from "./relay/relays.ts";
import { Reporter } from "./reporter.ts";
import { createRetention } from "./retention.ts";
import { deliveryRoutes } from "./routes.ts";
import { Sender } from "./sender.ts";
import { type SharedLines, shareLines } from "./shared-lines.ts";
import { createOpenTenantChannel } from "./tenant-channel.ts";
import { createTenantRules } from "./tenant-rules.ts";
import { createTurns } from "./turns.ts";

const RETRY: RetryPolicy = { baseMs: 1_000, maxMs: 60_000 };

export interface DeliveryServiceOptions {
  readonly storage: Storage;
  readonly log: Log;
  readonly now: () => Date;
  readonly authenticate: Authenticate;
  /** Default: no limits. */
  readonly limits?: RateLimits;
  /** Takes reports, gives pictures. Called with a credential of ROLE_SERVICE. Need not answer yet. */
  readonly sessions: Pick<Client<typeof SessionService>, "reportDeliveries" | "getAttachment">;
  /** Takes what relays bring. Called as the sessions are. */
  readonly callbacks: Pick<Client<typeof CallbackService>, "ingestInbound">;
  /** What tells other processes of this service that a line is theirs to work on. Default: nothing does, and they look. */
  readonly bus?: EventBus;
  /** Whether relays are listened for. Default: as the settings ask. */
  readonly servesRelays?: boolean;
  /** The channels of the deployment. Closed with the service. */
  readonly channels: readonly Channel[];
  readonly tenants: TenantDirectory;
  readonly vault: Vault;
  /** The way out to addresses that tenants choose. Not closed here. */
  readonly guard: Pick<EgressGuard, "check" | "dispatcher">;
  /** What the environment lays down where a tenant says nothing. */
  readonly settings: DeliveryConfig;
  /** Default: full jitter from 1 s up to 60 s. */
  readonly retry?: RetryPolicy;
}

export interface OpenDeliveryService extends OpenService {
  /** Who changed channels. */
  readonly audit: AuditLog;
  /** Where relays attach. Undefined: nowhere. */
  readonly relayPort: number | undefined;
  /** Tells relays to go elsewhere, while calls under way end. */
  readonly drain: () => void;
}

/** Opens the delivery service: goes on with what an earlier process left, and waits for orders. */
export async function openDeliveryService(options: DeliveryServiceOptions): Promise<OpenDeliveryService> {
  const { storage, log, now, authenticate, sessions, tenants, vault, guard, settings } = options;
  const store = await openDeliveryStore(storage, { vault, log });
  const rulesOf = createTenantRules({ tenants, settings });
  const relays = openRelays({ ...options, store, onWake: (lines) => sender.wake(lines) });
  const channels = new ChannelDirectory({
    deployment: options.channels.map((channel) => relays.ofDeployment(channel)),
    store,
    openTenantChannel: createOpenTenantChannel({
      robot: settings.wecomRobot,
      guard,
      relays: relays.attached,
      now,
    }),
  });
  const turns = createTurns({ sharing: store.sharing, channels });
  const reporter = new Reporter({ store, sessions, log });
  const onChange = () => reporter.kick();
  const sender = new Sender({
    store,
    channels,
    turns,
    rulesOf,
    sessions,
    retry: options.retry ?? RETRY,
    log,
    now,
    onChange,
    onElsewhere: (line) => lines?.tell(line),
  });
  const routes = deliveryRoutes({
    store,
    channels,
    turns,
    rulesOf,
    guard,
    now,
    onQueued: (lines) => sender.kick(lines),
    onChange,
  });
  const service = defineService(DeliveryService, routes, { authenticate, limits: options.limits, log });

  let lines: SharedLines | undefined;
  const cleanUp = startCleanUp({
    what: "deliveries",
    deleteSome: createRetention({ store, rulesOf, now, log }),
    log,
  });
  let shared: { close(): Promise<void> } | undefined;
  const stop = async () => {
    await relays.drain();
    await lines?.close();
    await shared?.close();
    await cleanUp.close();
    await sender.close();
    await reporter.close();
    await relays.close();
    await channels.close();
    await store.close();
  };
  try {
    await rewrap(store, log);
    await relays.recall();
    await sender.start();
    if (store.sharing && options.bus) {
      lines = await shareLines(options.bus, { wake: (line) => sender.wake([line]), log });
    }
    await relays.listen(channels);
  } catch (error) {
    await stop(); // whoever opens it again finds nothing of this try
    throw error;
  }
  reporter.kick();
  if (store.sharing) shared = startSharing(store.sharing, { sender, reporter, log });

  let closing: Promise<void> | undefined;
  return {
    service,
    audit: store.audit,
    relayPort: relays.port,
    drain: () => void relays.drain(),
    close: () => {
      closing ??= stop();
      return closing;
    },
  };
}

/** What is done where processes share the store: taking up what others left, and forgetting what counts no more. */
function startSharing(
  sharing: Sharing,
  { sender, reporter, log }: { sender: Sender; reporter: Reporter; log: Log },
): { close(): Promise<void> } {
  const poll = startPoll({
    async look() {
      reporter.kick();
      await sender.look();
    },
    log,
  });
  const cleanUp = startCleanUp({ what: "turns", deleteSome: () => sharing.forgetTurns(), log });
  return {
    async close() {
      await poll.close();
      await cleanUp.close();
    },
  };
}

/** After a rotation of the master key, so that the old one can go. */
async function rewrap(store: DeliveryStore, log: Log): Promise<void> {
  try {
    const values = await store.rewrap();
    if (values > 0) log.info({ values }, "sealed secrets of channels and messages with the new master key");
  } catch (error) {
    log.error({ err: error }, "some secrets are still sealed with an old master key; keep that key");
  }
}
