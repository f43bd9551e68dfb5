// "So many messages a minute", counted by the second, so that a row that processes share stays small.
//
// A second counts until a minute after its end, so never more go out within a minute than the vendor takes; at the edge
// one may wait up to a second longer than it had to.

/** Pairs of a second since 1970 and how many turns were taken in it, in their order. */
export type TurnWindow = readonly (readonly [second: number, count: number])[];

/** The vendor counts over a minute; a second more covers messages that were on their way for different times. */
const WINDOW_MS = 61_000;
/** Turns further in the future were taken before the clock was set back: they must not count for the whole step. */
const CLOCK_STEP_MS = 5_000;

/** Without what counts no more. */
export function recentTurns(window: TurnWindow, nowMs: number): TurnWindow {
  return window.filter(([second]) => freeMs(second) > nowMs && second * 1000 <= nowMs + CLOCK_STEP_MS);
}

/** 0 where there is room for one more turn; otherwise how many milliseconds until there is. */
export function waitMs(window: TurnWindow, perMinute: number, nowMs: number): number {
  const recent = recentTurns(window, nowMs);
  let over = recent.reduce((sum, [, count]) => sum + count, 0) - perMinute + 1;
  if (over <= 0) return 0;
  for (const [second, count] of recent) {
    over -= count;
    if (over <= 0) return freeMs(second) - nowMs;
  }
  return WINDOW_MS; // the limit is below one
}

/** With one more turn. */
export function withTurn(window: TurnWindow, nowMs: number): TurnWindow {
  const recent = recentTurns(window, nowMs);
  const last = recent.at(-1);
  // A process may have been given its time a little before the one that wrote last.
  const second = Math.max(Math.floor(nowMs / 1000), last?.[0] ?? 0);
  if (last?.[0] !== second) return [...recent, [second, 1]];
  return [...recent.slice(0, -1), [second, last[1] + 1]];
}

/** When the turns of a second count no more. */
function freeMs(second: number): number {
  return (second + 1) * 1000 + WINDOW_MS;
}
