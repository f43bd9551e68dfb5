import { readEnvironment, tokenScopes } from "@hil/platform/config/environment.ts";
import { z } from "zod";

const variables = z.object({
  HIL_MODE: z.enum(["auto", "direct", "relay"], { error: "must be auto, direct or relay" }).default("auto"),
  HIL_LOCALE: z.enum(["zh-CN", "en"], { error: "must be zh-CN or en" }).default("zh-CN"),
  BOT_KEY: z.string().optional(),
  HIL_JWT_ISSUER: z.string().optional(),
  HIL_JWT_SCOPES: tokenScopes,
});

/** How the earlier clients' health face names the way to the robot. */
export type Mode = "direct" | "relay";

/** Who makes the tokens that are taken, for clients that have none yet. The access service checks them. */
export interface TokenIssuer {
  readonly issuer: string;
  /** What to ask it for. */
  readonly scopes: readonly string[];
}

export interface GatewayConfig {
  /** HIL_MODE; "auto" is direct with a BOT_KEY and relay without. */
  readonly mode: Mode;
  /** The language of sentences that agents read. */
  readonly locale: "zh-CN" | "en";
  /** HIL_JWT_ISSUER. Undefined: no tokens are taken. */
  readonly tokens: TokenIssuer | undefined;
}

/** Reads what the gateway needs. Throws a ConfigurationError. */
export function readGatewayConfig(environment: NodeJS.ProcessEnv): GatewayConfig {
  const given = readEnvironment(variables, environment);
  const automatic: Mode = given.BOT_KEY === undefined ? "relay" : "direct";
  return {
    mode: given.HIL_MODE === "auto" ? automatic : given.HIL_MODE,
    locale: given.HIL_LOCALE,
    tokens:
      given.HIL_JWT_ISSUER === undefined
        ? undefined
        : { issuer: given.HIL_JWT_ISSUER, scopes: given.HIL_JWT_SCOPES },
  };
}
