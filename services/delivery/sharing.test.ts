// What holds between processes that share a database, told by two stores on it.

import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { claimed, keyOf, LINE, later, NOW, newDelivery, sent } from "./delivery-store.contract.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { openPostgresDeliveryStore } from "./delivery-store-postgres.ts";
import { VAULT } from "./testing/vaults.ts";

const HOUR_MS = 3_600_000;

let server: PostgresServer;
let url: string;
let databases = 0;
let stores: DeliveryStore[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  url = await server.createDatabase(`sharing${++databases}`);
});
afterEach(async () => {
  for (const store of stores) await store.close();
  stores = [];
});

/** `leaseMs` of 0: what it claims has run out at once, as if it stood still from then on. */
async function open(leaseMs = HOUR_MS): Promise<DeliveryStore> {
  const store = await openPostgresDeliveryStore({ url, vault: VAULT, log: silentLog, leaseMs });
  stores.push(store);
  return store;
}

test("a claimed line is nobody else's until it is let go, and other lines are", async () => {
  const [one, two] = [await open(), await open()];
  await one.insert([newDelivery("d1"), newDelivery("d2"), newDelivery("other", { line: "two" })], NOW);
  const { claim } = await claimed(one);
  expect(await two.claim(LINE, NOW)).toBeUndefined();
  expect((await two.waitingLines(NOW)).map(({ line }) => line)).toEqual(["two"]);
  expect((await claimed(two, { ...LINE, line: "two" })).first.id).toBe("other");
  await one.release(claim);
  expect((await claimed(two)).claim.fence).toBeGreaterThan(claim.fence);
});

test("of ten processes that claim a line at once one gets it, again and again", async () => {
  const replicas = await Promise.all(Array.from({ length: 5 }, () => open()));
  await replicas[0]!.insert([newDelivery("d1")], NOW);
  for (let round = 0; round < 20; round += 1) {
    const tries = [...replicas, ...replicas].map((store) => store.claim(LINE, NOW));
    const won = (await Promise.all(tries)).filter((each) => each !== undefined);
    // All may have met while another one looked; then the next look finds it.
    expect(won.length).toBeLessThanOrEqual(1);
    const claim = won[0]?.claim ?? (await claimed(replicas[0]!)).claim;
    await replicas[0]!.release(claim);
  }
});

test("F4: who lost its line changes nothing any more, whatever it was about to write", async () => {
  const [slow, other] = [await open(0), await open()];
  await slow.insert([newDelivery("d1"), newDelivery("d2")], NOW);
  const { claim, first } = await claimed(slow);
  const begun = (await slow.begin(claim, first, NOW))!;
  const taken = await claimed(other, LINE, NOW + 5);
  expect(taken.first).toMatchObject({ id: "d1", state: Delivery_State.UNKNOWN, nextTimeMs: NOW });
  const again = (await other.begin(taken.claim, taken.first, NOW + 6))!;
  const before = await other.get(keyOf("d1"));

  expect(await slow.finishPart(claim, begun, NOW + 7)).toBeUndefined();
  expect(await slow.finish(claim, begun, sent, NOW + 7)).toBe(false);
  // Not even as if the try were its own.
  expect(await slow.finish(claim, again, sent, NOW + 7)).toBe(false);
  expect(await slow.begin(claim, keyOf("d2"), NOW + 7)).toBeUndefined();
  await slow.end(claim, keyOf("d2"), Delivery_State.FAILED, "over", NOW + 7);
  await slow.postpone(claim, keyOf("d2"), NOW + 99);
  await slow.release(claim, NOW + 99);
  expect(await other.sharing!.renew([claim, taken.claim])).toEqual([claim]);
  expect(await other.get(keyOf("d1"))).toEqual(before);
  expect(await other.get(keyOf("d2"))).toMatchObject({ state: Delivery_State.QUEUED, nextTimeMs: NOW });
  expect(await slow.claim(LINE, NOW)).toBeUndefined();
  expect(await other.finish(taken.claim, again, sent, NOW + 8)).toBe(true);
});

test("a claim that is renewed holds, and one that ran out holds as long as nobody else has claimed", async () => {
  const [slow, other] = [await open(0), await open()];
  await slow.insert([newDelivery("d1")], NOW);
  const { claim, first } = await claimed(slow);
  expect(await other.sharing!.renew([claim])).toEqual([]);
  expect(await slow.claim(LINE, NOW)).toBeUndefined();
  await slow.sharing!.renew([claim]); // for no time at all
  const begun = await slow.begin(claim, first, NOW);
  expect(await slow.finish(claim, begun!, sent, NOW)).toBe(true);
});

test("R4: a try that was cut off after its session ended is not repeated", async () => {
  const [slow, other] = [await open(0), await open()];
  await slow.insert([newDelivery("d1", { sessionId: "s1" })], NOW);
  const { claim, first } = await claimed(slow);
  await slow.begin(claim, first, NOW);
  await other.withdraw([{ tenantId: "t1", sessionId: "s1", reason: "answered" }], NOW);
  expect((await other.waitingLines(NOW)).length).toBe(1);
  expect(await other.claim(LINE, NOW)).toBeUndefined();
  expect(await other.get(keyOf("d1"))).toMatchObject({
    state: Delivery_State.SUPPRESSED,
    reason: "answered",
  });
  expect(await other.waitingLines(NOW)).toEqual([]);
});

