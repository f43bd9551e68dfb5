import { expect, test } from "vitest";
import { openSessions, outboxAge, outboxLag, readMetrics } from "./metrics.ts";

const lines = async (name: string) =>
  (await readMetrics()).text.split("\n").filter((line) => line.startsWith(name));

test("a figure is looked up when somebody asks, and added where several processes' parts have it", async () => {
  let open = 3;
  const stops = [openSessions.from(() => open), openSessions.from(async () => 4)];
  expect(await lines("hil_open_sessions")).toEqual(["hil_open_sessions 7"]);
  open = 10;
  expect(await lines("hil_open_sessions")).toEqual(["hil_open_sessions 14"]);
  for (const stop of stops) stop();
  expect(await lines("hil_open_sessions")).toEqual([]);
});

test("a figure that cannot be read is left out, and the others are not", async () => {
  const stops = [
    openSessions.from(() => Promise.reject(new Error("the database is away"))),
    outboxLag.from(() => ({ bus: 0, delivery: 5 })),
  ];
  expect(await lines("hil_open_sessions")).toEqual([]);
  expect(await lines("hil_outbox_lag")).toEqual([
    'hil_outbox_lag{consumer="bus"} 0',
    'hil_outbox_lag{consumer="delivery"} 5',
  ]);
  for (const stop of stops) stop();
});

test("of ages the largest counts", async () => {
  const stops = [outboxAge.from(() => ({ bus: 2 })), outboxAge.from(() => ({ bus: 7.5 }))];
  expect(await lines("hil_outbox_age_seconds")).toEqual(['hil_outbox_age_seconds{consumer="bus"} 7.5']);
  for (const stop of stops) stop();
});

test("memory, collections and the delay of the event loop are among them", async () => {
  expect(await lines("nodejs_eventloop_lag_p99_seconds")).toHaveLength(1);
  expect(await lines("process_resident_memory_bytes")).toHaveLength(1);
});
