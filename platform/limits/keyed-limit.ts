import { TokenBuckets } from "./token-buckets.ts";

/** A limit for each of many keys: chats, addresses, senders. */
export interface KeyedLimit {
  /** Takes one point of a key. 0: it had one; otherwise it has one in so many milliseconds, and nothing was taken. */
  take(key: string): number;
  /** In how many milliseconds a key has a point, without taking it. 0: now. */
  retryAfterMs(key: string): number;
}

export interface KeyedLimitOptions {
  /** What a key may do at once. It gets as many again in each `windowMs`, at an even pace. */
  readonly points: number;
  readonly windowMs: number;
  readonly now: () => Date;
  /** How many keys are remembered, those touched last. Default: 10,000. */
  readonly maxKeys?: number;
}

/**
 * Counts in memory, for this process. To slow down guessing, ask `retryAfterMs` before a try and `take` after one that
 * failed; to pace, `take` before each.
 */
export function createKeyedLimit({ points, windowMs, now, maxKeys = 10_000 }: KeyedLimitOptions): KeyedLimit {
  const buckets = new TokenBuckets(maxKeys);
  const rate = { burst: points, windowMs };
  return {
    take: (key) => buckets.take(key, rate, now().getTime()),
    retryAfterMs: (key) => buckets.waitMs(key, rate, now().getTime()),
  };
}
