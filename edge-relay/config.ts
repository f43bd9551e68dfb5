// What the relay is told: flags, then variables, then the configuration file. All that is wrong is named at once, by the
// name under which it was given; no value is repeated, for it may be a secret.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { readWecomRobotConfig, type WecomRobotConfig } from "@hil/channels/wecom-robot/config.ts";
import { ConfigurationError, port } from "@hil/platform/config/environment.ts";
import { isLoopback } from "@hil/platform/http/loopback.ts";
import { type LogConfig, readLogConfig } from "@hil/platform/telemetry/log-config.ts";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { type OutboundProxy, readOutboundProxy } from "./outbound-proxy.ts";
import { isReadableOnTheWay, readServerAddress, type ServerAddress } from "./server-address.ts";
import { SETTINGS, type Setting, type SettingName, WITHOUT_EFFECT } from "./settings.ts";

const MIB = 1024 * 1024;
/** Longer values have been taken for certificates and whole files before. */
const MOST_TOKEN_CHARS = 4_096;

/** A robot that runs here. */
export interface HostChannelConfig {
  readonly id: string;
  readonly robot: WecomRobotConfig;
}

/** The way to the server. */
export interface Way {
  readonly server: ServerAddress;
  readonly proxy: OutboundProxy | undefined;
  /** PEM. Undefined: the system's. */
  readonly ca: Buffer | undefined;
  /** PEM; what the relay shows of itself. */
  readonly identity: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** A secret. */
  readonly token: string;
  /** The same way, with what its files hold now. A file that cannot be read counts as it was. */
  refreshed(): Way;
}

export interface RelayConfig {
  readonly way: Way;
  readonly dataDir: string;
  readonly callback: {
    readonly host: string;
    readonly port: number;
    /** Undefined: whoever reaches the port may call. */
    readonly authHeader: { readonly name: string; readonly value: string } | undefined;
  };
  readonly channels: readonly HostChannelConfig[];
  readonly mostSpooledBytes: number;
  readonly logLevel: string;
  readonly log: LogConfig;
  /** The name that the person believes the relay to have. */
  readonly expectedName: string | undefined;
  /** Sentences for the person about settings that do not do what they did. */
  readonly notices: readonly string[];
}

/** What a command line asks for. */
export type RelayCommand =
  | { readonly kind: "help" | "version" }
  | { readonly kind: "run" | "check"; readonly config: RelayConfig };

const channelId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be a channel's id: a letter, then letters, digits and hyphens");

const schema = z.object({
  url: z.string().default("grpc://127.0.0.1:8082"),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
  dataDir: z.string().default("./relay-data"),
  callbackHost: z.string().optional(),
  callbackPort: port.default(8082),
  callbackAuthKey: z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of an HTTP header, such as x-api-key")
    .optional(),
  callbackAuthValue: z.string().optional(),
  channel: channelId.default("wecom-robot"),
  botKey: z.string().optional(),
  spoolMib: z.coerce
    .number({ error: "must be a number of mebibytes" })
    .int()
    .min(1, "must be at least 1")
    .max(1_000_000, "must be at most 1000000")
    .default(1024),
  logLevel: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
      error: "must be trace, debug, info, warn, error, fatal or silent",
    })
    .default("info"),
  workerId: z.string().optional(),
});

const fileChannel = z.strictObject({
  id: channelId,
  bot_key: z.string().optional(),
  bot_key_file: z.string().optional(),
  api_url: z.string().optional(),
  kind: z.string().optional(),
  messages_per_minute: z.coerce.string().optional(),
  max_text_bytes: z.coerce.string().optional(),
  max_markdown_bytes: z.coerce.string().optional(),
});

/** Reads the command line. Throws a ConfigurationError that names all that is wrong. */
export function readCommand(argv: readonly string[], environment: NodeJS.ProcessEnv): RelayCommand {
  const flags = readFlags(argv);
  if (flags.help) return { kind: "help" };
  if (flags.version) return { kind: "version" };
  return { kind: flags.check ? "check" : "run", config: readConfig(flags, environment) };
}

