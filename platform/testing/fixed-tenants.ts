import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Tenant,
  Tenant_State,
  type TenantPolicySchema,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { TenantDirectory } from "../auth/tenant-directory.ts";

/** A directory in which the test decides. A tenant that it does not name exists, and lays nothing down. */
export interface FixedTenants extends TenantDirectory {
  /** What holds for a tenant from now on. */
  set(tenantId: string, policy: MessageInitShape<typeof TenantPolicySchema>): void;
}

export function fixedTenants(
  policies: Record<string, MessageInitShape<typeof TenantPolicySchema>> = {},
): FixedTenants {
  const tenants = new Map<string, Tenant>();
  const put = (id: string, policy: MessageInitShape<typeof TenantPolicySchema>): Tenant => {
    const tenant = create(TenantSchema, { id, displayName: id, state: Tenant_State.ACTIVE, policy });
    tenants.set(id, tenant);
    return tenant;
  };
  for (const [id, policy] of Object.entries(policies)) put(id, policy);
  return {
    get: (tenantId) => tenants.get(tenantId) ?? put(tenantId, {}),
    set: put,
  };
}
