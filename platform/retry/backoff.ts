/**
 * How long to wait before try number `attempt` (from 1): full jitter over a doubling ceiling, so that many
 * that failed together do not come back together.
 */
export function backoffMs(
  attempt: number,
  { baseMs, maxMs, random = Math.random }: { baseMs: number; maxMs: number; random?: () => number },
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(random() * ceiling);
}
