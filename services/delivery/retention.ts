import type { Log } from "@hil/platform/telemetry/log.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import type { TenantRules } from "./tenant-rules.ts";

/** Makes what deletes some deliveries of each tenant that it has kept long enough, and returns how many. */
export function createRetention({
  store,
  rulesOf,
  now,
  log,
}: {
  store: Pick<DeliveryStore, "tenants" | "purge">;
  rulesOf: (tenantId: string) => Pick<TenantRules, "retentionMs"> | Promise<Pick<TenantRules, "retentionMs">>;
  now: () => Date;
  log: Log;
}): () => Promise<number> {
  return async () => {
    let deleted = 0;
    for (const tenantId of await store.tenants()) {
      try {
        const { retentionMs } = await rulesOf(tenantId);
        deleted += await store.purge(tenantId, now().getTime() - retentionMs);
      } catch (error) {
        // One tenant that cannot be looked up must not keep the others' deliveries for ever.
        log.warn({ err: error, tenant_id: tenantId }, "the deliveries of a tenant were not cleaned up");
      }
    }
    return deleted;
  };
}
