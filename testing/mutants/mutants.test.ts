import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hunt, runMutant, wordsOf } from "./hunt.ts";
import { BUS_IS_DEAD, MUTANTS, mutate } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** Caught by a run each; `npm run chaos -- --mutants` hunts them all. */
const SHORT = ["ack-before-commit", "dedupe-by-msgid-alone", "no-compare-and-set", "no-sweep"];
const MOST_SEEDS = 5;

test.each(MUTANTS)("the build $name can still be made", ({ changes }) => {
  for (const [file, ofFile] of Map.groupBy(changes, ({ file }) => file)) {
    const source = readFileSync(join(ROOT, file), "utf8");
    expect(ofFile.reduce(mutate, source)).not.toBe(source);
  }
});

test("a place that is not there, or there twice, is no place", () => {
  const change = { file: "a.ts", from: "x", to: "y" };
  expect(() => mutate("abc", change)).toThrow("stands 0 times in a.ts");
  expect(() => mutate("xx", change)).toThrow("stands 2 times in a.ts");
});

test.each(MUTANTS.filter(({ name }) => SHORT.includes(name)))(
  "the checkers notice $name",
  async (mutant) => {
    expect(await hunt(mutant, MOST_SEEDS)).toMatchObject({ caught: true });
  },
  300_000,
);

test("without the bus the sweep alone tells every waiter in time, and the checkers say nothing", async () => {
  expect(wordsOf(await runMutant(BUS_IS_DEAD, 1))).toEqual([]);
}, 300_000);
