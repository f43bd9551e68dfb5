import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSlowRefusals, MAX_LATE, PROMPT_REFUSALS, type SlowRefusals } from "./slow-refusals.ts";

let refusals: SlowRefusals;
beforeEach(() => {
  vi.useFakeTimers();
  refusals = createSlowRefusals({ now: () => new Date() });
});
afterEach(() => {
  vi.useRealTimers();
});

test("S1: a few refusals in a second are answered at once", () => {
  for (let second = 0; second < 10; second++) {
    for (let n = 0; n < PROMPT_REFUSALS; n++) expect(refusals.hold("a")).toBeUndefined();
    vi.advanceTimersByTime(1_000);
  }
});

test("S2: what is beyond is answered a second late, and nobody else's is", async () => {
  for (let n = 0; n < PROMPT_REFUSALS; n++) refusals.hold("a");
  let isAnswered = false;
  const held = refusals.hold("a") as Promise<void>;
  void held.then(() => {
    isAnswered = true;
  });
  expect(refusals.hold("b")).toBeUndefined();
  await vi.advanceTimersByTimeAsync(999);
  expect(isAnswered).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(isAnswered).toBe(true);
});

test("S3: a caller with too many refusals waiting gets no answer until they are answered", async () => {
  for (let n = 0; n < PROMPT_REFUSALS + MAX_LATE; n++) refusals.hold("a");
  expect(refusals.hold("a")).toBe("never");
  await vi.advanceTimersByTimeAsync(1_000);
  for (let n = 0; n < PROMPT_REFUSALS; n++) expect(refusals.hold("a")).toBeUndefined();
  expect(refusals.hold("a")).toBeInstanceOf(Promise);
});
