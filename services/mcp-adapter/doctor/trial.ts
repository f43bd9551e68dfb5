// What a client really tolerates, found out by holding calls longer and longer.
//
// D1. A call counts as held only when the client shows that it got the answer: each answer has a receipt, and the next
//     call brings it. That a server has answered proves nothing; many clients give up in silence.
// D2. What was found out is on disk before the next call is held, and outlives client and server: some clients end the
//     server of a call that took too long.
// D3. First without progress, up to the first call that is not held; then, from there on, with progress. A client that
//     holds everything without, or that sends no progress token, has nothing to show with it.

import { homedir } from "node:os";
import { join } from "node:path";

/** How one held call ended. */
export type TrialEnd =
  /** It is held right now, or whoever held it was ended. */
  | { readonly kind: "open"; readonly aliveS: number }
  /** It was answered, and the client has not shown the receipt. */
  | { readonly kind: "answered" }
  /** The client has the answer. */
  | { readonly kind: "received" }
  /** The client cancelled it, closed its stream, or went away. */
  | { readonly kind: "given-up"; readonly afterS: number; readonly why: string };

/** One call that was held. */
export interface Trial {
  /** Its receipt. */
  readonly id: string;
  /** The name and version that the client gave itself. */
  readonly client: string;
  readonly way: "stdio" | "http";
  readonly heldS: number;
  readonly withProgress: boolean;
  /** Whether the client sent a token to hear progress by. */
  readonly hasToken: boolean;
  readonly end: TrialEnd;
}

/** The next call to hold. */
export interface Step {
  readonly heldS: number;
  readonly withProgress: boolean;
}

/** Just over the limits that are known of clients: 1, 2, 3, 4, 5 and 10 minutes. */
export const LADDER_S: readonly number[] = [45, 65, 130, 190, 250, 310, 610];

/** Reads a ladder that a person wrote: "45,65,130". Empty: the usual one. Undefined for what is no ladder. */
export function readLadder(text: string): readonly number[] | undefined {
  if (text.trim() === "") return LADDER_S;
  const ladder = text.split(",").map(Number);
  const rises = ladder.every((each, index) => Number.isInteger(each) && each > (ladder[index - 1] ?? 0));
  return rises ? ladder : undefined;
}

/** The tool that measures. */
export const TOOL = "measure_limit";
/** What a person tells the agent. */
export const REQUEST = `Call ${TOOL} again and again until it says done. Pass the receipt of the last result; where a call failed, call without one.`;

/** Where trials are kept; `named` is HIL_MCP_DOCTOR_FILE. */
export function trialFile(named: string | undefined): string {
  return named || join(homedir(), ".hil", "mcp-doctor.jsonl");
}

/**
 * What to hold next (D3), from the calls of one client on one way. Undefined: everything is known. An open trial counts as
 * one that was not held: whoever asks is not waiting for it any more.
 */
export function nextStep(
  trials: readonly Trial[],
  ladder: readonly number[],
  hasToken: boolean,
): Step | undefined {
  const plain = climb(
    trials.filter(({ withProgress }) => !withProgress),
    ladder,
  );
  if (plain.kind === "next") return { heldS: plain.heldS, withProgress: false };
  if (plain.kind === "top" || !hasToken) return undefined;
  const longer = ladder.filter((heldS) => heldS >= plain.heldS);
  const beaten = climb(
    trials.filter(({ withProgress }) => withProgress),
    longer,
  );
  return beaten.kind === "next" ? { heldS: beaten.heldS, withProgress: true } : undefined;
}

/** How often a call may be answered without a receipt before that counts as not held. A model forgets things. */
const MOST_UNSHOWN = 2;

type Climb =
  | { readonly kind: "next"; readonly heldS: number }
  | { readonly kind: "failed"; readonly heldS: number }
  | { readonly kind: "top" };

function climb(trials: readonly Trial[], ladder: readonly number[]): Climb {
  for (const heldS of ladder) {
    const tried = trials.filter((trial) => trial.heldS === heldS);
    if (tried.some(({ end }) => end.kind === "received")) continue;
    const isUnshown = tried.every(({ end }) => end.kind === "answered");
    if (isUnshown && tried.length < MOST_UNSHOWN) return { kind: "next", heldS };
    return { kind: "failed", heldS };
  }
  return { kind: "top" };
}
