import { expect, test } from "vitest";
import { startDistributedHil, startEmbeddedHil } from "./subject.ts";
import { measureWaiters } from "./waiters.ts";

test.each([
  ["embedded", startEmbeddedHil],
  ["distributed", startDistributedHil],
])(
  "I7: 500 waits at once all end with their answer in the %s form, over a kill of their process",
  async (_, start) => {
    await using hil = await start();
    const found = await measureWaiters(hil, 500);
    expect(found.answered).toBe(3 * 500);
    expect(found.megabytes).toBeLessThan(400);
  },
  120_000,
);
