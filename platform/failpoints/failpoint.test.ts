import { afterEach, expect, test } from "vitest";
import { armFailpoints, FailpointError, failpoint } from "./failpoint.ts";

const arm = (HIL_FAIL: string) => armFailpoints({ HIL_FAIL, HIL_TESTING: "1" });

afterEach(() => armFailpoints({}));

test("a failpoint that nobody armed does nothing", () => {
  failpoint("sqlite.after_commit");
  arm("sqlite.before_commit:throw");
  expect(() => failpoint("sqlite.after_commit")).not.toThrow();
});

test("it acts the time that is named, and only then", () => {
  arm("outbox.before_take:throw@2,bus.before_publish:throw");
  failpoint("outbox.before_take");
  expect(() => failpoint("outbox.before_take")).toThrow(FailpointError);
  failpoint("outbox.before_take");
  expect(() => failpoint("bus.before_publish")).toThrow("the failpoint bus.before_publish was reached");
});

test("a delay holds the whole process still", () => {
  arm("sweep.before_read:delay=30");
  const start = performance.now();
  failpoint("sweep.before_read");
  expect(performance.now() - start).toBeGreaterThanOrEqual(29);
});

test("HIL_FAIL is refused where nothing says that this is a test", () => {
  expect(() => armFailpoints({ HIL_FAIL: "sqlite.after_commit:exit" })).toThrow("set HIL_TESTING=1");
});

test.each([
  "sqlite.after_comit:exit",
  "sqlite.after_commit:explode",
  "sqlite.after_commit:exit@x",
  "sqlite.after_commit",
  "constructor:exit",
  ",",
])("%s is refused with the names there are", (entry) => {
  expect(() => arm(entry)).toThrow(/HIL_FAIL: .* sqlite\.after_commit, /);
});
