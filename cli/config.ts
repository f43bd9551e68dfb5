import { list, port, readEnvironment } from "@hil/platform/config/environment.ts";
import { createTrustedProxies, type TrustedProxies } from "@hil/platform/http/client-address.ts";
import { isLoopback } from "@hil/platform/http/loopback.ts";
import { z } from "zod";

const variables = z.object({
  HIL_HOST: z.string().default("127.0.0.1"),
  HIL_PORT: port.default(8080),
  HIL_DATA_DIR: z.string().default("./data"),
  HIL_OWNER_KEY: z.string().min(32, "must have at least 32 characters").optional(),
  HIL_ALLOWED_HOSTS: list.default([]),
  HIL_TRUSTED_PROXIES: list.default([]).transform((entries, context) => {
    try {
      return createTrustedProxies(entries);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  }),
  HIL_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: "must be an address such as https://hil.example.com" })
    .optional(),
  HIL_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
      error: "must be trace, debug, info, warn, error, fatal or silent",
    })
    .default("info"),
});

/** What the embedded form as a whole is told; each service reads its own besides. */
export interface EmbeddedConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly ownerKey: string | undefined;
  /** The names that it is reached by, that of the public address among them. */
  readonly allowedHosts: readonly string[];
  /** The proxies whose word about a caller's address is taken, in limits. */
  readonly trustedProxies: TrustedProxies;
  /** The address by which people reach it, where that is not the listener's own. */
  readonly publicUrl: URL | undefined;
  readonly logLevel: string;
  /** The earlier system's endpoints serve without a key: only on loopback, and only while no key is preset. */
  readonly allowKeyless: boolean;
}

export function readEmbeddedConfig(environment: NodeJS.ProcessEnv): EmbeddedConfig {
  const given = readEnvironment(variables, environment);
  const publicUrl = given.HIL_PUBLIC_URL === undefined ? undefined : new URL(given.HIL_PUBLIC_URL);
  return {
    host: given.HIL_HOST,
    port: given.HIL_PORT,
    dataDir: given.HIL_DATA_DIR,
    ownerKey: given.HIL_OWNER_KEY,
    allowedHosts: [...given.HIL_ALLOWED_HOSTS, ...(publicUrl ? [publicUrl.host] : [])],
    trustedProxies: given.HIL_TRUSTED_PROXIES,
    publicUrl,
    logLevel: given.HIL_LOG_LEVEL,
    allowKeyless: isLoopback(given.HIL_HOST) && given.HIL_OWNER_KEY === undefined,
  };
}