type Flags = Record<string, string | boolean | undefined>;

function readFlags(argv: readonly string[]): Flags {
  const names = (Object.values(SETTINGS) as Setting[]).flatMap(({ flag }) => (flag ? [flag] : []));
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries([...names, "config"].map((name) => [name, { type: "string" as const }])),
        check: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "V" },
      },
    }).values;
  } catch (error) {
    // Node's sentence names the flag and, for an unknown one, goes on with advice that does not fit here.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split(". ");
    throw new ConfigurationError(`${sentence}; see hil-relay --help`);
  }
}

class Wrong {
  readonly lines: string[] = [];
  add(name: string, words: string): void {
    this.lines.push(`  ${name}: ${words}`);
  }
  /** Runs what may throw a ConfigurationError. */
  try<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      this.lines.push(
        error.message.replace(/^these variables are not right:\n/, "").replace(/^(?! {2})/, "  "),
      );
      return undefined;
    }
  }
  throwIfAny(): void {
    if (this.lines.length > 0) {
      throw new ConfigurationError(`these settings are not right:\n${this.lines.join("\n")}`);
    }
  }
}

function readConfig(flags: Flags, environment: NodeJS.ProcessEnv): RelayConfig {
  const wrong = new Wrong();
  const file = readFile((flags.config as string | undefined) ?? environment.HIL_RELAY_CONFIG?.trim(), wrong);
  const { given, nameOf } = collect(flags, environment, file, wrong);
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) wrong.add(nameOf(issue.path[0] as SettingName), issue.message);
  }
  // What is right is looked at further, so that everything that is wrong is said at once.
  const values = parsed.data ?? schema.parse(onlyRight(given));
  const log = wrong.try(() => readLogConfig(environment));
  const channels = readChannels(values, file, environment, wrong);
  const callback = readCallback(values, nameOf, wrong);
  const way = readWay(values, environment, nameOf, wrong);
  wrong.throwIfAny();
  return {
    way: way!,
    dataDir: resolve(values.dataDir),
    callback,
    channels,
    mostSpooledBytes: values.spoolMib * MIB,
    logLevel: values.logLevel,
    log: log!,
    expectedName: values.workerId,
    notices: noticesOf(way!.server, callback, environment, nameOf),
  };
}

type Values = z.infer<typeof schema>;
type Given = Partial<Record<SettingName, string>>;
type NameOf = (name: SettingName) => string;

/** Takes each setting from where it counts, and remembers from where that was. */
function collect(
  flags: Flags,
  environment: NodeJS.ProcessEnv,
  file: Record<string, unknown>,
  wrong: Wrong,
): { given: Given; nameOf: NameOf } {
  const given: Given = {};
  const names: Partial<Record<SettingName, string>> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const flag = setting.flag === undefined ? undefined : flags[setting.flag];
    const variable = environment[setting.variable]?.trim();
    const inFile = file[setting.key];
    if (typeof flag === "string") {
      given[name] = flag.trim();
      names[name] = `--${setting.flag}`;
    } else if (variable) {
      given[name] = variable;
      names[name] = setting.variable;
    } else if (inFile !== undefined && inFile !== null) {
      if (typeof inFile === "object") wrong.add(setting.key, "must be one value");
      else {
        given[name] = String(inFile).trim();
        names[name] = `${setting.key} in the configuration file`;
      }
    }
  }
  return { given, nameOf: (name) => names[name] ?? SETTINGS[name].variable };
}

function onlyRight(given: Given): Given {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([name, value]) => schema.shape[name as SettingName].safeParse(value).success,
    ),
  );
}

