import { readFileSync } from "node:fs";
import { ConfigurationError, port, readEnvironment } from "@hil/platform/config/environment.ts";
import { z } from "zod";

const DEFAULT_PORT = 8082;

const variables = z.object({
  HIL_MODE: z.enum(["auto", "direct", "relay"], { error: "must be auto, direct or relay" }).default("auto"),
  HIL_HOST: z.string().default("127.0.0.1"),
  HIL_RELAY_HOST: z.string().optional(),
  HIL_RELAY_PORT: port.optional(),
  HIL_RELAY_TLS_CERT_FILE: z.string().optional(),
  HIL_RELAY_TLS_KEY_FILE: z.string().optional(),
  HIL_RELAY_TLS_CLIENT_CA_FILE: z.string().optional(),
});

/** Where relays attach. */
export interface RelayListenerConfig {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** PEM. Undefined: connections are not encrypted here. */
  readonly tls:
    | {
        readonly certificate: Buffer;
        readonly key: Buffer;
        /** Who may vouch for relays; then each must show a certificate with its name. */
        readonly clientAuthorities: Buffer | undefined;
      }
    | undefined;
}

/** How the deployment's robot is reached. */
export type RobotWay =
  /** From here. */
  | "direct"
  /** By a relay of the default tenant. */
  | "relay"
  /** The same, once a relay that runs it was there; until then it counts as not configured. */
  | "relay-when-there";

export interface RelayConfig {
  readonly robotWay: RobotWay;
  /** HIL_RELAY_PORT, or that relays are needed, was said. */
  readonly isAskedFor: boolean;
  readonly listener: RelayListenerConfig;
}

/** Reads what relays need. Throws a ConfigurationError. */
export function readRelayConfig(
  environment: NodeJS.ProcessEnv,
  { hasRobotKey }: { hasRobotKey: boolean },
): RelayConfig {
  const given = readEnvironment(variables, environment);
  const { HIL_MODE: mode } = given;
  return {
    robotWay: robotWayOf(mode, hasRobotKey),
    isAskedFor: given.HIL_RELAY_PORT !== undefined || mode === "relay",
    listener: {
      host: given.HIL_RELAY_HOST ?? given.HIL_HOST,
      port: given.HIL_RELAY_PORT ?? DEFAULT_PORT,
      tls: tlsOf(given),
    },
  };
}

function robotWayOf(mode: "auto" | "direct" | "relay", hasRobotKey: boolean): RobotWay {
  if (mode !== "auto") return mode;
  return hasRobotKey ? "direct" : "relay-when-there";
}

function tlsOf(given: z.infer<typeof variables>): RelayListenerConfig["tls"] {
  const {
    HIL_RELAY_TLS_CERT_FILE: certFile,
    HIL_RELAY_TLS_KEY_FILE: keyFile,
    HIL_RELAY_TLS_CLIENT_CA_FILE: caFile,
  } = given;
  if (certFile === undefined && keyFile === undefined && caFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new ConfigurationError(
      "HIL_RELAY_TLS_CERT_FILE and HIL_RELAY_TLS_KEY_FILE belong together: set both, or none and let nginx encrypt",
    );
  }
  return {
    certificate: read("HIL_RELAY_TLS_CERT_FILE", certFile),
    key: read("HIL_RELAY_TLS_KEY_FILE", keyFile),
    clientAuthorities: caFile === undefined ? undefined : read("HIL_RELAY_TLS_CLIENT_CA_FILE", caFile),
  };
}

function read(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigurationError(
      `${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}
