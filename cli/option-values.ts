// Values of options as several commands read them. What cannot be read is a fault of the command line.

import { readFile } from "node:fs/promises";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";
import { readTimeout } from "./duration.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

/** An option that may be repeated. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

export function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new InvalidArgumentError("write a whole number above 0");
  return limit;
}

/** A length of time that has an end: "90s", "20m", "90d". */
export function readLength(text: string): Duration {
  const length = readTimeout(text);
  if (length?.kind !== "after") throw new InvalidArgumentError("write a length of time: 90s, 20m, 8h or 90d");
  return durationFromMs(length.ms);
}

/** A length of time that may be nothing: "0s". */
export function readLengthOrZero(text: string): Duration {
  return /^0+[smhd]?$/.test(text.trim()) ? durationFromMs(0) : readLength(text);
}

/** The text of a file; "-" is stdin. Rejects with exit code 66 where it cannot be read. */
export async function readText(file: string, terminal: Terminal): Promise<string> {
  if (file === "-") return terminal.readInput();
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandError(
      EXIT.notFound,
      terminal.t(
        `${file} cannot be read: ${(error as Error).message}`,
        `无法读取 ${file}：${(error as Error).message}`,
      ),
      { cause: error },
    );
  }
}
