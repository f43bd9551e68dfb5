// What the adapter is told: flags, then variables, then `.env` in the working folder, then defaults.
//
// The names are those of the earlier clients, all of them, so that an MCP entry keeps working as it is.

import { parseArgs, parseEnv } from "node:util";
import { readServiceUrl, type ServiceUrl } from "@hil/platform/client/service-url.ts";
import { z } from "zod";
import { LADDER_S, REQUEST, readLadder, trialFile } from "./doctor/trial.ts";

/** The longest deadline that can be configured: a year. */
const MOST_TIMEOUT_S = 365 * 24 * 3600;

interface Setting {
  /** Undefined for what must not be seen in a list of processes. */
  readonly flag?: string;
  /** In the order in which they win. */
  readonly variables: readonly string[];
  readonly help: string;
}

export const SETTINGS = {
  serviceUrl: {
    flag: "service-url",
    variables: ["DEVCLOUD_SERVICE_URL", "HIL_SERVICE_URL", "SERVICE_URL"],
    help: "where HIL is (http://localhost:8080)",
  },
  mode: {
    flag: "mode",
    variables: ["SERVICE_MODE"],
    help: "auto, direct, relay or hil: accepted; the server chooses the way to the chat",
  },
  chatId: {
    flag: "chat-id",
    variables: ["DEFAULT_CHAT_ID", "HIL_CHAT_ID"],
    help: "the chat to ask in; without one, questions appear in the console only",
  },
  projectName: {
    flag: "project-name",
    variables: ["DEFAULT_PROJECT_NAME", "HIL_PROJECT_NAME"],
    help: "the project that people are shown",
  },
  timeout: {
    flag: "timeout",
    variables: ["DEFAULT_TIMEOUT"],
    help: "seconds that people have to answer (the server's own: 1200); 0: for ever",
  },
  pollInterval: {
    flag: "poll-interval",
    variables: ["POLL_INTERVAL"],
    help: "accepted and not used: answers are pushed",
  },
  tenantId: {
    flag: "tenant-id",
    variables: ["HIL_TENANT_ID"],
    help: "the tenant that you believe the key is of; a key of another one is refused",
  },
  engine: { flag: "engine", variables: [], help: "accepted; the server chooses the robot" },
  botKey: { flag: "bot-key", variables: [], help: "accepted; the robot's key belongs to the server" },
  apiKey: { variables: ["HIL_API_KEY"], help: "the key for HIL; not needed on the machine that runs it" },
  dataDir: {
    variables: ["HIL_DATA_DIR"],
    help: "the data folder of a HIL on this machine, to read its local key (./data)",
  },
  sliceSeconds: {
    flag: "slice-seconds",
    variables: ["HIL_MCP_SLICE_SECONDS"],
    help: "how long one call waits before it answers that the question is still open (by client: 45 to 240)",
  },
  progressSeconds: {
    flag: "progress-seconds",
    variables: ["HIL_MCP_PROGRESS_SECONDS"],
    help: "how often a call that waits tells so, to a client that listens for it (10)",
  },
} satisfies Record<string, Setting>;

type SettingName = keyof typeof SETTINGS;

const wholeNumber = (least: number, most: number) =>
  z.coerce
    .number({ error: "must be a whole number of seconds" })
    .int("must be a whole number of seconds")
    .min(least, `must be at least ${least} seconds`)
    .max(most, `must be at most ${most} seconds`);

const schema = z.object({
  serviceUrl: z.string().default("http://localhost:8080"),
  mode: z
    .enum(["auto", "direct", "relay", "hil"], { error: "must be one of auto, direct, relay, hil" })
    .default("auto"),
  chatId: z.string().max(200, "must be at most 200 characters").default(""),
  projectName: z.string().default(""),
  timeout: wholeNumber(0, MOST_TIMEOUT_S).optional(),
  pollInterval: wholeNumber(0, MOST_TIMEOUT_S).default(2),
  tenantId: z.string().default(""),
  engine: z.string().default("auto"),
  botKey: z.string().optional(),
  apiKey: z.string().optional(),
  dataDir: z.string().optional(),
  sliceSeconds: wholeNumber(1, 3600).optional(),
  progressSeconds: wholeNumber(1, 60).optional(),
});

/** What the adapter works by. */
export interface AdapterConfig {
  readonly service: ServiceUrl;
  /** HIL_API_KEY. Never print it. */
  readonly apiKey: string | undefined;
  /** Where a HIL of this machine may keep its local key, best guess first. */
  readonly dataDir: string | undefined;
  /** The chat to ask in where a call names none. Empty: the console only. */
  readonly chatId: string;
  readonly projectName: string;
  /** The tenant that the key should be of. Empty: whichever it is of. */
  readonly tenantId: string;
  /** The ask's deadline, in seconds. 0: none. Undefined: the server's own, 1200 unless it is set otherwise. */
  readonly timeoutS: number | undefined;
  /** How long one call waits, in seconds. Undefined: by the client. */
  readonly sliceS: number | undefined;
  /** How often a call that waits tells so, in seconds. Undefined: 10. */
  readonly progressS: number | undefined;
  /** Sentences for the user about settings that have no effect any more. */
  readonly notices: readonly string[];
}

/** How a client is measured. */
export interface MeasureConfig {
  /** How long calls are held, rising, in seconds. */
  readonly ladder: readonly number[];
  /** Where the results go. */
  readonly file: string;
}

