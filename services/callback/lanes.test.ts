import { silentLog } from "@hil/platform/telemetry/log.ts";
import { expect, test, vi } from "vitest";
import { createLanes, type Step } from "./lanes.ts";

/** Work that the test lets end, one step at a time. */
function heldWork() {
  const held: { key: string; end: (step: Step) => void }[] = [];
  const run = (key: string) => new Promise<Step>((resolve) => held.push({ key, end: resolve }));
  const keys = () => held.map((each) => each.key);
  return { held, run, keys };
}

const idle: Step = { kind: "idle" };

test("one step of a lane runs at a time, lanes run side by side (N1, N3)", async () => {
  const { held, run, keys } = heldWork();
  const lanes = createLanes({ limit: 10, run, log: silentLog });
  for (const key of ["a", "b", "a"]) lanes.kick(key);
  expect(keys()).toEqual(["a", "b"]);
  held[1]!.end({ kind: "wait", delayMs: 60_000 });
  held[0]!.end({ kind: "more" });
  await vi.waitFor(() => expect(keys()).toEqual(["a", "b", "a"]));
  held[2]!.end(idle);
  await lanes.close();
});

test("a kick during a step makes another follow (N2)", async () => {
  const { held, run, keys } = heldWork();
  const lanes = createLanes({ limit: 1, run, log: silentLog });
  lanes.kick("a");
  lanes.kick("a");
  held[0]!.end(idle);
  await vi.waitFor(() => expect(keys()).toEqual(["a", "a"]));
  held[1]!.end(idle);
  await lanes.close();
  expect(keys()).toHaveLength(2);
});

test("no more steps than the limit run, and those that wait for a place get one in turn", async () => {
  const { held, run, keys } = heldWork();
  const lanes = createLanes({ limit: 2, run, log: silentLog });
  for (const key of ["a", "b", "c", "d"]) lanes.kick(key);
  expect(keys()).toEqual(["a", "b"]);
  held[0]!.end({ kind: "more" });
  await vi.waitFor(() => expect(keys()).toEqual(["a", "b", "c"]));
  held[2]!.end(idle);
  await vi.waitFor(() => expect(keys()).toEqual(["a", "b", "c", "d"]));
  for (const each of held) each.end(idle);
  await vi.waitFor(() => expect(keys()).toEqual(["a", "b", "c", "d", "a"]));
  held[4]!.end(idle);
  await lanes.close();
});

test("a lane that waits is tried again when its time has come, kicked or not (N3)", async () => {
  let tries = 0;
  const lanes = createLanes({
    limit: 1,
    log: silentLog,
    run: async () => (++tries < 3 ? { kind: "wait", delayMs: 5 } : idle),
  });
  lanes.kick("a");
  await vi.waitFor(() => expect(tries).toBe(3));
  await lanes.close();
});

test("a step that throws is tried again and harms no other lane", async () => {
  let thrown = false;
  const ran: string[] = [];
  const lanes = createLanes({
    limit: 1,
    log: silentLog,
    async run(key) {
      ran.push(key);
      if (key === "bad" && !thrown) {
        thrown = true;
        throw new Error("boom");
      }
      return idle;
    },
  });
  lanes.kick("bad");
  lanes.kick("good");
  await vi.waitFor(() => expect(ran).toEqual(["bad", "good", "bad"]), { timeout: 10_000 });
  await lanes.close();
});

test("close waits for steps under way and starts none", async () => {
  const { held, run, keys } = heldWork();
  const lanes = createLanes({ limit: 1, run, log: silentLog });
  lanes.kick("a");
  lanes.kick("b");
  let closed = false;
  const closing = lanes.close().then(() => {
    closed = true;
  });
  lanes.kick("c");
  await Promise.resolve();
  expect(closed).toBe(false);
  held[0]!.end({ kind: "more" });
  await closing;
  await lanes.close();
  expect(keys()).toEqual(["a"]);
});