test("a line is found once something is due in it, also what came in while it was worked on", async () => {
  const [one, two] = [await open(), await open()];
  await one.insert([newDelivery("d1", { nextTimeMs: NOW + 100 })], NOW);
  expect(await two.waitingLines(NOW + 99)).toEqual([]);
  expect(await two.waitingLines(NOW + 100)).toEqual([LINE]);
  const { claim, first } = await claimed(one, LINE, NOW + 100);
  const begun = await one.begin(claim, first, NOW + 100);
  await two.insert([newDelivery("d2")], NOW + 100);
  await one.finish(claim, begun!, later(NOW + 500), NOW + 100);
  expect(await two.waitingLines(NOW + 100)).toEqual([LINE]);
  const second = await claimed(two, LINE, NOW + 100);
  expect(second.first.id).toBe("d2");
  // What its turn keeps waiting is not looked at before, unless something new comes in.
  await two.release(second.claim, NOW + 300);
  expect(await one.waitingLines(NOW + 299)).toEqual([]);
  await one.insert([newDelivery("d3", { nextTimeMs: NOW + 200 })], NOW + 100);
  expect(await one.waitingLines(NOW + 200)).toEqual([LINE]);
});

test("two replicas whose withdrawals and tries race tell the try or take the delivery back", async () => {
  const [one, two] = [await open(), await open()];
  for (let round = 0; round < 30; round += 1) {
    const [id, line] = [`d${round}`, { ...LINE, line: `l${round}` }];
    await one.insert([newDelivery(id, { sessionId: id, line: line.line })], NOW);
    const { claim, first } = await claimed(one, line);
    const withdraw = () => two.withdraw([{ tenantId: "t1", sessionId: id, reason: "answered" }], NOW);
    const [begun] = await Promise.all([one.begin(claim, first, NOW), withdraw()]);
    const stored = await one.get(keyOf(id));
    if (begun) expect(stored).toMatchObject({ state: Delivery_State.SENDING, withdrawn: "answered" });
    else expect(stored).toMatchObject({ state: Delivery_State.SUPPRESSED, reason: "answered" });
  }
});

test("a report is one process's at a time; one that stood still marks nothing", async () => {
  const [slow, other] = [await open(0), await open()];
  await slow.insert([newDelivery("d1", { report: true }), newDelivery("d2", { report: true })], NOW);
  const stale = await slow.takeReports(10, []);
  const taken = await other.takeReports(10, []);
  expect(taken.map(({ id }) => id)).toEqual(["d1", "d2"]);
  await slow.markReported(stale);
  await slow.leaveReports(stale);
  expect(await slow.takeReports(10, [])).toEqual([]);
  await other.markReported(taken.slice(0, 1));
  await other.leaveReports(taken.slice(1));
  expect((await slow.takeReports(10, [])).map(({ id }) => id)).toEqual(["d2"]);
});

test("F19: replicas together keep the vendor's limits, for each chat and the whole robot", async () => {
  const [one, two] = [await open(), await open()];
  const take = (store: DeliveryStore, chat: string) =>
    store.sharing!.takeTurn("", "robot", [
      { name: "", perMinute: 7 },
      { name: chat, perMinute: 4 },
    ]);
  const inChat = await Promise.all(
    Array.from({ length: 12 }, (_, index) => take(index % 2 ? one : two, "wr1")),
  );
  expect(inChat.filter((wait) => wait === 0)).toHaveLength(4);
  expect(Math.max(...inChat)).toBeGreaterThan(50_000);
  const elsewhere = await Promise.all([
    take(one, "wr2"),
    take(two, "wr2"),
    take(one, "wr2"),
    take(two, "wr2"),
  ]);
  expect(elsewhere.filter((wait) => wait === 0)).toHaveLength(3);
  // Another robot, and one of the same name that a tenant added, are counted apart.
  for (const owner of ["t1", "t2"]) {
    expect(await one.sharing!.takeTurn(owner, "robot", [{ name: "wr1", perMinute: 1 }])).toBe(0);
  }
  expect(await two.sharing!.takeTurn("t1", "robot", [{ name: "wr1", perMinute: 1 }])).toBeGreaterThan(0);
});

test("F19: where the vendor asks for a pause all replicas make it", async () => {
  const [one, two] = [await open(), await open()];
  await one.sharing!.stopTurns("", "robot", 60_000);
  await one.sharing!.stopTurns("", "robot", 10);
  const wait = await two.sharing!.takeTurn("", "robot", [{ name: "wr1", perMinute: 100 }]);
  expect(wait).toBeGreaterThan(50_000);
  expect(await two.sharing!.takeTurn("", "robot", [])).toBeGreaterThan(50_000);
  expect(await two.sharing!.takeTurn("", "another", [])).toBe(0);
  expect(await two.sharing!.forgetTurns()).toBe(0);
});