/** What a command line asks for. */
export type Command =
  | { readonly kind: "serve"; readonly config: AdapterConfig }
  /** Serve a tool that measures the client, and nothing else. */
  | { readonly kind: "measure"; readonly config: MeasureConfig }
  /** Print what was measured. */
  | { readonly kind: "measured"; readonly config: MeasureConfig }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "refused"; readonly sentence: string };

/** Reads the command line. `dotenv` is the text of `.env`, empty where there is none. */
export function readCommand(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  dotenv: string,
): Command {
  const flags = readFlags(argv);
  if (typeof flags === "string") return { kind: "refused", sentence: flags };
  if (flags.help) return { kind: "help" };
  if (flags.version) return { kind: "version" };

  const variables = byUpperCase(environment);
  if (flags.doctor || flags["doctor-results"] || isYes(variables.get("HIL_MCP_DOCTOR"))) {
    const config = readMeasureConfig(variables);
    if (typeof config === "string") return { kind: "refused", sentence: config };
    return { kind: flags["doctor-results"] ? "measured" : "measure", config };
  }
  const file = byUpperCase(parseEnv(dotenv));
  const given: Partial<Record<SettingName, string>> = {};
  const sources: Partial<Record<SettingName, string>> = {};
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const found = find(setting, flags, variables, file);
    if (!found) continue;
    given[name] = found.value;
    sources[name] = found.source;
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      (issue) => `${sources[issue.path[0] as SettingName]} ${issue.message}`,
    );
    return { kind: "refused", sentence: issues.join("; ") };
  }
  const values = parsed.data;
  const service = readServiceUrl(values.serviceUrl);
  if (!service) {
    // The value is not repeated: it may hold a key.
    return {
      kind: "refused",
      sentence: `${sources.serviceUrl} must be an http or https address, such as http://localhost:8080`,
    };
  }
  return {
    kind: "serve",
    config: {
      service,
      apiKey: values.apiKey,
      dataDir: values.dataDir,
      chatId: values.chatId,
      projectName: values.projectName,
      tenantId: values.tenantId,
      timeoutS: values.timeout,
      sliceS: values.sliceSeconds,
      progressS: values.progressSeconds,
      notices: [
        ...(values.botKey
          ? ["--bot-key has no effect here: give the robot's key to the server as BOT_KEY"]
          : []),
        ...(values.engine !== "auto" ? ["--engine has no effect here: the server chooses the robot"] : []),
      ],
    },
  };
}

/** What --help prints. */
export function helpText(): string {
  const lines = (Object.values(SETTINGS) as Setting[]).map(({ flag, variables, help }) => {
    const names = [flag && `--${flag}`, ...variables].filter(Boolean).join(", ");
    return `  ${names}\n      ${help}`;
  });
  return `hil-mcp: lets an AI agent ask a person through MCP (stdio) and wait for the answer.

A flag wins over a variable, a variable over .env in the working folder. Names of variables may be in any case.

${lines.join("\n")}
  --doctor, HIL_MCP_DOCTOR=1
      measures how long your client waits for a tool: give it an entry with this flag, and tell your agent
      "${REQUEST}"
      HIL_MCP_DOCTOR_SECONDS are the seconds to try (${LADDER_S.join(",")}), HIL_MCP_DOCTOR_FILE is where the results go
  --doctor-results
      prints what was measured, and what to set
  --help, --version
`;
}

function readMeasureConfig(variables: ReadonlyMap<string, string>): MeasureConfig | string {
  const ladder = readLadder(variables.get("HIL_MCP_DOCTOR_SECONDS") ?? "");
  if (!ladder) return "HIL_MCP_DOCTOR_SECONDS must be whole numbers that rise, with commas: 45,65,130";
  return { ladder, file: trialFile(variables.get("HIL_MCP_DOCTOR_FILE")) };
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes)$/i.test(value.trim());
}

function readFlags(argv: readonly string[]): Record<string, string | boolean | undefined> | string {
  const names = (Object.values(SETTINGS) as Setting[]).flatMap(({ flag }) => (flag ? [flag] : []));
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
        doctor: { type: "boolean" },
        "doctor-results": { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    // Node's sentence names the flag and, for an unknown one, goes on with advice that does not fit here.
    const sentence = error instanceof Error ? error.message.split(". ")[0] : String(error);
    return `${sentence}; see hil-mcp --help`;
  }
}

function find(
  { flag, variables }: Setting,
  flags: Record<string, string | boolean | undefined>,
  environment: ReadonlyMap<string, string>,
  file: ReadonlyMap<string, string>,
): { value: string; source: string } | undefined {
  const given = flag && flags[flag];
  if (typeof given === "string" && isFilledIn(given)) return { value: given.trim(), source: `--${flag}` };
  for (const layer of [environment, file]) {
    for (const name of variables) {
      const value = layer.get(name)?.trim() ?? "";
      if (isFilledIn(value)) return { value, source: layer === file ? `${name} in .env` : name };
    }
  }
  return undefined;
}

/** Clients leave the placeholder of a variable that is not set as it stands: "${HIL_API_KEY}", "${env:HIL_API_KEY}". */
function isFilledIn(value: string): boolean {
  return value.trim() !== "" && !/^\$\{[^{}]*\}$/.test(value.trim());
}

/** Names are told apart by nothing but their letters; the upper-case spelling wins over others. */
function byUpperCase(environment: NodeJS.Dict<string>): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    const upper = name.toUpperCase();
    if (value !== undefined && (upper === name || !values.has(upper))) values.set(upper, value);
  }
  return values;
}
