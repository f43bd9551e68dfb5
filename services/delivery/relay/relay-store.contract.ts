import { Attempt_Outcome, Channel_Kind, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { claimed, keyOf, LINE, NOW, newDelivery, sent } from "../delivery-store.contract.ts";
import type { DeliveryStore } from "../delivery-store.ts";
import { VAULT } from "../testing/vaults.ts";
import type { NewAttachment, RelayFence } from "./relay-store.ts";

const attachment = (given: Partial<NewAttachment> = {}): NewAttachment => ({
  tenantId: "t1",
  name: "plant-2",
  instanceId: "0199f0a0-0000-4000-8000-000000000001",
  softwareVersion: "0.1.0",
  address: "192.0.2.1:4711",
  channels: [{ channelId: "robot", kind: Channel_Kind.WECOM_ROBOT }],
  ...given,
});
const all = { tenantId: "t1", attachedOnly: false, afterName: "", limit: 50 };
const heard = (fence: RelayFence, waitingInbounds = 0) => ({ fence, waitingInbounds });

/** What every delivery store does about relays, whatever keeps its rows. */
export function relayStoreContract(driver: {
  open(): Promise<DeliveryStore>;
  /** Opens it again on the same rows. */
  reopen(store: DeliveryStore, vault: typeof VAULT): Promise<DeliveryStore>;
  dispose(): Promise<void>;
}): void {
  describe("relays", () => {
    let store: DeliveryStore;
    beforeEach(async () => {
      store = await driver.open();
    });
    afterEach(async () => {
      await store.close();
      await driver.dispose();
    });
    const only = async () => (await store.listRelays(all, Date.now()))[0];

    test("what a stream says of its relay is read as it was given", async () => {
      const nowMs = Date.now();
      const given = attachment();
      const fence = await store.attachRelay(given, nowMs);
      expect(await only()).toEqual({
        ...given,
        epoch: fence.epoch,
        attached: true,
        attachTimeMs: nowMs,
        heardTimeMs: expect.any(Number),
        detachTimeMs: undefined,
        detachReason: "",
        waitingInbounds: 0,
      });
      await store.heardRelays([heard(fence, 7)], nowMs);
      expect(await only()).toMatchObject({ attached: true, waitingInbounds: 7 });
      await store.detachRelay(fence, "its line broke", nowMs + 5);
      expect(await only()).toMatchObject({
        attached: false,
        detachTimeMs: nowMs + 5,
        detachReason: "its line broke",
      });
      expect(await store.listRelays({ ...all, attachedOnly: true }, nowMs)).toEqual([]);
    });

    test("I9: each stream of a relay has a greater epoch than those before, also of many at once, and after a restart", async () => {
      const many = await Promise.all(Array.from({ length: 20 }, () => store.attachRelay(attachment(), NOW)));
      const epochs = many.map(({ epoch }) => epoch);
      expect(new Set(epochs).size).toBe(20);
      store = await driver.reopen(store, VAULT);
      const next = await store.attachRelay(attachment({ instanceId: "another" }), NOW);
      expect(next.epoch).toBeGreaterThan(Math.max(...epochs));
      expect(await Promise.all([...many, next].map((each) => store.isCurrent(each)))).toEqual([
        ...many.map(() => false),
        true,
      ]);
    });

    test("I9: a stream that has a newer one beside it changes nothing about the relay any more", async () => {
      const nowMs = Date.now();
      const older = await store.attachRelay(attachment(), nowMs);
      const newer = await store.attachRelay(attachment({ address: "192.0.2.2:1" }), nowMs);
      expect(await store.heardRelays([heard(older, 99), heard(newer, 3)], nowMs)).toEqual([
        { kind: "stale" },
        { kind: "current" },
      ]);
      await store.detachRelay(older, "too late", nowMs);
      expect(await only()).toMatchObject({ attached: true, address: "192.0.2.2:1", waitingInbounds: 3 });
    });

    test("I9: what a stale stream says of a delivery is not written, and what it was to send does not begin", async () => {
      await store.insert([newDelivery("d1")], NOW);
      const stale = await store.attachRelay(attachment(), NOW);
      const { claim } = await claimed(store);
      const begun = (await store.begin(claim, keyOf("d1"), NOW, stale))!;
      expect(begun.state).toBe(Delivery_State.SENDING);
      const current = await store.attachRelay(attachment(), NOW);
      expect(await store.finishPart(claim, begun, NOW, stale)).toBeUndefined();
      expect(await store.finish(claim, begun, sent, NOW, stale)).toBe(false);
      expect(await store.get(keyOf("d1"))).toMatchObject({ state: Delivery_State.SENDING, partsSent: 0 });
      expect(await store.finishPart(claim, begun, NOW, current)).toMatchObject({ partsSent: 1 });
      expect(await store.finish(claim, begun, sent, NOW, current)).toBe(true);
      expect((await store.attempts(keyOf("d1")))[0]?.outcome).toBe(Attempt_Outcome.DELIVERED);

      await store.insert([newDelivery("d2")], NOW);
      const next = await claimed(store);
      expect(await store.begin(next.claim, keyOf("d2"), NOW, stale)).toBeUndefined();
      expect((await store.get(keyOf("d2")))?.state).toBe(Delivery_State.QUEUED);
      expect((await store.begin(next.claim, keyOf("d2"), NOW, current))?.state).toBe(Delivery_State.SENDING);
    });

    test("who wants a stream to end is told to it alone, and stands in the audit log", async () => {
      const nowMs = Date.now();
      const drain = { tenantId: "t1", name: "plant-2", reason: "maintenance", principalId: "p1", nowMs };
      expect(await store.drainRelay(drain)).toBeUndefined();
      const first = await store.attachRelay(attachment(), nowMs);
      expect(await store.drainRelay(drain)).toMatchObject({ epoch: first.epoch, attached: true });
      expect(await store.heardRelays([heard(first)], nowMs)).toEqual([
        { kind: "draining", reason: "maintenance" },
      ]);
      const second = await store.attachRelay(attachment(), nowMs);
      expect(await store.heardRelays([heard(second)], nowMs)).toEqual([{ kind: "current" }]);
      await store.detachRelay(second, "ended", nowMs);
      expect(await store.drainRelay(drain)).toMatchObject({ attached: false });
      const records = await store.audit.list("t1", {}, 50);
      expect(records).toHaveLength(1);
      expect(records[0]).toMatchObject({
        action: "relay.drained",
        resource: "relay/plant-2",
        principal_id: "p1",
      });
    });

    test("they are listed by name, in pages, of one tenant (I6)", async () => {
      const nowMs = Date.now();
      for (const name of ["b", "a", "c"]) await store.attachRelay(attachment({ name }), nowMs);
      const foreign = await store.attachRelay(attachment({ tenantId: "t2", name: "b" }), nowMs);
      await store.heardRelays([heard(foreign, 5)], nowMs);
      const names = async (filter: Partial<typeof all>) =>
        (await store.listRelays({ ...all, ...filter }, nowMs)).map(({ name }) => name);
      expect(await names({})).toEqual(["a", "b", "c"]);
      expect(await names({ limit: 2 })).toEqual(["a", "b"]);
      expect(await names({ afterName: "b" })).toEqual(["c"]);
      expect(await names({ tenantId: "t3" })).toEqual([]);
      expect((await store.listRelays(all, nowMs)).map(({ waitingInbounds }) => waitingInbounds)).toEqual([
        0, 0, 0,
      ]);
      await store.detachRelay({ ...foreign, tenantId: "t1" }, "not yours", nowMs);
      expect((await store.listRelays({ ...all, tenantId: "t2" }, nowMs))[0]?.attached).toBe(true);
    });

    test("what waits for a relay says why it waits, once, and the session service is told", async () => {
      await store.insert([newDelivery("d1")], NOW);
      const { claim, first } = await claimed(store);
      await store.hold(claim, first, "no relay", NOW + 60_000, NOW + 1);
      expect(await store.get(keyOf("d1"))).toMatchObject({
        state: Delivery_State.QUEUED,
        reason: "no relay",
        nextTimeMs: NOW,
        updateTimeMs: NOW + 1,
      });
      const [report] = await store.takeReports(10, []);
      expect(report).toMatchObject({ id: "d1", reason: "no relay" });
      await store.markReported([report!]);
      const again = await claimed(store);
      await store.hold(again.claim, again.first, "no relay", NOW + 60_000, NOW + 2);
      expect(await store.takeReports(10, [])).toEqual([]);
      expect((await store.get(keyOf("d1")))?.updateTimeMs).toBe(NOW + 1);
    });

    test("the lines of what waits are looked at when somebody says so, those of one channel and of one tenant or all", async () => {
      const nowMs = Date.now();
      const given = [
        newDelivery("d1"),
        newDelivery("d2", { line: "wr2" }),
        newDelivery("d3", { channelId: "other" }),
        newDelivery("d4", { tenantId: "t2" }),
      ];
      await store.insert(given, nowMs);
      for (const { tenantId, channelId, line } of given) {
        const { claim, first } = await claimed(store, { tenantId, channelId, line }, nowMs);
        await store.hold(claim, first, "no relay", nowMs + 600_000, nowMs);
      }
      const names = (lines: readonly { tenantId: string; channelId: string; line: string }[]) =>
        lines.map(({ tenantId, channelId, line }) => `${tenantId}/${channelId}/${line}`).sort();
      const own = ["t1/robot/wr", "t1/robot/wr2"];
      expect(names(await store.wakeLines("t1", "robot", nowMs))).toEqual(own);
      if (store.sharing) expect(names(await store.waitingLines(nowMs))).toEqual(own);
      expect(names(await store.wakeLines(undefined, "robot", nowMs))).toEqual([...own, "t2/robot/wr"]);
      expect(await store.wakeLines("t3", "robot", nowMs)).toEqual([]);
      expect(await store.claim(LINE, nowMs)).toBeDefined();
    });
  });
}
