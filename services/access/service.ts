import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { OpenService } from "@hil/platform/lifecycle/open-service.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { type Authenticate, defineService } from "@hil/platform/rpc/service.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { startCleanUp } from "@hil/platform/storage/clean-up.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createAuthenticate } from "./authenticate.ts";
import type { AccessConfig } from "./config.ts";
import { openDeploymentKeys } from "./deployment-keys.ts";
import type { JwtVerifier } from "./jwt.ts";
import { createKeyUses } from "./key-uses.ts";
import { openAccessStore } from "./open-access-store.ts";
import { accessRoutes } from "./routes.ts";
import { createHashSecret } from "./secret-hash.ts";

export interface AccessServiceOptions {
  /** Holds the folder "credentials". */
  readonly dataDir: string;
  readonly storage: Storage;
  readonly log: Log;
  readonly now: () => Date;
  readonly authenticate: Authenticate;
  /** How often callers may call. Default: as often as they like. */
  readonly limits?: RateLimits;
  readonly vault: Pick<Vault, "auditKey" | "keyPepper">;
  readonly settings: AccessConfig;
  /** What the gateway shows for callers without a key, where the deployment serves them. */
  readonly keylessKey?: string | undefined;
  /** Other replicas use the folder "credentials" too. */
  readonly sharesDataDir?: boolean;
  /** Unset: no issuer of tokens is configured. */
  readonly jwt?: JwtVerifier | undefined;
}

export interface OpenAccessService extends OpenService {
  readonly audit: AuditLog;
  /** The owner key, where this start made it. It cannot be read again. */
  readonly newOwnerKey: string | undefined;
  /** The key of this user's own programs. */
  readonly localKey: string;
}

/** Opens AccessService on a data folder and its storage. */
export async function openAccessService(options: AccessServiceOptions): Promise<OpenAccessService> {
  const { dataDir, storage, log, now, vault, settings, keylessKey, jwt } = options;
  const store = await openAccessStore(storage, { auditKey: vault.auditKey, log });
  try {
    const keys = openDeploymentKeys({
      dataDir,
      ownerKey: settings.ownerKey,
      keylessKey,
      isShared: options.sharesDataDir ?? false,
    });
    const hashSecret = createHashSecret(vault.keyPepper);
    const keyUses = createKeyUses({ store: store.noteApiKeyUses, now, log });
    const authenticate = createAuthenticate({ store, keys, hashSecret, keyUses, jwt, now });
    const routes = accessRoutes({ store, keys, hashSecret, authenticate, now });
    const service = defineService(AccessService, routes, {
      authenticate: options.authenticate,
      limits: options.limits,
      log,
    });
    const cleanUp = startCleanUp({
      what: "sign-ins and codes that are over",
      deleteSome: () => store.deleteOver(now().getTime()),
      log,
    });
    let closed = false;
    return {
      service,
      audit: store.audit,
      newOwnerKey: keys.newOwnerKey,
      localKey: keys.localKey,
      async close() {
        if (closed) return;
        closed = true;
        await cleanUp.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
