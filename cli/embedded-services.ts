// The services of the embedded form, in one process and on one folder, calling each other in memory.

import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { readAccessConfig } from "@hil/access/config.ts";
import { createJwtVerifier } from "@hil/access/jwt.ts";
import { readJwtConfig } from "@hil/access/jwt-config.ts";
import { type OpenAccessService, openAccessService } from "@hil/access/service.ts";
import { readCallbackConfig } from "@hil/callback/config.ts";
import { type OpenCallbackService, openCallbackService } from "@hil/callback/service.ts";
import { createChannels } from "@hil/delivery/channels.ts";
import { readDeliveryConfig } from "@hil/delivery/config.ts";
import { openDeliveryService } from "@hil/delivery/service.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import { startCheckpoints } from "@hil/platform/audit/checkpoints.ts";
import { readCheckpointsPath } from "@hil/platform/audit/config.ts";
import { createProcessKeys, type ProcessKeys } from "@hil/platform/auth/process-keys.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { createInProcessBus } from "@hil/platform/events/in-process-bus.ts";
import { createFoundation } from "@hil/platform/lifecycle/foundation.ts";
import type { Part } from "@hil/platform/lifecycle/readiness.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Authenticate, Service } from "@hil/platform/rpc/service.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { openSigningKey, type SigningKey } from "@hil/platform/signing/signing-key.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { readSessionSettings } from "@hil/session/config.ts";
import { openSessionService } from "@hil/session/service.ts";
import { createMcpHttp, type McpHttp } from "hil-mcp/http/mcp-http.ts";

/** The services as they are called. */
export interface Clients {
  readonly access: Client<typeof AccessService>;
  readonly sessions: Client<typeof SessionService>;
  readonly delivery: Client<typeof DeliveryService>;
}

export interface EmbeddedServices {
  readonly services: readonly Service[];
  /** The databases, by the services that have them. */
  readonly databases: readonly Part[];
  readonly access: OpenAccessService;
  readonly vendorHttp: OpenCallbackService["http"];
  /** Where relays attach. Undefined: nowhere. */
  readonly relayPort: number | undefined;
  readonly authenticate: Authenticate;
  readonly limits: RateLimits;
  readonly keys: ProcessKeys;
  readonly signingKey: SigningKey;
  /** Called as a service of the deployment. */
  readonly asService: Clients;
  /** Called with the credential that each call brings, so that the services decide. */
  readonly asCaller: Clients;
  readonly mcpHttp: McpHttp;
}

/**
 * Reads what all services are told, so that a wrong variable is found before anything is opened, and gives what opens
 * them. Throws a ConfigurationError.
 */
export function prepareServices(environment: NodeJS.ProcessEnv) {
  const accessConfig = readAccessConfig(environment);
  const jwtConfig = readJwtConfig(environment);
  const sessionSettings = readSessionSettings(environment);
  const deliveryConfig = readDeliveryConfig(environment);
  const callbackConfig = readCallbackConfig(environment);
  const egressConfig = readEgressConfig(environment);
  const checkpointsPath = readCheckpointsPath(environment);

  /** Opens the services. `closers` gets what closes each, in the order in which they were opened. */
  return async ({
    dataDir,
    allowKeyless,
    closers,
    log,
    now,
  }: {
    dataDir: string;
    allowKeyless: boolean;
    closers: (() => Promise<void> | void)[];
    log: Log;
    now: () => Date;
  }): Promise<EmbeddedServices> => {
    const opened = <T extends { close(): Promise<void> | void }>(what: T): T => {
      closers.push(() => what.close());
      return what;
    };
    const vault = openVault({ dataDir, environment });
    const signingKey = openSigningKey({ dataDir });
    const keys = createProcessKeys();

    // The access service is there before the others: they ask it from their first call on.
    let access: OpenAccessService | undefined;
    const toAccess = localTransport(() => access && [access.service], keys.serviceKey);
    const foundation = createFoundation({ toAccess, serviceKey: keys.serviceKey, now });
    const { authenticate, tenants, limits } = foundation;
    const storage: Storage = { kind: "sqlite", dataDir };
    const common = { dataDir, storage, log, now, authenticate, limits, tenants, vault, signingKey };
    access = opened(
      await openAccessService({
        ...common,
        settings: accessConfig,
        keylessKey: allowKeyless ? keys.keylessKey : undefined,
        jwt: jwtConfig && createJwtVerifier(jwtConfig, { now, log }),
      }),
    );

    // Set once all are open: a worker that finds work of the last run must not call half of them.
    let services: readonly Service[] | undefined;
    const asService = clients(localTransport(() => services, keys.serviceKey));
    const { sessions, delivery } = asService;
    const bus = opened(createInProcessBus({ log }));
    const guard = opened(createEgressGuard({ config: egressConfig, log }));
    const deliveryService = opened(
      await openDeliveryService({
        ...common,
        sessions,
        callbacks: createClient(
          CallbackService,
          localTransport(() => services, keys.serviceKey),
        ),
        guard,
        channels: createChannels(deliveryConfig, { log, now }),
        settings: deliveryConfig,
      }),
    );
    const sessionService = opened(
      await openSessionService({ ...common, bus, delivery, settings: sessionSettings }),
    );
    const callbackService = opened(
      await openCallbackService({
        ...common,
        access: foundation.access,
        sessions,
        delivery,
        settings: { ...callbackConfig, allowKeyless },
      }),
    );
    const open = [access, sessionService, deliveryService, callbackService];
    services = open.map(({ service }) => service);
    const logs = open.map(({ audit }) => audit);
    opened(startCheckpoints({ logs, signingKey, dataDir, path: checkpointsPath, now, log }));
    const toServices = localTransport(() => services);
    const mcpHttp = opened(createMcpHttp({ toSessions: toServices, authenticate, log, now }));
    return {
      services,
      databases: logs.map(databaseOf),
      access,
      vendorHttp: callbackService.http,
      relayPort: deliveryService.relayPort,
      authenticate,
      limits,
      signingKey,
      keys,
      asService,
      asCaller: clients(toServices),
      mcpHttp,
    };
  };
}

/** A database can be used where the end of its audit log can be read. */
function databaseOf(audit: AuditLog): Part {
  return {
    name: `${audit.service} database`,
    required: true,
    async isThere() {
      await audit.knownCheckpoint();
      return true;
    },
  };
}

function clients(transport: Transport): Clients {
  return {
    access: createClient(AccessService, transport),
    sessions: createClient(SessionService, transport),
    delivery: createClient(DeliveryService, transport),
  };
}
