import { create, equals } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  LimitsSchema,
  type Tenant,
  Tenant_State,
  type TenantPolicy,
  TenantPolicySchema,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { DEFAULT_TENANT, hasRole } from "@hil/platform/auth/principal.ts";
import { auditEntry } from "./audit-entry.ts";
import { checkPolicy } from "./check-policy.ts";
import { ownerOnly, policyInvalid, tenantExists, tenantNotFound, versionMismatch } from "./errors.ts";
import { readPage } from "./page.ts";
import { tenantOfCall } from "./reach.ts";
import type { AccessHandlers, RouteContext } from "./routes.ts";

const TENANT_ID = /^[a-z0-9_][a-z0-9_-]{0,62}$/;
const UPDATE_TENANT = "hil.access.v1.AccessService/UpdateTenant";

export function tenantRoutes({ store, now }: RouteContext) {
  return {
    async createTenant({ tenantId, displayName, policy }, { principal }) {
      assertPolicy(policy);
      const time = now();
      const tenant = create(TenantSchema, {
        id: tenantId,
        displayName: displayName || tenantId,
        state: Tenant_State.ACTIVE,
        policy: policy ?? create(TenantPolicySchema),
        createTime: timestampFromDate(time),
        updateTime: timestampFromDate(time),
        version: 1n,
      });
      const author = { principal, time };
      const audit = auditEntry(author, TenantSchema, {
        tenantId,
        action: "tenant.created",
        resource: `tenant/${tenantId}`,
        after: tenant,
      });
      if (!(await store.insertTenant(tenant, audit))) throw tenantExists(tenantId);
      return { tenant };
    },

    async getTenant({ tenantId: named }, { principal }) {
      const tenantId = tenantOfCall(principal, named);
      const tenant = await store.getTenant(tenantId);
      if (!tenant) throw tenantNotFound(tenantId);
      return { tenant };
    },

    async listTenants(request) {
      const page = readPage("tenants", TENANT_ID, request);
      const found = await store.listTenants({ afterId: page.after, limit: page.limit });
      const { items, nextPageToken } = page.cut(found, ({ id }) => id);
      return { tenants: items, nextPageToken };
    },

    async updateTenant({ tenantId: named, displayName, policy, state, expectedVersion }, { principal }) {
      const tenantId = tenantOfCall(principal, named);
      const isOwner = hasRole(principal, Role.OWNER);
      if (state !== Tenant_State.UNSPECIFIED) {
        if (!isOwner) throw ownerOnly("suspend or resume a tenant", UPDATE_TENANT);
        if (state === Tenant_State.SUSPENDED && tenantId === DEFAULT_TENANT) {
          const problem = `the tenant ${JSON.stringify(DEFAULT_TENANT)} cannot be suspended: the owner is of it`;
          throw policyInvalid({ field: "state", problem });
        }
      }
      assertPolicy(policy);
      const time = now();
      const author = { principal, time };
      const tenant = await store.changeTenant(tenantId, (before) => {
        if (expectedVersion !== 0n && before.version !== expectedVersion) {
          throw versionMismatch(before.version, expectedVersion);
        }
        // Limits keep the tenants of a deployment from each other; whom they hold must not lift them.
        if (policy && !isOwner && !isSameLimits(before, policy)) {
          throw ownerOnly("change the limits of a tenant", UPDATE_TENANT);
        }
        const after = create(TenantSchema, {
          ...before,
          displayName: displayName || before.displayName,
          policy: policy ?? before.policy,
          state: state || before.state,
          updateTime: timestampFromDate(time),
          version: before.version + 1n,
        });
        const audit = auditEntry(author, TenantSchema, {
          tenantId,
          action: "tenant.updated",
          resource: `tenant/${tenantId}`,
          before,
          after,
        });
        return { after, audit };
      });
      if (!tenant) throw tenantNotFound(tenantId);
      return { tenant };
    },
  } satisfies Partial<AccessHandlers>;
}

function assertPolicy(policy: TenantPolicy | undefined): void {
  const problem = policy && checkPolicy(policy);
  if (problem) throw policyInvalid(problem);
}

function isSameLimits(before: Tenant, policy: TenantPolicy): boolean {
  const none = create(LimitsSchema);
  return equals(LimitsSchema, before.policy?.limits ?? none, policy.limits ?? none);
}