function readFile(path: string | undefined, wrong: Wrong): Record<string, unknown> {
  if (!path) return {};
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, "utf8"));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The parser's message shows a piece of the file, which may be a secret.
    wrong.add(
      "--config",
      code?.startsWith("E")
        ? `${path} cannot be read (${code})`
        : `${path} is no YAML (${message.split(/ at line| \n|\n/)[0]})`,
    );
    return {};
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    wrong.add("--config", `${path} must hold settings, one a line, such as url: https://hil.example.com`);
    return {};
  }
  const known = new Set(["channels", ...Object.values(SETTINGS).map(({ key }) => key)]);
  for (const key of Object.keys(content)) {
    if (!known.has(key)) wrong.add(`${key} in the configuration file`, "is no setting of hil-relay");
  }
  return content as Record<string, unknown>;
}

function readSecretFile(path: string, name: string, wrong: Wrong): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    wrong.add(name, `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}

function readWay(
  values: Values,
  environment: NodeJS.ProcessEnv,
  nameOf: NameOf,
  wrong: Wrong,
): Way | undefined {
  const address = readServerAddress(values.url);
  if (address.kind === "refused") wrong.add(nameOf("url"), address.reason);
  const fromFile =
    values.token === undefined && values.tokenFile !== undefined
      ? readSecretFile(values.tokenFile, nameOf("tokenFile"), wrong)?.toString("utf8").trim()
      : undefined;
  const token = values.token ?? fromFile;
  if (values.token === undefined && values.tokenFile === undefined) {
    wrong.add(
      "HIL_TOKEN",
      "must be set to the relay's credential, which `hil relay create NAME` makes (or name a file that holds it in HIL_TOKEN_FILE)",
    );
  } else if (token !== undefined && (!/^[\x21-\x7e]+$/.test(token) || token.length > MOST_TOKEN_CHARS)) {
    wrong.add(
      values.token === undefined ? nameOf("tokenFile") : nameOf("token"),
      "must be the one line that `hil relay create NAME` printed",
    );
  }
  const pem = (name: "caFile" | "certFile" | "keyFile") => {
    const path = values[name];
    const content = path === undefined ? undefined : readSecretFile(path, nameOf(name), wrong);
    if (content !== undefined && !content.includes("-----BEGIN ")) {
      wrong.add(nameOf(name), `${path} holds no PEM ("-----BEGIN …")`);
    }
    return content;
  };
  const [ca, cert, key] = [pem("caFile"), pem("certFile"), pem("keyFile")];
  if ((values.certFile === undefined) !== (values.keyFile === undefined)) {
    const missing = values.certFile === undefined ? "certFile" : "keyFile";
    wrong.add(SETTINGS[missing].variable, "must be set too: a certificate and its key go together");
  }
  if (address.kind === "refused") return undefined;
  const { address: server } = address;
  if (!server.tls && (ca || cert)) {
    wrong.add(
      nameOf("url"),
      `is not encrypted, and certificates are set: write https://${server.host}:${server.port}`,
    );
  }
  const proxy = wrong.try(() => readOutboundProxy(server, environment));
  if (token === undefined) return undefined;
  return makeWay({ server, proxy, ca, identity: cert && key ? { cert, key } : undefined, token }, values);
}

/** A way that reads its files anew when it is asked to: tokens and certificates are exchanged while a relay runs. */
function makeWay(held: Omit<Way, "refreshed">, values: Values): Way {
  return {
    ...held,
    refreshed() {
      const read = (path: string | undefined): Buffer | undefined => {
        try {
          return path === undefined ? undefined : readFileSync(path);
        } catch {
          return undefined; // it is being exchanged, or gone: what was read before may still do
        }
      };
      const [cert, key] = [read(values.certFile), read(values.keyFile)];
      const token = values.token === undefined ? read(values.tokenFile)?.toString("utf8").trim() : undefined;
      return makeWay(
        {
          ...held,
          ca: read(values.caFile) ?? held.ca,
          identity: cert && key ? { cert, key } : held.identity,
          token: token || held.token,
        },
        values,
      );
    },
  };
}

