// How every service of a deployment learns who calls.
//
// N1. What a credential is worth is asked of the access service and remembered for at most 4 s. With the second in which
//     calls under way are looked through (recheck.ts), a revocation works everywhere within 5 s (S6).
// N2. The tenant comes from the credential. A service of the deployment names the tenant that it acts for in the header
//     hil-tenant; anybody else who names another tenant than its own there is refused.
// N3. A wrong credential is never remembered: flooding with wrong ones cannot push right ones out.
// N4. Calls that bring the same credential at the same time ask once.

import { timingSafeEqual } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import type { Authenticate, CallHeaders } from "../rpc/service.ts";
import { bearerOf, consoleSessionOf } from "./credential-headers.ts";
import { DEFAULT_TENANT, type Principal, servicePrincipal } from "./principal.ts";

/** The longest that a verified credential is remembered. */
export const MAX_REMEMBERED_MS = 4_000;
const MAX_REMEMBERED = 10_000;

/** Names the tenant that a service acts for, or that a client believes to be of. */
export const TENANT_HEADER = "hil-tenant";

/** What a caller showed. */
export type Credential =
  | { readonly kind: "bearer"; readonly value: string }
  | { readonly kind: "console-session"; readonly value: string };

export interface Verified {
  readonly principal: Principal;
  /** Until when it may be remembered, in milliseconds since 1970. Cut to 4 s from now. */
  readonly validUntilMs: number;
}

export interface AuthenticatorOptions {
  /** Asks the access service. Throws CREDENTIAL_INVALID or TENANT_SUSPENDED. */
  readonly verify: (credential: Credential) => Promise<Verified> | Verified;
  /** What the deployment's services show each other. */
  readonly serviceKey: string;
  readonly now: () => Date;
}

/** Makes what every service authenticates with. */
export function createAuthenticator({ verify, serviceKey, now }: AuthenticatorOptions): Authenticate {
  const isServiceKey = equals(serviceKey);
  const remembered = new Map<string, Verified>();
  const asked = new Map<string, Promise<Principal>>();
  const remember = (key: string, verified: Verified): Principal => {
    const validUntilMs = Math.min(verified.validUntilMs, now().getTime() + MAX_REMEMBERED_MS);
    remembered.delete(key);
    remembered.set(key, { principal: verified.principal, validUntilMs });
    if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
    return verified.principal;
  };
  return (headers) => {
    const credential = credentialOf(headers);
    if (!credential) throw credentialInvalid();
    const claimed = headers.get(TENANT_HEADER) ?? undefined;
    if (credential.kind === "bearer" && isServiceKey(credential.value)) {
      return servicePrincipal("deployment", claimed);
    }
    const key = `${credential.kind}:${credential.value}`;
    const known = remembered.get(key);
    if (known && known.validUntilMs > now().getTime()) return ofTenant(known.principal, claimed);
    let asking = asked.get(key);
    if (!asking) {
      const verified = verify(credential);
      if (!(verified instanceof Promise)) return ofTenant(remember(key, verified), claimed);
      asking = verified.then((each) => remember(key, each)).finally(() => asked.delete(key));
      asked.set(key, asking);
    }
    return asking.then((principal) => ofTenant(principal, claimed));
  };
}

/** Compares with a secret: in the same time for every wrong value of its length. */
function equals(secret: string): (given: string) => boolean {
  const expected = Buffer.from(secret);
  return (given) => {
    if (given.length !== secret.length) return false;
    const bytes = Buffer.from(given);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  };
}

/** What a caller showed; undefined where it showed nothing. A key wins over the console's cookie. */
export function credentialOf(headers: CallHeaders): Credential | undefined {
  const bearer = bearerOf(headers);
  if (bearer !== undefined) return { kind: "bearer", value: bearer };
  const session = consoleSessionOf(headers.get("cookie"));
  return session === undefined ? undefined : { kind: "console-session", value: session };
}

/**
 * The earlier system's clients name any tenant they like (`HIL_TENANT_ID`). With an API key a wrong one is a mistake
 * worth saying; where one person runs everything, it never meant anything.
 */
function ofTenant(principal: Principal, claimed: string | undefined): Principal {
  const isMistake =
    claimed !== undefined &&
    claimed !== DEFAULT_TENANT &&
    claimed !== principal.tenantId &&
    (principal.kind === "api-key" || principal.kind === "jwt");
  if (!isMistake) return principal;
  throw hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_MISMATCH,
    `this credential is not of the tenant ${JSON.stringify(claimed.slice(0, 100))}; leave the tenant out, or use a key of that tenant`,
    { tenant_id: claimed.slice(0, 100) },
  );
}

export function credentialInvalid(what = "no credential was sent") {
  return hilError(
    Code.Unauthenticated,
    ErrorReason.CREDENTIAL_INVALID,
    `${what}; send Authorization: Bearer with a key of this deployment, or sign in to the console`,
  );
}
