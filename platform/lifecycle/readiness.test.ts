import { expect, test } from "vitest";
import { createReadiness, type Part } from "./readiness.ts";

const part = (name: string, required: boolean, isThere: Part["isThere"]): Part => ({
  name,
  required,
  isThere,
});

test("D1: without a required part it is not ready, and says which", async () => {
  const readiness = createReadiness([
    part("database", true, () => false),
    part("access", true, () => Promise.reject(new Error("refused"))),
    part("delivery", false, () => true),
  ]);
  expect(await readiness.report()).toEqual({ missing: ["database", "access"], impaired: [] });
  expect(await readiness.obstacle()).toBe("database, access");
});

test("D2: without what it can do without it is ready, and says what is missing all the same", async () => {
  const readiness = createReadiness([part("database", true, () => true), part("nats", false, () => false)]);
  expect(await readiness.report()).toEqual({ missing: [], impaired: ["nats"] });
  expect(await readiness.obstacle()).toBeUndefined();
});

test("many probes at once are one look, and a part that comes back is seen by the next", async () => {
  let looks = 0;
  const readiness = createReadiness([part("database", true, () => ++looks > 1)], { lookMs: 0 });
  const slow = createReadiness([part("database", true, () => ++looks > 0)]);
  expect(await readiness.obstacle()).toBe("database");
  expect(await readiness.obstacle()).toBeUndefined();
  looks = 0;
  await Promise.all(Array.from({ length: 100 }, () => slow.report()));
  expect(looks).toBe(1);
});

test("a part that says nothing is taken for missing", async () => {
  const readiness = createReadiness([part("database", true, () => new Promise<boolean>(() => {}))]);
  expect(await readiness.obstacle()).toBe("database");
});

test("a process that drains is not ready, whatever is there", async () => {
  const readiness = createReadiness([part("database", true, () => true)]);
  readiness.drain();
  expect(await readiness.report()).toEqual({ missing: ["draining"], impaired: [] });
});
