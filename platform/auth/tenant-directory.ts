import type { Tenant } from "@hil/gen/hil/access/v1/access_pb.ts";

/** How long what a tenant's policy says is remembered. */
export const MAX_TENANT_AGE_MS = 5_000;

/** What holds for each tenant, as the access service says it. */
export interface TenantDirectory {
  /**
   * The tenant, at most 5 s old; at once where it is remembered. Rejects with TENANT_NOT_FOUND, and with what the
   * access service's absence gives.
   */
  get(tenantId: string): Tenant | Promise<Tenant>;
}

/** Remembers tenants for 5 s. Asks once for all who want the same tenant at the same time. */
export function createTenantDirectory({
  load,
  now,
}: {
  load: (tenantId: string) => Promise<Tenant>;
  now: () => Date;
}): TenantDirectory {
  const known = new Map<string, { readonly tenant: Tenant; readonly untilMs: number }>();
  const asked = new Map<string, Promise<Tenant>>();
  return {
    get(tenantId) {
      const found = known.get(tenantId);
      if (found && found.untilMs > now().getTime()) return found.tenant;
      let loading = asked.get(tenantId);
      if (!loading) {
        loading = load(tenantId)
          .then((tenant) => {
            known.set(tenantId, { tenant, untilMs: now().getTime() + MAX_TENANT_AGE_MS });
            return tenant;
          })
          .finally(() => asked.delete(tenantId));
        asked.set(tenantId, loading);
      }
      return loading;
    },
  };
}
