import { z } from "zod";
import { readEnvironment } from "../config/environment.ts";

const MIB = 1024 * 1024;

const schema = z.object({
  HIL_LOG_FILE: z.string().optional(),
  HIL_LOG_FILE_MIB: z.coerce
    .number({ error: "must be a number of mebibytes" })
    .int()
    .min(1, "must be at least 1")
    .max(10_000, "must be at most 10000")
    .default(50),
  HIL_LOG_FILES: z.coerce
    .number({ error: "must be a number of files" })
    .int()
    .min(1, "must be at least 1")
    .max(1_000, "must be at most 1000")
    .default(7),
});

/** Where a process writes its log. */
export interface LogConfig {
  /** Undefined: to stderr. */
  readonly file: string | undefined;
  /** How large a file may grow before the next is begun. */
  readonly maxBytes: number;
  /** How many are kept, the current one among them. */
  readonly files: number;
}

/** Reads where to write. Throws a ConfigurationError. */
export function readLogConfig(environment: NodeJS.ProcessEnv): LogConfig {
  const given = readEnvironment(schema, environment);
  return {
    file: given.HIL_LOG_FILE,
    maxBytes: given.HIL_LOG_FILE_MIB * MIB,
    files: given.HIL_LOG_FILES,
  };
}
