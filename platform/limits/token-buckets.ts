// Token buckets by key: who does something too often is told when to come back.
//
// B1. A key may do `burst` at once and `burst` in every `windowMs` after that, at an even pace. Nothing is gained by
//     waiting for a window to turn.
// B2. Memory is bounded. Keys that were touched longest ago are forgotten first, so that a crowd of new keys does not make
//     room for one that is over its limit and goes on trying.
// B3. A clock that jumps back makes nobody wait longer than one window.
// B4. Taking is synchronous and has no timer: it costs two look-ups in a map.
//
// Why not rate-limiter-flexible: its memory limiter answers with a promise only, keeps an entry and a timer for each key
// without bound, and counts in fixed windows, which let through twice the limit around the turn of a window.

import { RecentMap } from "./recent-map.ts";

/** How much a key may do. */
export interface Rate {
  /** What it may do at once. At least 1. */
  readonly burst: number;
  /** In how long as much again has come together. Milliseconds. */
  readonly windowMs: number;
}

/** What windowMs / burst loses to rounding must not cost the last one of a burst. */
const ROUNDING_MS = 1e-3;

/** The buckets of many keys. A bucket that was never touched is full. */
export class TokenBuckets {
  /** For each key the time at which its bucket is full again, in milliseconds since 1970. */
  readonly #fullAt: RecentMap<number>;

  /** At most `maxKeys` are remembered. */
  constructor(maxKeys: number) {
    this.#fullAt = new RecentMap(maxKeys);
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** Takes one. 0: it was there; otherwise nothing was taken, and one is there in so many milliseconds. */
  take(key: string, { burst, windowMs }: Rate, nowMs: number): number {
    const fullAt = this.#read(key, windowMs, nowMs) + windowMs / burst;
    const waitMs = fullAt - nowMs - windowMs;
    if (waitMs > ROUNDING_MS) return Math.ceil(waitMs);
    this.#fullAt.set(key, fullAt);
    return 0;
  }

  /** In how many milliseconds one is there, without taking it. 0: now. */
  waitMs(key: string, { burst, windowMs }: Rate, nowMs: number): number {
    if (this.#fullAt.size === 0) return 0;
    const waitMs = this.#read(key, windowMs, nowMs) + windowMs / burst - nowMs - windowMs;
    return waitMs > ROUNDING_MS ? Math.ceil(waitMs) : 0;
  }

  #read(key: string, windowMs: number, nowMs: number): number {
    const known = this.#fullAt.get(key) ?? 0;
    if (known <= nowMs + windowMs) return Math.max(known, nowMs);
    this.#fullAt.set(key, nowMs + windowMs);
    return nowMs + windowMs;
  }
}
