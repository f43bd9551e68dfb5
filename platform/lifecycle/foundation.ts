// What the services of a deployment stand on, in one process or in many: who calls, for which tenant, how often.

import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { createAccessVerifier } from "../auth/access-verifier.ts";
import { createAuthenticator, TENANT_HEADER } from "../auth/authenticator.ts";
import { createTenantDirectory, type TenantDirectory } from "../auth/tenant-directory.ts";
import { createRateLimits, type RateLimits } from "../limits/rate-limits.ts";
import type { Authenticate } from "../rpc/service.ts";

export interface Foundation {
  readonly authenticate: Authenticate;
  readonly tenants: TenantDirectory;
  readonly limits: RateLimits;
  /** The access service, called as a service of the deployment. */
  readonly access: Client<typeof AccessService>;
}

/** `toAccess` carries the service key. The access service need not answer yet. */
export function createFoundation({
  toAccess,
  serviceKey,
  now,
}: {
  toAccess: Transport;
  serviceKey: string;
  now: () => Date;
}): Foundation {
  const access = createClient(AccessService, toAccess);
  const authenticate = createAuthenticator({ verify: createAccessVerifier(access), serviceKey, now });
  const tenants = createTenantDirectory({
    async load(tenantId) {
      const { tenant } = await access.getTenant({}, { headers: { [TENANT_HEADER]: tenantId } });
      return tenant!;
    },
    now,
  });
  return { access, authenticate, tenants, limits: createRateLimits({ tenants, now }) };
}