function readCallback(values: Values, nameOf: NameOf, wrong: Wrong): RelayConfig["callback"] {
  const { callbackAuthValue: value, callbackAuthKey } = values;
  if (callbackAuthKey !== undefined && value === undefined) {
    wrong.add(
      "CALLBACK_AUTH_VALUE",
      `must be set to the header's value, because ${nameOf("callbackAuthKey")} names the header`,
    );
  }
  const host = values.callbackHost ?? (value === undefined ? "127.0.0.1" : "0.0.0.0");
  if (value === undefined && !isLoopback(host)) {
    wrong.add(
      nameOf("callbackHost"),
      "lets others than this machine call: set CALLBACK_AUTH_VALUE too, or whoever reaches the port can answer questions",
    );
  }
  return {
    host,
    port: values.callbackPort,
    authHeader: value === undefined ? undefined : { name: callbackAuthKey ?? "x-api-key", value },
  };
}

function readChannels(
  values: Values,
  file: Record<string, unknown>,
  environment: NodeJS.ProcessEnv,
  wrong: Wrong,
): HostChannelConfig[] {
  const channels: HostChannelConfig[] = [];
  if (values.botKey !== undefined) {
    const robot = wrong.try(() => readWecomRobotConfig({ ...environment, BOT_KEY: values.botKey }));
    if (robot) channels.push({ id: values.channel, robot });
  }
  if (file.channels !== undefined) {
    const listed = z.array(fileChannel).max(100, "has more than 100 channels").safeParse(file.channels);
    if (!listed.success) {
      for (const { path, message } of listed.error.issues) {
        wrong.add(["channels", ...path].join("."), message);
      }
    }
    for (const each of listed.data ?? []) {
      const key =
        each.bot_key ??
        (each.bot_key_file === undefined
          ? undefined
          : readSecretFile(each.bot_key_file, `channels.${each.id}.bot_key_file`, wrong)
              ?.toString("utf8")
              .trim());
      if (each.bot_key === undefined && each.bot_key_file === undefined) {
        wrong.add(`channels.${each.id}`, "needs bot_key or bot_key_file");
      }
      const robot = wrong.try(() =>
        readWecomRobotConfig({
          ...environment,
          BOT_KEY: key,
          WECOM_API_URL: each.api_url ?? environment.WECOM_API_URL,
          WECOM_ROBOT_KIND: each.kind ?? environment.WECOM_ROBOT_KIND,
          WECOM_ROBOT_MESSAGES_PER_MINUTE: each.messages_per_minute,
          WECOM_ROBOT_MAX_TEXT_BYTES: each.max_text_bytes,
          WECOM_ROBOT_MAX_MARKDOWN_BYTES: each.max_markdown_bytes,
        }),
      );
      if (robot) channels.push({ id: each.id, robot });
    }
  }
  const ids = channels.map(({ id }) => id);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) {
    wrong.add("channels", `${id} is there twice`);
  }
  if (channels.length === 0 && wrong.lines.length === 0) {
    wrong.add("BOT_KEY", "must be set to the robot's key, or a configuration file must list channels");
  }
  return channels;
}

function noticesOf(
  server: ServerAddress,
  callback: RelayConfig["callback"],
  environment: NodeJS.ProcessEnv,
  nameOf: NameOf,
): string[] {
  const unused = WITHOUT_EFFECT.filter((name) => environment[name]?.trim());
  return [
    ...(server.isOfEarlierWorker
      ? [
          `${nameOf("url")} is the address of the earlier worker: it is taken for ${server.text}; write that, and this notice goes`,
        ]
      : []),
    ...(isReadableOnTheWay(server)
      ? [
          `the way to ${server.host} is not encrypted: whoever is on it can read the credential and all messages; write https://`,
        ]
      : []),
    ...(unused.length > 0
      ? [`${unused.join(", ")}: no effect any more; the relay comes back by itself, within seconds`]
      : []),
    ...(callback.authHeader === undefined
      ? [
          `callbacks are heard on ${callback.host} only; to hear them from other machines, set CALLBACK_AUTH_VALUE`,
        ]
      : []),
  ];
}
