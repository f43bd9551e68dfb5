// What a credential is worth.
//
// A1. With the database alone nobody gets in: it has keyed hashes of secrets and nothing else.
// A2. A key with a wrong checksum, and whatever else has no form of ours, is refused before the database is asked.
// A3. A credential that works no more, or whose member is disabled, is refused in the same words as one that never was.
// A4. Of a suspended tenant no credential works.
// A5. A narrowed key that could not be read would be a wide one: an answer has its scopes or is none.

import { timingSafeEqual } from "node:crypto";
import { ApiKey_State, type Member, Member_State, Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import {
  type Credential,
  credentialInvalid,
  MAX_REMEMBERED_MS,
  type Verified,
} from "@hil/platform/auth/authenticator.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import type { AccessStore } from "./access-store.ts";
import { parseApiKey } from "./api-key.ts";
import { apiKeyState, endTimeMs } from "./api-key-state.ts";
import { type DeploymentKeys, OWNER } from "./deployment-keys.ts";
import { tenantSuspended } from "./errors.ts";
import { isJwt, type JwtVerifier } from "./jwt.ts";
import type { KeyUses } from "./key-uses.ts";
import type { HashSecret } from "./secret-hash.ts";

export interface AuthenticateOptions {
  readonly store: AccessStore;
  readonly keys: DeploymentKeys;
  readonly hashSecret: HashSecret;
  readonly keyUses: KeyUses;
  /** Unset: no issuer is configured. */
  readonly jwt?: JwtVerifier | undefined;
  readonly now: () => Date;
}

/** Makes what tells whose a credential is. It throws CREDENTIAL_INVALID or TENANT_SUSPENDED. */
export function createAuthenticate(options: AuthenticateOptions) {
  const { store, keys, hashSecret, keyUses, jwt, now } = options;

  /** Throws TENANT_SUSPENDED (A4). */
  const ofActiveTenant = async (principal: Principal): Promise<Principal> => {
    const state = (await store.getTenant(principal.tenantId))?.state;
    if (state === Tenant_State.ACTIVE) return principal;
    throw state === undefined ? unknown() : tenantSuspended();
  };
  const verified = async (principal: Principal, endMs = Number.POSITIVE_INFINITY): Promise<Verified> => ({
    principal: await ofActiveTenant(principal),
    validUntilMs: Math.min(now().getTime() + MAX_REMEMBERED_MS, endMs),
  });

  const ofApiKey = async (id: string, secret: string): Promise<Verified> => {
    const found = await store.findApiKey(id);
    const given = hashSecret("api-key", secret);
    const isRight = timingSafeEqual(given, found?.secretHash ?? Buffer.alloc(given.length));
    if (!found || !isRight || apiKeyState(found.apiKey, now()) !== ApiKey_State.ACTIVE) throw unknown();
    const { tenantId, roles, scopes, principalId, name, relayName } = found.apiKey;
    const principal: Principal = {
      kind: "api-key",
      id: principalId,
      tenantId,
      roles,
      ...(scopes.length > 0 ? { scopes } : {}),
      keyId: id,
      name,
      ...(relayName === "" ? {} : { relayName }),
    };
    const answer = await verified(principal, endTimeMs(found.apiKey));
    keyUses.note(id);
    return answer;
  };

  const ofConsoleSession = async (secret: string): Promise<Verified> => {
    const session = await store.findConsoleSession(hashSecret("console-session", secret), now().getTime());
    if (!session) throw unknown("this console session is not known or has ended");
    const { tenantId, memberId, expireTimeMs } = session;
    if (memberId === "") return verified(consoleOwner, expireTimeMs);
    const member = await store.getMember({ tenantId, id: memberId });
    if (member?.state !== Member_State.ACTIVE)
      throw unknown("this console session is not known or has ended");
    return verified(consolePrincipal(member), expireTimeMs);
  };

  const ofBearer = async (bearer: string): Promise<Verified> => {
    const deployment = keys.principalOf(bearer);
    if (deployment) return verified(deployment);
    const parts = parseApiKey(bearer);
    if (parts) return ofApiKey(parts.id, parts.secret);
    if (jwt && isJwt(bearer)) {
      const { principal, validUntilMs } = await jwt.verify(bearer);
      return verified(principal, validUntilMs);
    }
    throw unknown();
  };

  return (credential: Credential): Promise<Verified> =>
    credential.kind === "bearer" ? ofBearer(credential.value) : ofConsoleSession(credential.value);
}

/** The owner, in a browser that signed in. */
export const consoleOwner: Principal = { ...OWNER, kind: "console" };

/** A member, in a browser that signed in. */
export function consolePrincipal({ id, tenantId, roles, name }: Member): Principal {
  return { kind: "console", id: `member:${id}`, tenantId, roles, memberId: id, name };
}

function unknown(what = "this key is not known") {
  return credentialInvalid(what);
}
