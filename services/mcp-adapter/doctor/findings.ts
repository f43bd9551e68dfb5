// What the trials of a client say, and what to set because of it.

import { type ClientEntry, clientEntry, type Way } from "../clients/client-entry.ts";
import type { ClientName } from "../clients/client-limits.ts";
import type { Trial } from "./trial.ts";

/** What is known of one client on one way. */
export interface Findings {
  readonly client: string;
  readonly way: Trial["way"];
  readonly hasToken: boolean;
  readonly trials: readonly Trial[];
  /** The longest call that was held, in seconds; 0 where none was. */
  readonly heldS: number;
  /** The same with progress. Undefined: it was not tried. */
  readonly heldWithProgressS: number | undefined;
  /** How long one call should wait, in seconds. */
  readonly sliceS: number;
}

/** Of what a client holds, the share that a call uses. The rest is for the way of the answer. */
const SHARE = 0.9;
const LEAST_SLICE_S = 10;
const MOST_SLICE_S = 3600;

/** By client and way, those that were measured last first. */
export function findingsOf(trials: readonly Trial[]): Findings[] {
  const groups = new Map<string, Trial[]>();
  for (const trial of trials.toReversed()) {
    const key = JSON.stringify([trial.client, trial.way]);
    groups.set(key, [trial, ...(groups.get(key) ?? [])]);
  }
  return [...groups.values()].map(findingsOfOne);
}

function findingsOfOne(trials: readonly Trial[]): Findings {
  const { client, way } = trials[0]!;
  const withProgress = trials.filter((trial) => trial.withProgress);
  const heldS = longestHeld(trials.filter((trial) => !trial.withProgress));
  const heldWithProgressS = withProgress.length > 0 ? longestHeld(withProgress) : undefined;
  const best = Math.max(heldS, heldWithProgressS ?? 0);
  const sliceS = Math.min(Math.max(Math.floor(best * SHARE), LEAST_SLICE_S), MOST_SLICE_S);
  const hasToken = trials.some((trial) => trial.hasToken);
  return { client, way, hasToken, trials, heldS, heldWithProgressS, sliceS };
}

function longestHeld(trials: readonly Trial[]): number {
  return Math.max(0, ...trials.map(({ end, heldS }) => (end.kind === "received" ? heldS : 0)));
}

/** Clients that entries are known for, by what they call themselves. */
const KNOWN: readonly { readonly name: RegExp; readonly client: ClientName }[] = [
  { name: /^claude[- ]code/i, client: "claude-code" },
  { name: /^claude/i, client: "claude-desktop" },
  { name: /cursor/i, client: "cursor" },
  { name: /visual studio code|vscode/i, client: "vscode" },
  { name: /codex/i, client: "codex" },
];

/** The entry for a client with what was measured in it. Undefined for a client that none is known for. */
export function measuredEntry({ client, sliceS }: Findings, way: Way): ClientEntry | undefined {
  const known = KNOWN.find(({ name }) => name.test(client));
  if (!known) return undefined;
  if (way.kind === "http") return clientEntry(known.client, way);
  const environment = { ...way.environment, HIL_MCP_SLICE_SECONDS: String(sliceS) };
  return clientEntry(known.client, { ...way, environment });
}
