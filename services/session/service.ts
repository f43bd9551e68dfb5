import type { Client } from "@connectrpc/connect";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { OpenService } from "@hil/platform/lifecycle/open-service.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { type Authenticate, defineService } from "@hil/platform/rpc/service.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { SigningKey } from "@hil/platform/signing/signing-key.ts";
import { startCleanUp } from "@hil/platform/storage/clean-up.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { SessionSettings } from "./config.ts";
import { startDeadlines } from "./deadlines.ts";
import { deliveryConsumer } from "./delivery-consumer.ts";
import { countEnds, offerFigures } from "./figures.ts";
import { createCreationLimits } from "./limits.ts";
import { openSessionStore } from "./open-session-store.ts";
import { type OutboxConsumer, startOutbox } from "./outbox.ts";
import { sessionHandlers } from "./routes.ts";
import { endsSession } from "./session.ts";
import type { SessionStore } from "./session-store.ts";
import { ALL_SESSION_EVENTS, eventOf, messageOf } from "./subjects.ts";
import { createTenantSettings } from "./tenant-settings.ts";
import { startUpgrade } from "./upgrade-rows.ts";
import { Waiters } from "./waiters.ts";
import { LogSignal } from "./watch.ts";

/** Deleted in one write, with their events. */
const CLEAN_UP_SESSIONS = 200;

export interface SessionServiceOptions {
  readonly storage: Storage;
  readonly log: Log;
  readonly now: () => Date;
  readonly bus: EventBus;
  readonly authenticate: Authenticate;
  /** How often callers may call. Default: as often as they like. */
  readonly limits?: RateLimits;
  readonly delivery: Client<typeof DeliveryService>;
  /** What the environment lays down where a tenant says nothing. */
  readonly settings: SessionSettings;
  readonly tenants: TenantDirectory;
  readonly vault: Vault;
  readonly signingKey: SigningKey;
}

export interface OpenSessionService extends OpenService {
  /** Who did what to sessions. */
  readonly audit: AuditLog;
}

/** Opens SessionService on its storage and starts its workers. */
export async function openSessionService(options: SessionServiceOptions): Promise<OpenSessionService> {
  const { storage, log, now, bus, authenticate, limits, delivery, settings, tenants, vault, signingKey } =
    options;
  const store = await openSessionStore(storage, { vault, log });
  const settingsOf = createTenantSettings(settings);
  const waiters = new Waiters({ versionsOf: (keys) => store.versions(keys), maxWaits: settings.maxWaits });
  const logSignal = new LogSignal();
  const subscription = await bus.subscribe(ALL_SESSION_EVENTS, (message) => {
    const event = eventOf(message);
    const key = { tenantId: event.tenantId, id: event.sessionId };
    waiters.wake(key, Number(event.version), endsSession(event.type));
    logSignal.notify();
  });
  const stopListening = bus.onGap(() => {
    void waiters.sweep();
    logSignal.notify();
  });
  const outboxes = await Promise.all(
    [busConsumer(bus), deliveryConsumer({ store, delivery })].map((consumer) =>
      startOutbox({ store, consumer, log }),
    ),
  );
  const withdrawFigures = offerFigures({ store, waiters, outboxes, now });
  const deadlines = startDeadlines({ store, now, log });
  const cleanUp = startCleanUp({
    what: "sessions",
    deleteSome: () => deleteSome(store, { tenants, settingsOf, now, log }),
    log,
  });
  const service = defineService(
    SessionService,
    sessionHandlers({
      store,
      waiters,
      logSignal,
      tenants,
      settingsOf,
      creationLimits: createCreationLimits({ now }),
      signingKey,
      now,
    }),
    { authenticate, limits, log },
  );
  const upgrade = startUpgrade({ store, log });
  let closed = false;
  return {
    service,
    audit: store.audit,
    drain() {
      waiters.close();
      logSignal.close();
    },
    async close() {
      if (closed) return;
      closed = true;
      withdrawFigures();
      failpoint("drain.before_waits_end");
      waiters.close();
      logSignal.close();
      await upgrade.close();
      await cleanUp.close();
      await deadlines.close();
      for (const outbox of outboxes) await outbox.close();
      stopListening();
      await subscription.close();
      failpoint("drain.before_close");
      await store.close();
    },
  };
}

/** Deletes some sessions of each tenant that it has kept long enough. */
async function deleteSome(
  store: SessionStore,
  {
    tenants,
    settingsOf,
    now,
    log,
  }: {
    tenants: TenantDirectory;
    settingsOf: ReturnType<typeof createTenantSettings>;
    now: () => Date;
    log: Log;
  },
): Promise<number> {
  let deleted = 0;
  for (const tenantId of await store.tenants()) {
    try {
      const { retentionMs } = settingsOf(await tenants.get(tenantId));
      deleted += await store.deleteEndedBefore(tenantId, now().getTime() - retentionMs, CLEAN_UP_SESSIONS);
    } catch (error) {
      // One tenant that cannot be looked up must not keep the others' sessions for ever.
      log.warn({ err: error, tenant_id: tenantId }, "the sessions of a tenant were not cleaned up");
    }
  }
  return deleted;
}

function busConsumer(bus: EventBus): OutboxConsumer {
  return {
    line: "bus",
    async take(events) {
      failpoint("bus.before_publish");
      await bus.publish(events.map(messageOf));
      failpoint("bus.after_publish");
      countEnds(events);
    },
  };
}
