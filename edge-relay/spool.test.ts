import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSpool, type Spool } from "./spool.ts";

let folder: string;
let spool: Spool;
const now = () => new Date(1_767_000_000_000);
const open = () => openSpool({ dataDir: join(folder, "data"), mostBytes: 10_000_000, log: silentLog, now });
const END = { outcome: Attempt_Outcome.DELIVERED, reason: "", retryAfterMs: undefined, broken: false };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-spool-"));
  spool = open();
});
afterEach(() => {
  spool.close();
  rmSync(folder, { recursive: true });
});

const hold = (id: string) =>
  spool.add({ id, channelId: "wecom-robot", body: new TextEncoder().encode(id), receiveTime: now() });
const add = async (id: string) => {
  await hold(id);
  spool.release(id);
};

test("S1: messages are there after a restart, in their order, until they are removed", async () => {
  await Promise.all(["a", "b", "c"].map(add));
  spool.acknowledge("b", now());
  spool.close();
  spool = open();
  expect(spool.size).toBe(3);
  const [a, b, c] = spool.after(0, 10);
  expect([a!.id, b!.id, c!.id]).toEqual(["a", "b", "c"]);
  expect([a!.ackTime, b!.ackTime]).toEqual([undefined, now()]);
  await spool.remove([a!.seq, b!.seq, b!.seq]);
  expect(spool.after(0, 10).map(({ id }) => id)).toEqual(["c"]);
  expect([spool.size, spool.oldestTime()]).toEqual([1, now()]);
  await spool.remove([c!.seq]);
  expect([spool.size, spool.bytes, spool.oldestTime()]).toEqual([0, 0, undefined]);
});

test("a message is held back until it is released, with those behind it; a restart releases all", async () => {
  await add("a");
  await hold("b");
  await add("c");
  const ids = () => spool.after(0, 10).map(({ id }) => id);
  expect(ids()).toEqual(["a"]);
  spool.release("b");
  expect(ids()).toEqual(["a", "b", "c"]);
  await hold("d");
  spool.close();
  spool = open();
  expect(ids()).toEqual(["a", "b", "c", "d"]);
});

test("a place in the spool is never given twice, so that what is new is behind what was said", async () => {
  await add("a");
  const { seq } = spool.after(0, 1)[0]!;
  await spool.remove([seq]);
  spool.close();
  spool = open();
  await add("b");
  expect(spool.after(seq, 10).map(({ id }) => id)).toEqual(["b"]);
});

test("S2: how a command ended for good is known ever after, and stays what it was told first", async () => {
  expect(spool.ended("good")).toBeUndefined();
  await spool.end("good", END, now());
  const refused = { ...END, outcome: Attempt_Outcome.REFUSED, reason: "no", broken: true };
  await spool.end("bad", refused, now());
  await spool.end("good", refused, now());
  spool.close();
  spool = open();
  expect([spool.ended("good"), spool.ended("bad")]).toEqual([END, refused]);
});

test("when a vendor had its yes is known at once, and after a restart", async () => {
  await add("a");
  spool.acknowledge("a", now());
  expect(spool.after(0, 1)[0]!.ackTime).toEqual(now());
  spool.close();
  spool = open();
  expect(spool.after(0, 1)[0]!.ackTime).toEqual(now());
});

test("S4: the folder is for its user alone, and for one process", () => {
  expect(statSync(join(folder, "data")).mode & 0o077).toBe(0);
  expect(open).toThrow(/already runs on/);
});
