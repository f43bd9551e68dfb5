import { expect, test } from "vitest";
import { LADDER_S, nextStep, readLadder, type Trial, type TrialEnd } from "./trial.ts";

const LADDER = [10, 20, 30];
const HELD: TrialEnd = { kind: "received" };
const UNSHOWN: TrialEnd = { kind: "answered" };
const GIVEN_UP: TrialEnd = { kind: "given-up", afterS: 15, why: "" };
const CUT: TrialEnd = { kind: "open", aliveS: 15 };

const trial = (heldS: number, end: TrialEnd, withProgress = false): Trial => ({
  id: String(heldS),
  client: "test 1",
  way: "stdio",
  heldS,
  withProgress,
  hasToken: true,
  end,
});
const next = (trials: Trial[], hasToken = true) => nextStep(trials, LADDER, hasToken);

test("calls are held longer and longer, until everything was held", () => {
  expect(next([])).toEqual({ heldS: 10, withProgress: false });
  expect(next([trial(10, HELD)])).toEqual({ heldS: 20, withProgress: false });
  expect(next([trial(10, HELD), trial(20, HELD), trial(30, HELD)])).toBeUndefined();
});

test.each([
  ["given up", [trial(20, GIVEN_UP)]],
  ["cut off with its process", [trial(20, CUT)]],
  ["twice answered without a receipt", [trial(20, UNSHOWN), trial(20, UNSHOWN)]],
])("D3: from the first that was %s, calls are held with progress", (_, failed) => {
  const plain = [trial(10, HELD), ...failed];
  expect(next(plain)).toEqual({ heldS: 20, withProgress: true });
  expect(next([...plain, trial(20, HELD, true)])).toEqual({ heldS: 30, withProgress: true });
  expect(next([...plain, trial(20, HELD, true), trial(30, HELD, true)])).toBeUndefined();
  expect(next([...plain, trial(20, GIVEN_UP, true)])).toBeUndefined();
});

test("D3: a client that listens for no progress is not measured with it", () => {
  expect(next([trial(10, HELD), trial(20, GIVEN_UP)], false)).toBeUndefined();
});

test("D1: an answer without a receipt proves nothing, and is tried once more", () => {
  expect(next([trial(10, UNSHOWN)])).toEqual({ heldS: 10, withProgress: false });
  expect(next([trial(10, UNSHOWN), trial(10, HELD)])).toEqual({ heldS: 20, withProgress: false });
});

test.each([
  ["", LADDER_S],
  ["1,2,30", [1, 2, 30]],
  ["45", [45]],
  ["2,1", undefined],
  ["1,1", undefined],
  ["0,1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
])("the ladder %j is %j", (text, ladder) => {
  expect(readLadder(text)).toEqual(ladder);
});
