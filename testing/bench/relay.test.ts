import { expect, test } from "vitest";
import { measureStorm, startEmbeddedStorm } from "./relay-storm.ts";

test("F18, G9: all relays of a process that was killed come back, and nothing that vendors said is lost", async () => {
  await using hil = await startEmbeddedStorm();
  const { said, kept } = await measureStorm(hil, { count: 20, quietMs: 0 });
  expect([said, kept]).toEqual([40, 40]);
}, 120_000);
