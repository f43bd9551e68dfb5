import fc from "fast-check";
import { expect, test } from "vitest";
import { createPace } from "./pace.ts";

function clock() {
  const time = { ms: Date.UTC(2026, 10, 20) };
  return { time, now: () => new Date(time.ms) };
}

test("a chat gets its messages a minute and no more, whatever the rhythm", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 }), (pauses) => {
      const { time, now } = clock();
      const pace = createPace({ robotPerMinute: 0, chatPerMinute: 5, now });
      const sent: number[] = [];
      for (const pause of pauses) {
        time.ms += pause;
        if (pace.turnMs("c") === 0) sent.push(time.ms);
      }
      for (const at of sent) {
        expect(sent.filter((each) => each >= at && each < at + 60_000).length).toBeLessThanOrEqual(5);
      }
    }),
  );
});

test("after the wait that it names there is a turn", () => {
  const { time, now } = clock();
  const pace = createPace({ robotPerMinute: 0, chatPerMinute: 2, now });
  expect([pace.turnMs("c"), pace.turnMs("c")]).toEqual([0, 0]);
  const wait = pace.turnMs("c");
  expect(wait).toBeGreaterThan(60_000);
  time.ms += wait;
  expect(pace.turnMs("c")).toBe(0);
});

test("a full chat does not keep another chat waiting, but a full robot does", () => {
  const { now } = clock();
  const pace = createPace({ robotPerMinute: 3, chatPerMinute: 1, now });
  expect(pace.turnMs("a")).toBe(0);
  expect(pace.turnMs("a")).toBeGreaterThan(0);
  expect(pace.turnMs("b")).toBe(0);
  expect(pace.turnMs("c")).toBe(0);
  expect(pace.turnMs("d")).toBeGreaterThan(0);
});

test("a stopped robot sends to no chat until its time is over", () => {
  const { time, now } = clock();
  const pace = createPace({ robotPerMinute: 0, chatPerMinute: 0, now });
  pace.stop(60_000);
  expect(pace.turnMs("a")).toBe(60_000);
  time.ms += 60_000;
  expect(pace.turnMs("a")).toBe(0);
});

test("I15: a clock that is set back does not hold messages for the length of the step", () => {
  const { time, now } = clock();
  const pace = createPace({ robotPerMinute: 0, chatPerMinute: 1, now });
  expect(pace.turnMs("a")).toBe(0);
  time.ms -= 24 * 3_600_000;
  expect(pace.turnMs("a")).toBe(0);
});
