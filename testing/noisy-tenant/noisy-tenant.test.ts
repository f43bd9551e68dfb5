// What a tenant that calls as hard as it can gets, and what another one gets beside it. How much longer that one waits is
// told by `npm run bench -- noisy-tenant`: a figure of the machine, and no test.

import { expect, test } from "vitest";
import { NOISY_CALLS_PER_SECOND, runNoisyTenant } from "./noisy-tenant.ts";

/** A burst may use up so many seconds' worth of calls at once (T1 of the rate limits). */
const BURST_SECONDS = 10;
const ROUNDS = 4;
const CYCLES = 40;

test("I6, I14: a tenant that floods gets what its policy says and not more, and another one beside it all it asks for", async () => {
  const { beside, heard, seconds } = await runNoisyTenant({ rounds: ROUNDS, cycles: CYCLES });
  expect(beside).toHaveLength(ROUNDS * CYCLES); // a quiet call that is refused would have thrown
  expect(heard["429"]).toBeGreaterThan(100);
  const admitted = ["200", "400", "403", "404"].reduce((sum, status) => sum + (heard[status] ?? 0), 0);
  expect(admitted).toBeGreaterThan(0);
  expect(admitted).toBeLessThanOrEqual(NOISY_CALLS_PER_SECOND * (seconds + BURST_SECONDS));
}, 300_000);
