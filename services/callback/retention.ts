import { durationMs } from "@bufbuild/protobuf/wkt";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import type { InboxStore } from "./inbox-store.ts";

const ROWS = 500;

/** Makes what deletes some of what each tenant kept long enough, and says how many; 0: nothing is left of it. */
export function createRetention({
  store,
  tenants,
  retentionMs,
  now,
}: {
  store: InboxStore;
  tenants: TenantDirectory;
  /** For tenants that do not say. */
  retentionMs: number;
  now: () => Date;
}): () => Promise<number> {
  return async () => {
    let deleted = 0;
    for (const tenantId of await store.tenantIds()) {
      const { policy } = await tenants.get(tenantId);
      const keptMs = policy?.retention ? durationMs(policy.retention) : retentionMs;
      deleted += await store.deleteSettledBefore(tenantId, new Date(now().getTime() - keptMs), ROWS);
    }
    return deleted;
  };
}
