// What a process says of what it does: JSON lines, by the field names of the contracts.
//
// G1. A line is one line, whatever is in it: what moves a cursor or turns text around is escaped.
// G2. What people wrote is told by its length and digest only, so that a line can be compared and not read.
// G3. Secrets are left out by name, and by form where they slipped in elsewhere (I12).

import { createHash } from "node:crypto";
import { type DestinationStream, pino } from "pino";
import { errorFields } from "./error-fields.ts";
import type { LogConfig } from "./log-config.ts";
import { RotatingFile } from "./rotating-file.ts";
import { scrubSecrets } from "./scrub.ts";
import { traceFields } from "./tracing.ts";

/** A logger that writes JSON lines to stderr, so that stdout stays free for what a command prints. */
export type Log = Pick<pino.Logger, "debug" | "info" | "warn" | "error" | "fatal"> & {
  child(bindings: Record<string, unknown>): Log;
};

const SECRET_FIELDS = ["authorization", "cookie", "key", "token", "secret", "bot_key", "password"];
/** Fields of the contracts that hold what people wrote. */
const WRITTEN_FIELDS = ["title", "body", "text", "quoted_text", "note", "guidance", "vendor_message"];
/** Control characters that JSON leaves, separators of lines, and what turns the direction of text. */
const UNSEEN = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export interface LogOptions {
  /** Which service the process is, and of which version; in every line. */
  readonly base?: { readonly service: string; readonly version: string };
  readonly config?: LogConfig;
}

/** Makes a logger. Without a file in its configuration it writes to stderr. */
export function createLog(level: string, { base, config }: LogOptions = {}): Log {
  const destination: DestinationStream =
    config?.file === undefined
      ? pino.destination({ dest: 2, sync: true })
      : new RotatingFile(config.file, { maxBytes: config.maxBytes, files: config.files });
  return pino(
    {
      level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: traceFields,
      serializers: {
        err: (error: unknown) => errorFields(error),
        ...Object.fromEntries(WRITTEN_FIELDS.map((field) => [field, digestOf])),
      },
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: (line) => scrubSecrets(line).replace(UNSEEN, escaped) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "[redacted]" },
    },
    destination,
  ) as unknown as Log;
}

function digestOf(value: unknown): unknown {
  if (typeof value !== "string") return "[left out]";
  const sha256 = createHash("sha256").update(value).digest("hex").slice(0, 16);
  return { length: value.length, sha256 };
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A logger that says nothing, for tests and commands. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => silentLog,
};
