import { list, readEnvironment, tokenScopes } from "@hil/platform/config/environment.ts";
import { isLoopback } from "@hil/platform/http/loopback.ts";
import { z } from "zod";

/** Only with key pairs: with a shared secret, whoever can check a token can make one. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

const trustedUrl = z.string().refine(isTrusted, {
  error: "must be an https address (http only on this machine) without user name, query and fragment",
});

const variables = z.object({
  HIL_JWT_ISSUER: trustedUrl.optional(),
  HIL_JWT_AUDIENCE: list.pipe(z.array(z.string().max(500)).min(1)).optional(),
  HIL_JWT_JWKS_URL: z
    .string()
    .refine(isFetched, { error: "must be an https address (http only on this machine)" })
    .optional(),
  HIL_JWT_TENANT_CLAIM: z.string().max(200).default("tenant"),
  HIL_JWT_ROLES_CLAIM: z.string().max(200).default("roles"),
  HIL_JWT_SCOPES: tokenScopes,
  HIL_JWT_ALGORITHMS: list
    .pipe(
      z
        .array(
          z.enum(ALGORITHMS, { error: `must be some of ${ALGORITHMS.join(", ")}, with commas between them` }),
        )
        .min(1),
    )
    .default(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]),
});

const together = variables.refine(
  (given) => given.HIL_JWT_ISSUER === undefined || given.HIL_JWT_AUDIENCE !== undefined,
  {
    error: "must be set with HIL_JWT_ISSUER: a token made for somebody else would do as well",
    path: ["HIL_JWT_AUDIENCE"],
  },
);

/** Whose tokens are taken, and how they are read. */
export interface JwtConfig {
  /** What "iss" says, to the letter. */
  readonly issuer: string;
  /** One of them is what "aud" says, or has among others. */
  readonly audiences: readonly string[];
  /** Where the issuer's keys are. Undefined: as the issuer's discovery document says. */
  readonly jwksUrl: string | undefined;
  /** The claim that holds the tenant. A path with dots where no claim has the whole name: "realm_access.roles". */
  readonly tenantClaim: string;
  readonly rolesClaim: string;
  /** What "scope" or "scp" must have, all of it. Empty: whatever they say. */
  readonly scopes: readonly string[];
  readonly algorithms: readonly string[];
}

/** Undefined: no tokens are taken. */
export function readJwtConfig(environment: NodeJS.ProcessEnv): JwtConfig | undefined {
  const given = readEnvironment(together, environment);
  if (given.HIL_JWT_ISSUER === undefined) return undefined;
  return {
    issuer: given.HIL_JWT_ISSUER,
    audiences: given.HIL_JWT_AUDIENCE!,
    jwksUrl: given.HIL_JWT_JWKS_URL,
    tenantClaim: given.HIL_JWT_TENANT_CLAIM,
    rolesClaim: given.HIL_JWT_ROLES_CLAIM,
    scopes: given.HIL_JWT_SCOPES,
    algorithms: given.HIL_JWT_ALGORITHMS,
  };
}

function isTrusted(text: string): boolean {
  return isFetched(text) && new URL(text).search === "";
}

/** True for addresses whose answer nobody on the way can change. */
export function isFetched(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username || password || hash) return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}
