import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";

/** The tenant of those who configure none. */
export const DEFAULT_TENANT = "_default";

/** Who calls. Comes from a credential and from nothing else. Described in hil.access.v1.Principal. */
export interface Principal {
  /** What kind of credential it showed. */
  readonly kind: "owner" | "local" | "console" | "keyless" | "service" | "api-key" | "jwt";
  /** Names the principal within its tenant. Sessions remember it as their asker. */
  readonly id: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  /** What it is narrowed to: "sessions.read", "sessions.*". Unset: all that its roles may. */
  readonly scopes?: readonly string[];
  /** The member that it is. Unset for programs. */
  readonly memberId?: string;
  /** The API key that it showed. */
  readonly keyId?: string;
  /** The name to show. */
  readonly name?: string;
  /** The relay that it is. Only with ROLE_RELAY. */
  readonly relayName?: string;
}

/** One service of the deployment, calling for itself or, with a tenant, on behalf of one. */
export function servicePrincipal(name: string, tenantId = DEFAULT_TENANT): Principal {
  return { kind: "service", id: `service:${name}`, tenantId, roles: [Role.SERVICE] };
}

export function hasRole(principal: Principal, ...roles: Role[]): boolean {
  return roles.some((role) => principal.roles.includes(role));
}

/** Whether the credential's scopes cover a scope. */
export function hasScope({ scopes }: Principal, scope: string): boolean {
  return scopes === undefined || scopes.some((each) => each === scope || isAreaOf(each, scope));
}

function isAreaOf(area: string, scope: string): boolean {
  return area.endsWith(".*") && scope.startsWith(area.slice(0, -1));
}

/**
 * Whether it may see every session of its tenant. Agents see what they asked, and responders do not see what an
 * answer policy keeps for others.
 */
export function seesWholeTenant(principal: Principal): boolean {
  return hasRole(principal, Role.OWNER, Role.SERVICE, Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR);
}
