import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { ConfigurationError, list, port, readEnvironment } from "../config/environment.ts";
import { createTrustedProxies, type TrustedProxies } from "../http/client-address.ts";
import type { Storage } from "../storage/storage.ts";

/** The services of a deployment that others call. */
export type PeerName = "access" | "session" | "delivery" | "callback" | "mcp-adapter";

const MIN_SERVICE_KEY_LENGTH = 32;

const replicas = (example: string) =>
  z
    .string()
    .refine(isListOfUrls, `must be where it is reached, such as ${example}; several, separated by commas`);

/** `NAME_FILE` may name a file that holds the value of `NAME`, as container platforms hand out secrets. */
const SECRETS = ["HIL_SERVICE_KEY", "HIL_DATABASE_URL", "HIL_NATS_URL"] as const;

const variables = {
  HIL_HOST: z.string().default("127.0.0.1"),
  HIL_PORT: port.default(8080),
  HIL_DATA_DIR: z.string().default("./data"),
  HIL_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
      error: "must be trace, debug, info, warn, error, fatal or silent",
    })
    .default("info"),
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
  HIL_SERVICE_KEY: z
    .string({
      error: `must be set: by it the services of a deployment know each other; at least ${MIN_SERVICE_KEY_LENGTH} characters, the same everywhere (or name a file that holds it in HIL_SERVICE_KEY_FILE)`,
    })
    .min(MIN_SERVICE_KEY_LENGTH, `must have at least ${MIN_SERVICE_KEY_LENGTH} characters`),
  HIL_DATABASE_URL: z
    .string({
      error:
        "must be set to the PostgreSQL database, such as postgres://hil:password@postgres/hil (or name a file that holds it in HIL_DATABASE_URL_FILE)",
    })
    .regex(/^postgres(ql)?:\/\//, "must begin with postgres://"),
  HIL_DATABASE_CONNECTIONS: z.coerce
    .number({ error: "must be a number of connections" })
    .int()
    .min(2, "must be at least 2")
    .default(10),
  HIL_NATS_URL: z
    .string({
      error:
        "must be set to the NATS server, such as nats://nats:4222 (or name a file that holds it in HIL_NATS_URL_FILE)",
    })
    .regex(/^(nats|tls):\/\//, "must begin with nats:// or tls://"),
  HIL_ACCESS_URL: replicas("http://access:8080"),
  HIL_SESSION_URL: replicas("http://session:8080"),
  HIL_DELIVERY_URL: replicas("http://delivery:8080"),
  HIL_CALLBACK_URL: replicas("http://callback:8080"),
  HIL_MCP_URL: replicas("http://mcp-adapter:8080").optional(),
};

const PEER_VARIABLES = {
  access: "HIL_ACCESS_URL",
  session: "HIL_SESSION_URL",
  delivery: "HIL_DELIVERY_URL",
  callback: "HIL_CALLBACK_URL",
  "mcp-adapter": "HIL_MCP_URL",
} as const;

/** The address by which people reach the deployment, where it is told. Throws a ConfigurationError. */
export function readPublicUrl(environment: NodeJS.ProcessEnv): URL | undefined {
  const schema = z.object({ HIL_PUBLIC_URL: variables.HIL_PUBLIC_URL });
  const { HIL_PUBLIC_URL: given } = readEnvironment(schema, environment);
  return given === undefined ? undefined : new URL(given);
}

/** What a process of the distributed form is told, whichever service it is. */
export interface ServiceConfig {
  readonly host: string;
  readonly port: number;
  /** Holds the folder "credentials" that all processes share. */
  readonly dataDir: string;
  readonly logLevel: string;
  readonly allowedHosts: readonly string[];
  readonly trustedProxies: TrustedProxies;
  readonly publicUrl: URL | undefined;
  readonly serviceKey: string;
  /** Undefined for a service without rows of its own. */
  readonly storage: Extract<Storage, { kind: "postgres" }> | undefined;
  /** Undefined for a service that listens to no events. */
  readonly natsUrl: string | undefined;
  /** Where the services are that it calls. Only the MCP adapter may be missing: it need not be run. */
  readonly peers: Readonly<Partial<Record<PeerName, string>>>;
}

/**
 * Reads what a service needs of the common variables; what it does not need may be left out. Throws a
 * ConfigurationError that names all that are wrong.
 */
export function readServiceConfig(
  environment: NodeJS.ProcessEnv,
  needs: { readonly storage: boolean; readonly bus: boolean; readonly peers: readonly PeerName[] },
): ServiceConfig {
  const asked = new Set<string>(Object.keys(variables));
  if (!needs.storage) asked.delete("HIL_DATABASE_URL");
  if (!needs.bus) asked.delete("HIL_NATS_URL");
  for (const [peer, variable] of Object.entries(PEER_VARIABLES)) {
    if (!needs.peers.includes(peer as PeerName)) asked.delete(variable);
  }
  const schema = z.object(
    Object.fromEntries(Object.entries(variables).filter(([name]) => asked.has(name))) as typeof variables,
  );
  const given: Partial<z.infer<typeof schema>> & Omit<z.infer<typeof schema>, "HIL_DATABASE_URL"> =
    readEnvironment(schema, withSecretFiles(environment));
  const publicUrl = given.HIL_PUBLIC_URL === undefined ? undefined : new URL(given.HIL_PUBLIC_URL);
  return {
    host: given.HIL_HOST,
    port: given.HIL_PORT,
    dataDir: resolve(given.HIL_DATA_DIR),
    logLevel: given.HIL_LOG_LEVEL,
    allowedHosts: [...given.HIL_ALLOWED_HOSTS, ...(publicUrl ? [publicUrl.host] : [])],
    trustedProxies: given.HIL_TRUSTED_PROXIES,
    publicUrl,
    serviceKey: given.HIL_SERVICE_KEY,
    storage:
      given.HIL_DATABASE_URL === undefined
        ? undefined
        : { kind: "postgres", url: given.HIL_DATABASE_URL, connections: given.HIL_DATABASE_CONNECTIONS },
    natsUrl: needs.bus ? given.HIL_NATS_URL : undefined,
    peers: Object.fromEntries(needs.peers.map((peer) => [peer, given[PEER_VARIABLES[peer]]])),
  };
}

/** The environment with the contents of the files that it names for secrets. */
function withSecretFiles(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const read: NodeJS.ProcessEnv = {};
  for (const name of SECRETS) {
    const path = environment[`${name}_FILE`]?.trim();
    if (!path || environment[name]?.trim()) continue;
    try {
      read[name] = readFileSync(path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigurationError(`${name}_FILE: ${path} cannot be read (${code})`);
    }
  }
  return { ...environment, ...read };
}

function isListOfUrls(text: string): boolean {
  return text.split(",").every((each) => {
    const url = URL.parse(each.trim());
    return url !== null && /^https?:$/.test(url.protocol);
  });
}
