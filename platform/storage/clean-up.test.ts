import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLog } from "../telemetry/log.ts";
import { startCleanUp } from "./clean-up.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("once an hour everything that is old goes, a few rows at a time; a failure is tried again", async () => {
  let rows = 25;
  let fails = true;
  const deleteSome = vi.fn(async () => {
    if (fails) throw new Error("the database is away");
    const deleted = Math.min(rows, 10);
    rows -= deleted;
    return deleted;
  });
  const cleanUp = startCleanUp({ what: "rows", deleteSome, log: silentLog });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(rows).toBe(25);
  fails = false;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(rows).toBe(0);
  const calls = deleteSome.mock.calls.length;
  await cleanUp.close();
  await vi.advanceTimersByTimeAsync(7_200_000);
  expect(deleteSome).toHaveBeenCalledTimes(calls);
});
