import fc from "fast-check";
import { expect, test } from "vitest";
import { createKeyedLimit } from "./keyed-limit.ts";
import { TokenBuckets } from "./token-buckets.ts";

const rate = { burst: 10, windowMs: 1_000 };

test("B1: a burst is let through at once, and then one for each part of the window", () => {
  const buckets = new TokenBuckets(100);
  for (let n = 0; n < 10; n++) expect(buckets.take("a", rate, 0)).toBe(0);
  expect(buckets.take("a", rate, 0)).toBe(100);
  expect(buckets.take("a", rate, 99)).toBe(1);
  expect(buckets.take("a", rate, 100)).toBe(0);
  expect(buckets.take("a", rate, 100)).toBe(100);
  expect(buckets.take("b", rate, 100)).toBe(0);
  for (let n = 0; n < 10; n++) expect(buckets.take("a", rate, 5_000)).toBe(0);
  expect(buckets.take("a", rate, 5_000)).toBe(100);
});

test("B1: over any stretch of time nobody gets more than a burst and the pace, and nobody who keeps to them is refused", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 60_000 }),
      fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 200 }),
      (burst, windowMs, gaps) => {
        const buckets = new TokenBuckets(10);
        const taken: number[] = [];
        let now = 1_000_000;
        for (const gap of gaps) {
          now += gap;
          const waitMs = buckets.waitMs("a", { burst, windowMs }, now);
          expect(buckets.take("a", { burst, windowMs }, now)).toBe(waitMs);
          if (waitMs === 0) {
            taken.push(now);
          } else {
            expect(buckets.waitMs("a", { burst, windowMs }, now + waitMs)).toBe(0);
          }
        }
        for (let from = 0; from < taken.length; from++) {
          for (let to = from; to < taken.length; to++) {
            const most = burst + ((taken[to]! - taken[from]!) * burst) / windowMs;
            expect(to - from + 1).toBeLessThanOrEqual(Math.floor(most + 1e-3));
          }
        }
      },
    ),
  );
});

test("B2: a crowd of keys takes bounded memory, and does not make room for one that goes on trying", () => {
  const buckets = new TokenBuckets(1_000);
  const one = { burst: 1, windowMs: 1_000_000 };
  expect(buckets.take("guesser", one, 0)).toBe(0);
  for (let n = 0; n < 50_000; n++) {
    buckets.take(`crowd-${n}`, one, 0);
    if (n % 400 === 0) expect(buckets.take("guesser", one, 0)).toBeGreaterThan(0);
  }
  expect(buckets.size).toBeLessThanOrEqual(1_000);
});

test("B3: after the clock jumped back an hour, nobody waits longer than a window", () => {
  const buckets = new TokenBuckets(100);
  for (let n = 0; n < 10; n++) buckets.take("a", rate, 3_600_000);
  expect(buckets.take("a", rate, 0)).toBe(100);
  expect(buckets.take("a", rate, 100)).toBe(0);
});

test("a keyed limit is asked before a try and told of each that failed", () => {
  let time = 0;
  const limit = createKeyedLimit({ points: 3, windowMs: 60_000, now: () => new Date(time) });
  for (let n = 0; n < 3; n++) {
    expect(limit.retryAfterMs("192.0.2.1")).toBe(0);
    limit.take("192.0.2.1");
  }
  expect(limit.retryAfterMs("192.0.2.1")).toBe(20_000);
  expect(limit.retryAfterMs("192.0.2.2")).toBe(0);
  time = 20_000;
  expect(limit.retryAfterMs("192.0.2.1")).toBe(0);
});
