// What a caller may reach and give.
//
// G1. Everybody is in one tenant. An owner, and the deployment's own services, may name another; for everybody else one
//     that is not theirs is refused in the same words whether it exists or not.
// G2. Nobody gives, takes or uses what is more than its own: an administrator gives every role of a tenant but OWNER,
//     an owner also OWNER, in the tenant "_default" only; SERVICE is given to nobody. Whoever has a role that the caller
//     could not give is out of the caller's hands altogether: signing in as an owner would be as good as being one.
// G3. A credential that is narrowed to scopes gives keys of no more than them, and makes people no more than responders.

import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { DEFAULT_TENANT, hasRole, hasScope, type Principal } from "@hil/platform/auth/principal.ts";
import { roleNotGrantable, scopeNotGrantable, tenantMismatch } from "./errors.ts";

/** The tenant that a call is about: the one that it names, or the caller's. Throws TENANT_MISMATCH (G1). */
export function tenantOfCall(principal: Principal, named: string): string {
  if (named === "" || named === principal.tenantId) return principal.tenantId;
  if (hasRole(principal, Role.OWNER, Role.SERVICE)) return named;
  throw tenantMismatch(named);
}

/** Throws ROLE_NOT_GRANTABLE where the caller may not give these roles to a program (G2). */
export function checkKeyRoles(principal: Principal, tenantId: string, roles: readonly Role[]): void {
  for (const role of roles) checkRole(principal, tenantId, role);
}

/** Throws ROLE_NOT_GRANTABLE where the caller may not give these roles to a person, or act on one who has them (G2, G3). */
export function checkMemberRoles(principal: Principal, tenantId: string, roles: readonly Role[]): void {
  for (const role of roles) {
    if (role === Role.RELAY) throw roleNotGrantable(role, "relays are programs; make a key for it");
    checkRole(principal, tenantId, role);
    if (principal.scopes && role !== Role.RESPONDER) {
      throw roleNotGrantable(role, "this credential is narrowed to scopes; use one that is not");
    }
  }
}

/** Throws SCOPE_MISSING where a key with these scopes could do more than a narrowed caller (G3). */
export function checkKeyScopes(principal: Principal, scopes: readonly string[]): void {
  if (!principal.scopes) return;
  if (scopes.length === 0) throw scopeNotGrantable("*");
  for (const scope of scopes) if (!hasScope(principal, scope)) throw scopeNotGrantable(scope);
}

function checkRole(principal: Principal, tenantId: string, role: Role): void {
  switch (role) {
    case Role.OWNER:
      if (!hasRole(principal, Role.OWNER)) throw roleNotGrantable(role, "only an owner can");
      if (tenantId !== DEFAULT_TENANT) {
        throw roleNotGrantable(role, `owners are of the tenant ${JSON.stringify(DEFAULT_TENANT)}`);
      }
      return;
    case Role.ADMINISTRATOR:
    case Role.OPERATOR:
    case Role.AUDITOR:
    case Role.RESPONDER:
    case Role.AGENT:
    case Role.RELAY:
      return;
    case Role.SERVICE:
      throw roleNotGrantable(role, "it is for the deployment's own services");
    default:
      // A role of a newer contract comes here too.
      throw roleNotGrantable(role, "this is no role that can be given");
  }
}
