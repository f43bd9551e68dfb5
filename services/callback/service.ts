import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import type { OpenService } from "@hil/platform/lifecycle/open-service.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { type Authenticate, defineService } from "@hil/platform/rpc/service.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { startCleanUp } from "@hil/platform/storage/clean-up.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { inboxAge, inboxPending } from "@hil/platform/telemetry/metrics.ts";
import { createInboundChannels } from "./channels.ts";
import type { CallbackConfig } from "./config.ts";
import { createVendorHttp, type VendorHttp } from "./http.ts";
import { createIdentities } from "./identities.ts";
import { createIngest } from "./ingest.ts";
import { createLink } from "./linking.ts";
import { createMatcher } from "./matcher.ts";
import { createNotices } from "./notices.ts";
import { openInbox } from "./open-inbox.ts";
import { createResume } from "./resume.ts";
import { createRetention } from "./retention.ts";
import { callbackHandlers } from "./routes.ts";
import { createTenantTexts } from "./tenant-texts.ts";
import type { VendorAuthSettings } from "./vendor-auth.ts";

export interface CallbackSettings extends CallbackConfig, VendorAuthSettings {}

export interface CallbackOptions {
  /** Where messages are kept while a shared database is away. */
  readonly dataDir: string;
  readonly storage: Storage;
  /** How long a shared database may take for a message before it is kept there. Default: 1 s. */
  readonly databasePatienceMs?: number;
  readonly log: Log;
  readonly now: () => Date;
  readonly authenticate: Authenticate;
  /** How often callers may call. Default: as often as they like. */
  readonly limits?: RateLimits;
  readonly sessions: Client<typeof SessionService>;
  readonly delivery: Client<typeof DeliveryService>;
  readonly access: Client<typeof AccessService>;
  readonly tenants: TenantDirectory;
  readonly vault: Vault;
  readonly settings: CallbackSettings;
}

export interface OpenCallbackService extends OpenService {
  readonly http: VendorHttp;
  readonly audit: AuditLog;
}

/**
 * Opens the inbox and goes on with what an earlier process left in it, from the next turn of the event loop:
 * `sessions`, `delivery` and `access` must be callable by then. Each of these carries the deployment's own credential.
 */
export async function openCallbackService(options: CallbackOptions): Promise<OpenCallbackService> {
  const { dataDir, storage, log, now, authenticate, sessions, delivery, access, tenants, vault, settings } =
    options;
  const inbox = await openInbox(storage, {
    dataDir,
    vault,
    log,
    brought: (chatKey) => wake(chatKey),
    patienceMs: options.databasePatienceMs,
  });
  const { store } = inbox;
  const stopping = new AbortController();
  const { signal } = stopping;
  const channels = createInboundChannels({ delivery, now });
  const identities = createIdentities({ access, now, signal });
  const link = createLink({ access, now, signal });
  const texts = createTenantTexts({ tenants, settings, now });
  const notices = createNotices({ store, delivery, log, now, signal });
  const wakeNotices = (chatKey: string) => notices.kick(chatKey);
  const matcher = createMatcher({
    store,
    sessions,
    identities,
    link,
    texts,
    wakeNotices,
    log,
    now,
    signal,
  });
  const wake = (chatKey: string) => matcher.kick(chatKey);
  const ingest = createIngest({ store: inbox, wake, log, now });
  const resume = createResume({ store, matcher, notices, log });

  const cleanUp = startCleanUp({
    what: "inbound messages",
    deleteSome: createRetention({ store, tenants, retentionMs: settings.retentionMs, now }),
    log,
  });
  const withdrawFigures = [
    inboxPending.from(async () => (await inbox.backlog()).messages),
    inboxAge.from(async () => {
      const { oldestTimeMs } = await inbox.backlog();
      return oldestTimeMs === undefined ? 0 : Math.max(0, now().getTime() - oldestTimeMs) / 1000;
    }),
  ];
  let closing: Promise<void> | undefined;
  const close = async () => {
    stopping.abort();
    for (const withdraw of withdrawFigures) withdraw();
    await cleanUp.close();
    await resume.close();
    await Promise.all([matcher.close(), notices.close()]);
    await inbox.close();
  };
  return {
    service: defineService(CallbackService, callbackHandlers({ store, channels, ingest, wake, now }), {
      authenticate,
      limits: options.limits,
      log,
    }),
    http: createVendorHttp({ ingest, channels, authenticate, settings, log }),
    audit: store.audit,
    close: () => (closing ??= close()),
  };
}
