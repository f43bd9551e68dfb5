// When a relay tries again (G8): with full jitter, so that those who fell together do not come back together; never so
// seldom that people notice after a short outage, nor so often that a long one is a load; and without end.

import { backoffMs } from "@hil/platform/retry/backoff.ts";

const BASE_MS = 100;

/** The longest pause, by how long the server has been away. */
export function mostPauseMs(outageMs: number): number {
  if (outageMs <= 60_000) return 1_500;
  return outageMs <= 600_000 ? 5_000 : 15_000;
}

/** The pause before try number `attempt` (from 1) of an outage. */
export function reattachPauseMs(
  attempt: number,
  { outageMs, random = Math.random }: { outageMs: number; random?: () => number },
): number {
  return backoffMs(attempt, { baseMs: BASE_MS, maxMs: mostPauseMs(outageMs), random });
}

const SUPERSEDED_LEAST_MS = 60_000;
const SUPERSEDED_MOST_MS = 15 * 60_000;

/**
 * The pause of a relay that a newer one of the same name put out, for the `times`-th time. Between a half and the whole of a
 * doubling span: two that run by mistake change places seldom, and one whose twin is gone comes back by itself.
 */
export function supersededPauseMs(times: number, random: () => number = Math.random): number {
  const span = Math.min(SUPERSEDED_MOST_MS, SUPERSEDED_LEAST_MS * 2 ** Math.min(times - 1, 10));
  return Math.round(span * (0.5 + random() / 2));
}
