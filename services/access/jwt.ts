// JSON Web Tokens of the issuer that the operator configured.
//
// J1. Algorithm, issuer and audience are the configuration's; the token only has to agree. Its header never says where
//     a key is, and a header that tries to, or that demands what we do not know, refuses the token.
// J2. A token carries its tenant and its roles. Without a tenant it is nobody's; it never falls into the default one.
// J3. Owners and services do not come from tokens: an issuer's administrator is not this deployment's.
// J4. Whoever sent a token that is refused learns nothing of why; the log says it, without the token. That a right token
//     lacks a scope is told, so that its client can ask its issuer for one that has it.

import { createHash } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { credentialInvalid, type Verified } from "@hil/platform/auth/authenticator.ts";
import { hilError, reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type JWTPayload, jwtVerify } from "jose";
import type { JwtConfig } from "./jwt-config.ts";
import { createIssuerKeys, IssuerUnavailableError } from "./jwt-keys.ts";
import { hasRepeatedKey } from "./repeated-key.ts";

const MOST_CHARACTERS = 16_384;
const CLOCK_TOLERANCE_S = 30;
const TYPES = new Set(["jwt", "at+jwt"]);
/** They would let a token bring its own key, or ask for what is not checked here. */
const REFUSED_HEADERS = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk"];
const TENANT = /^[a-z0-9_][a-z0-9_-]{0,62}$/;
const ROLES: ReadonlyMap<string, Role> = new Map([
  ["agent", Role.AGENT],
  ["responder", Role.RESPONDER],
  ["administrator", Role.ADMINISTRATOR],
  ["operator", Role.OPERATOR],
  ["auditor", Role.AUDITOR],
]);

export interface JwtVerifier {
  /**
   * Whose token it is; whether its tenant exists is for the caller to see. Rejects with CREDENTIAL_INVALID, with
   * SCOPE_MISSING for a right token without the scopes of HIL_JWT_SCOPES, and with NOT_READY where the issuer's keys
   * cannot be had.
   */
  verify(token: string): Promise<Verified>;
}

/** Whether a credential has the form of a token: no key of ours has dots in it. */
export function isJwt(credential: string): boolean {
  return /^[\w-]*[.][\w-]*[.][\w-]*$/.test(credential);
}

export function createJwtVerifier(
  config: JwtConfig,
  { now, log, fetch }: { now: () => Date; log: Log; fetch?: typeof globalThis.fetch },
): JwtVerifier {
  const keys = createIssuerKeys(config, { now, ...(fetch ? { fetch } : {}) });
  const issuerHash = createHash("sha256").update(config.issuer).digest("hex").slice(0, 12);

  const read = async (token: string): Promise<Verified> => {
    checkForm(token);
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [...config.algorithms],
      issuer: config.issuer,
      audience: [...config.audiences],
      requiredClaims: ["exp", "sub"],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: now(),
    });
    // JSON can say 1e400, which is later than every time.
    if (!Number.isFinite(payload.exp)) throw new RefusedToken('"exp" is not a time');
    const subject = payload.sub;
    if (typeof subject !== "string" || !/^[^\u0000-\u001f\u007f]{1,255}$/.test(subject)) {
      throw new RefusedToken('"sub" is not 1 to 255 printable characters');
    }
    const tenantId = claimOf(payload, config.tenantClaim);
    if (typeof tenantId !== "string" || !TENANT.test(tenantId)) {
      throw new RefusedToken(`"${config.tenantClaim}" does not name a tenant`);
    }
    const lacking = config.scopes.filter((scope) => !scopesOf(payload).includes(scope));
    if (lacking.length > 0) throw scopesLacking(lacking);
    const name = [payload.name, payload.preferred_username].find(
      (each) => typeof each === "string" && each !== "",
    );
    return {
      principal: {
        kind: "jwt",
        id: `jwt:${issuerHash}:${subject}`,
        tenantId,
        roles: rolesOf(claimOf(payload, config.rolesClaim)),
        ...(name === undefined ? {} : { name: String(name).slice(0, 200) }),
      },
      validUntilMs: (payload.exp! + CLOCK_TOLERANCE_S) * 1000,
    };
  };

  return {
    async verify(token) {
      try {
        return await read(token);
      } catch (error) {
        if (error instanceof IssuerUnavailableError) {
          log.error({ err: error }, "the keys of HIL_JWT_ISSUER cannot be read");
          throw issuerUnavailable();
        }
        if (reasonOf(error) === ErrorReason.SCOPE_MISSING) throw error;
        log.warn({ why: wordsOf(error) }, "a token was refused");
        throw credentialInvalid("this token is not known here, or its time is over");
      }
    },
  };
}

class RefusedToken extends Error {}

/** What can be told from the token's text alone. The signature is not looked at. */
function checkForm(token: string): void {
  if (token.length > MOST_CHARACTERS)
    throw new RefusedToken(`it is longer than ${MOST_CHARACTERS} characters`);
  if (!isJwt(token)) throw new RefusedToken("it does not have three parts");
  const [header, payload] = token.split(".", 2).map(decoded) as [string, string];
  if (hasRepeatedKey(header) || hasRepeatedKey(payload)) throw new RefusedToken("it says something twice");
  const fields = JSON.parse(header) as Record<string, unknown> | null;
  if (typeof fields !== "object" || fields === null) throw new RefusedToken("its header is no object");
  const odd = REFUSED_HEADERS.find((name) => Object.hasOwn(fields, name));
  if (odd !== undefined) throw new RefusedToken(`its header has "${odd}"`);
  const { typ } = fields;
  if (typeof typ !== "string" || !TYPES.has(typ.toLowerCase().replace(/^application\//, ""))) {
    throw new RefusedToken('its "typ" is neither JWT nor at+jwt');
  }
}

/** The JSON text of one part. */
function decoded(part: string): string {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
    Buffer.from(part, "base64url"),
  );
  JSON.parse(text);
  return text;
}

/** A claim by its name, or by a path with dots where no claim has that name. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Roles by their names, in a list or with blanks between them. What is not a role here means nothing. */
function rolesOf(claim: unknown): Role[] {
  const names = typeof claim === "string" ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  const roles = names.map((name) => (typeof name === "string" ? ROLES.get(name) : undefined));
  return [...new Set(roles.filter((role) => role !== undefined))];
}

/** What the token is for: "scope" with blanks between them, or "scp", as some issuers say it, also in a list. */
function scopesOf({ scope, scp }: JWTPayload): string[] {
  return [scope, scp].flatMap((each) =>
    typeof each === "string" ? each.split(/\s+/) : Array.isArray(each) ? each : [],
  );
}

function scopesLacking(scopes: readonly string[]) {
  const scope = scopes.join(" ");
  return hilError(
    Code.PermissionDenied,
    ErrorReason.SCOPE_MISSING,
    `this token does not have the scope ${scope}; ask its issuer for one that does`,
    { method: "", scope },
  );
}

/** jose's messages name claims and never quote them; what the JSON parser says may quote the token. */
function wordsOf(error: unknown): string {
  if (error instanceof RefusedToken) return error.message;
  const { code, message } = error as { code?: unknown; message?: string };
  return typeof code === "string" && code.startsWith("ERR_J") ? `${code}: ${message}` : "it cannot be read";
}

function issuerUnavailable() {
  return hilError(
    Code.Unavailable,
    ErrorReason.NOT_READY,
    "tokens cannot be checked now, because the keys of their issuer cannot be read; try again in a few seconds",
    { retry_after_ms: "10000" },
  );
}
