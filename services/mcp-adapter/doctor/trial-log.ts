// The trials on disk: one line of JSON for each thing that happened, so that nothing is ever written twice.

import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { Trial, TrialEnd } from "./trial.ts";

const base = { id: z.string(), timeMs: z.number() };
const entry = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("held"),
    ...base,
    client: z.string(),
    way: z.enum(["stdio", "http"]),
    heldS: z.number(),
    withProgress: z.boolean(),
    hasToken: z.boolean(),
  }),
  z.object({ kind: z.literal("alive"), ...base }),
  z.object({ kind: z.literal("answered"), ...base }),
  z.object({ kind: z.literal("received"), ...base }),
  z.object({ kind: z.literal("given-up"), ...base, why: z.string() }),
  /** Everything is known of the client whose last trial this was. */
  z.object({ kind: z.literal("done"), ...base }),
]);
type Entry = z.infer<typeof entry>;

export interface TrialLog {
  /** All of them, oldest first. */
  trials(): Trial[];
  /** The receipts of the last trials of clients of which everything is known. */
  finished(): string[];
  write(entry: Entry extends infer E ? (E extends Entry ? Omit<E, "timeMs"> : never) : never): void;
}

/** Opens the log. The file is made with the first entry, for this user alone. */
export function openTrialLog(file: string, now: () => Date): TrialLog {
  const read = () => readText(file).split("\n").flatMap(parseEntry);
  return {
    trials: () => trialsOf(read()),
    finished: () => read().flatMap(({ kind, id }) => (kind === "done" ? [id] : [])),
    write(what) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      appendFileSync(file, `${JSON.stringify({ ...what, timeMs: now().getTime() })}\n`, { mode: 0o600 });
    },
  };
}

function trialsOf(entries: readonly Entry[]): Trial[] {
  const trials = new Map<string, { trial: Omit<Trial, "end">; startMs: number; end: TrialEnd }>();
  for (const each of entries) {
    if (each.kind === "held") {
      const { kind: _, timeMs: startMs, ...trial } = each;
      trials.set(each.id, { trial, startMs, end: { kind: "open", aliveS: 0 } });
      continue;
    }
    const found = trials.get(each.id);
    if (!found) continue;
    const afterS = Math.round((each.timeMs - found.startMs) / 1000);
    switch (each.kind) {
      case "alive":
        found.end = { kind: "open", aliveS: afterS };
        break;
      case "answered":
        found.end = { kind: "answered" };
        break;
      case "received":
        found.end = { kind: "received" };
        break;
      case "given-up":
        found.end = { kind: "given-up", afterS, why: each.why };
        break;
      case "done":
        break;
    }
  }
  return [...trials.values()].map(({ trial, end }) => ({ ...trial, end }));
}

/** A line that a killed process left half written is left out. */
function parseEntry(line: string): Entry[] {
  try {
    return [entry.parse(JSON.parse(line))];
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
