import { readEnvironment } from "@hil/platform/config/environment.ts";
import { isLoopback } from "@hil/platform/http/loopback.ts";
import { z } from "zod";

const variables = z
  .object({
    HIL_OIDC_ISSUER: z
      .string()
      .refine(isIssuer, {
        error: "must be an https address (http only on this machine) without user name, query and fragment",
      })
      .optional(),
    HIL_OIDC_CLIENT_ID: z.string().max(500).optional(),
    HIL_OIDC_CLIENT_SECRET: z.string().min(16, "must have at least 16 characters").max(2000).optional(),
    HIL_OIDC_SCOPES: z
      .string()
      .refine((text) => text.split(/\s+/).includes("openid"), { error: "must have openid among its scopes" })
      .default("openid email profile"),
    HIL_OIDC_NAME: z.string().max(60, "must have at most 60 characters").optional(),
  })
  .check(({ value, issues }) => {
    if (value.HIL_OIDC_ISSUER === undefined) return;
    for (const name of ["HIL_OIDC_CLIENT_ID", "HIL_OIDC_CLIENT_SECRET"] as const) {
      if (value[name] !== undefined) continue;
      issues.push({
        code: "custom",
        input: undefined,
        path: [name],
        message: "must be set with HIL_OIDC_ISSUER",
      });
    }
  });

/** The OpenID Connect provider by which people sign in to the console. */
export interface OidcConfig {
  /** As its discovery document and its tokens name it, to the letter. */
  readonly issuer: string;
  readonly clientId: string;
  /** A secret. */
  readonly clientSecret: string;
  /** With blanks between them; "openid" is among them. */
  readonly scopes: string;
  /** What the button calls it. */
  readonly name: string;
}

/** Undefined: nobody signs in by a provider. */
export function readOidcConfig(environment: NodeJS.ProcessEnv): OidcConfig | undefined {
  const given = readEnvironment(variables, environment);
  if (given.HIL_OIDC_ISSUER === undefined) return undefined;
  return {
    issuer: given.HIL_OIDC_ISSUER,
    clientId: given.HIL_OIDC_CLIENT_ID!,
    clientSecret: given.HIL_OIDC_CLIENT_SECRET!,
    scopes: given.HIL_OIDC_SCOPES,
    name: given.HIL_OIDC_NAME ?? new URL(given.HIL_OIDC_ISSUER).hostname,
  };
}

function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username || password || search || hash) return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}
