import { create } from "@bufbuild/protobuf";
import {
  Attempt_Outcome,
  type ChannelSettings,
  ChannelSettingsSchema,
  Delivery_State,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NewDelivery, Settlement, StoredDelivery } from "./delivery.ts";
import type { Claim, DeliveryStore } from "./delivery-store.ts";
import { NEWER_VAULT } from "./testing/vaults.ts";

export const NOW = 1_700_000_000_000;
export const LINE = { tenantId: "t1", channelId: "robot", line: "wr" };
const HOSTILE = "\u0007'; DROP TABLE delivery; -- \ud83d\ude80 \u202e \\ \"";

export function newDelivery(id: string, given: Partial<NewDelivery> = {}): NewDelivery {
  return {
    tenantId: "t1",
    id,
    sessionId: `session of ${id}`,
    channelId: "robot",
    chatId: "wr",
    chatType: ChatType.GROUP,
    line: "wr",
    parts: [
      { kind: "text", text: HOSTILE, mentions: ["lina"] },
      { kind: "image", number: 1 },
    ],
    isSecret: false,
    state: Delivery_State.QUEUED,
    reason: "",
    nextTimeMs: NOW,
    giveUpTimeMs: NOW + 60_000,
    report: false,
    ...given,
  };
}

export const keyOf = (id: string, tenantId = "t1") => ({ tenantId, id });
export const sent = (): Settlement => ({
  state: Delivery_State.SENT,
  reason: "",
  nextTimeMs: undefined,
  outcome: Attempt_Outcome.DELIVERED,
  detail: "",
  report: true,
});
export const later = (nextTimeMs: number) => (): Settlement => ({
  state: Delivery_State.QUEUED,
  reason: "busy",
  nextTimeMs,
  outcome: Attempt_Outcome.RETRYABLE,
  detail: "busy",
  report: true,
});

/** Claims a line in which something waits. */
export async function claimed(
  store: DeliveryStore,
  line = LINE,
  nowMs = NOW,
): Promise<{ claim: Claim; first: StoredDelivery }> {
  const found = await store.claim(line, nowMs);
  if (!found) throw new Error("nothing was claimed");
  return found;
}

/** What every delivery store does, whatever keeps its rows. */
export function deliveryStoreContract(driver: {
  open(): Promise<DeliveryStore>;
  /** Opens it again on the same rows. */
  reopen(store: DeliveryStore, vault: Vault): Promise<DeliveryStore>;
  dispose(): Promise<void>;
}): void {
  let store: DeliveryStore;
  beforeEach(async () => {
    store = await driver.open();
  });
  afterEach(async () => {
    await store.close();
    await driver.dispose();
  });
  const states = async (...ids: string[]) => {
    const found = await Promise.all(ids.map((id) => store.get(keyOf(id))));
    return found.map((delivery) => delivery?.state);
  };

  test("what is stored is read as it was given, also what is sealed", async () => {
    for (const isSecret of [false, true]) {
      const given = newDelivery(`d${isSecret}`, { isSecret });
      const [stored] = await store.insert([given], NOW);
      const { report: _, ...rest } = given;
      const expected = {
        ...rest,
        sequence: expect.any(Number),
        partsSent: 0,
        partTries: 0,
        attemptCount: 0,
        withdrawn: undefined,
        createTimeMs: NOW,
        updateTimeMs: NOW,
      };
      expect(stored).toEqual(expected);
      expect(await store.get(given)).toEqual(expected);
    }
    expect(await store.get(keyOf("dfalse", "t2"))).toBeUndefined();
  });

  test("I8: a known id changes nothing, in the same call and in a later one, also at once", async () => {
    const given = newDelivery("d1");
    const other = { ...given, chatId: "another" };
    expect((await store.insert([given, other], NOW)).map(({ chatId }) => chatId)).toEqual(["wr", "wr"]);
    const again = await Promise.all([store.insert([other], NOW + 1), store.insert([other], NOW + 2)]);
    expect(again.flat().map(({ chatId, createTimeMs }) => [chatId, createTimeMs])).toEqual([
      ["wr", NOW],
      ["wr", NOW],
    ]);
    const racing = Array.from({ length: 10 }, (_, index) =>
      store.insert([newDelivery("race", { chatId: `${index}` })], NOW),
    );
    expect(new Set((await Promise.all(racing)).flat().map(({ chatId }) => chatId)).size).toBe(1);
  });

  test("a line gives its deliveries by the time of their next try, and then in the order of their creation", async () => {
    await store.insert(
      [newDelivery("d1", { nextTimeMs: NOW + 5 }), newDelivery("d2"), newDelivery("d3")],
      NOW,
    );
    const order: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { claim, first } = await claimed(store, LINE, NOW + 10);
      order.push(first.id);
      await store.end(claim, first, Delivery_State.FAILED, "over", NOW + 10);
    }
    expect(order).toEqual(["d2", "d3", "d1"]);
    expect(await store.claim(LINE, NOW + 10)).toBeUndefined();
  });

  test("what waits is found by its line, until it does not wait any more", async () => {
    await store.insert([newDelivery("d1"), newDelivery("d2", { line: "other", chatId: "other" })], NOW);
    await store.insert([newDelivery("d3", { tenantId: "t2" })], NOW);
    const found = (await store.waitingLines(NOW)).map(({ tenantId, line }) => `${tenantId}/${line}`);
    expect(found.sort()).toEqual(["t1/other", "t1/wr", "t2/wr"]);
    const { claim, first } = await claimed(store);
    const begun = await store.begin(claim, first, NOW);
    await store.finish(claim, begun!, sent, NOW);
    expect(
      (await store.waitingLines(NOW)).some(({ tenantId, line }) => `${tenantId}/${line}` === "t1/wr"),
    ).toBe(false);
  });

  test("R4: a try is SENDING with an attempt, part by part, and ends with what was decided", async () => {
    await store.insert([newDelivery("d1")], NOW);
    const { claim, first } = await claimed(store);
    const begun = await store.begin(claim, first, NOW + 1);
    expect(begun).toMatchObject({
      state: Delivery_State.SENDING,
      attemptCount: 1,
      partTries: 1,
      partsSent: 0,
    });
    expect(await store.begin(claim, first, NOW + 1)).toBeUndefined();
    const after = await store.finishPart(claim, begun!, NOW + 2);
    expect(after).toMatchObject({ partsSent: 1, partTries: 1, state: Delivery_State.SENDING });
    // An answer of the database that was lost is asked for again.
    expect(await store.finishPart(claim, begun!, NOW + 2)).toMatchObject({ partsSent: 1 });
    expect(await store.finish(claim, begun!, later(NOW + 50), NOW + 3)).toBe(true);
    expect(await store.get(first)).toMatchObject({
      state: Delivery_State.QUEUED,
      reason: "busy",
      nextTimeMs: NOW + 50,
      parts: begun!.parts,
      partsSent: 1,
    });
    const again = await claimed(store, LINE, NOW + 50);
    const second = await store.begin(again.claim, again.first, NOW + 50);
    expect(second).toMatchObject({ attemptCount: 2, partTries: 2 });
    expect(await store.finish(again.claim, second!, sent, NOW + 60)).toBe(true);
    expect(await store.get(first)).toMatchObject({
      state: Delivery_State.SENT,
      nextTimeMs: undefined,
      parts: [],
      updateTimeMs: NOW + 60,
    });
    expect(await store.attempts(first)).toEqual([
      {
        number: 1,
        startTimeMs: NOW + 1,
        endTimeMs: NOW + 3,
        outcome: Attempt_Outcome.RETRYABLE,
        detail: "busy",
      },
      {
        number: 2,
        startTimeMs: NOW + 50,
        endTimeMs: NOW + 60,
        outcome: Attempt_Outcome.DELIVERED,
        detail: "",
      },
    ]);
  });

  test("a try that is no longer the last changes nothing, and what has ended is not begun", async () => {
    await store.insert([newDelivery("d1")], NOW);
    const one = await claimed(store);
    const first = await store.begin(one.claim, one.first, NOW);
    await store.finish(one.claim, first!, later(NOW), NOW);
    const two = await claimed(store);
    const second = await store.begin(two.claim, two.first, NOW);
    expect(await store.finish(one.claim, first!, sent, NOW)).toBe(false);
    expect(await states("d1")).toEqual([Delivery_State.SENDING]);
    const mine = await store.finish(two.claim, second!, sent, NOW);
    expect(mine).toBe(true);
    expect(await store.finish(two.claim, second!, later(NOW), NOW)).toBe(false);
    expect(await store.begin(two.claim, two.first, NOW)).toBeUndefined();
    expect(await states("d1")).toEqual([Delivery_State.SENT]);
  });

  test("a try whose end could not be written down is UNKNOWN once its line is claimed again", async () => {
    await store.insert([newDelivery("d1")], NOW);
    const one = await claimed(store);
    await store.begin(one.claim, one.first, NOW);
    await store.release(one.claim);
    const two = await claimed(store);
    expect(two.first).toMatchObject({ id: "d1", state: Delivery_State.UNKNOWN, attemptCount: 1 });
    expect(await store.begin(two.claim, two.first, NOW)).toMatchObject({ attemptCount: 2 });
  });

  test("of many tries the last 20 are kept", async () => {
    await store.insert([newDelivery("d1")], NOW);
    for (let count = 0; count < 23; count += 1) {
      const { claim, first } = await claimed(store);
      const begun = await store.begin(claim, first, NOW);
      await store.finish(claim, begun!, later(NOW), NOW);
    }
    expect((await store.attempts(keyOf("d1"))).map(({ number }) => number)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 4),
    );
  });

  test("what is put off waits until then, and a line that is let go can be claimed again", async () => {
    await store.insert([newDelivery("d1")], NOW);
    const { claim, first } = await claimed(store);
    await store.postpone(claim, first, NOW + 1_000);
    expect(await store.get(first)).toMatchObject({ state: Delivery_State.QUEUED, nextTimeMs: NOW + 1_000 });
    const again = await claimed(store);
    await store.release(again.claim);
    expect((await claimed(store)).first.id).toBe("d1");
  });

  test("withdrawing suppresses what waits, tells a try under way, and leaves other sessions alone", async () => {
    await store.insert(
      [
        newDelivery("d1", { sessionId: "s1", report: true }),
        newDelivery("d2", { sessionId: "s1", line: "two" }),
        newDelivery("d3", { sessionId: "s3", line: "three" }),
        newDelivery("notice", { sessionId: "", line: "four" }),
      ],
      NOW,
    );
    await store.insert([newDelivery("d1", { tenantId: "t2", sessionId: "s1" })], NOW);
    const { claim, first } = await claimed(store, { ...LINE, line: "two" });
    const begun = await store.begin(claim, first, NOW);
    await store.withdraw([{ tenantId: "t1", sessionId: "s1", reason: "answered" }], NOW + 9);
    expect(await store.get(keyOf("d1"))).toMatchObject({
      state: Delivery_State.SUPPRESSED,
      reason: "answered",
      parts: [],
      nextTimeMs: undefined,
      updateTimeMs: NOW + 9,
    });
    expect(await store.get(keyOf("d2"))).toMatchObject({
      state: Delivery_State.SENDING,
      withdrawn: "answered",
      parts: begun!.parts,
    });
    expect(await states("d3", "notice")).toEqual([Delivery_State.QUEUED, Delivery_State.QUEUED]);
    expect((await store.get(keyOf("d1", "t2")))?.state).toBe(Delivery_State.QUEUED);
    expect(await store.takeReports(10, [])).toEqual([]);
    await store.finish(claim, begun!, ({ withdrawn }) => ({ ...sent(), reason: `saw ${withdrawn}` }), NOW);
    expect(await store.get(keyOf("d2"))).toMatchObject({ reason: "saw answered" });
  });

  test("a change is reported until it is marked, and one that changed again stays", async () => {
    await store.insert(
      [
        newDelivery("d1", { report: true }),
        newDelivery("d2", { report: true, line: "two" }),
        newDelivery("quiet"),
      ],
      NOW,
    );
    await store.insert([newDelivery("d1", { tenantId: "t2", report: true })], NOW);
    expect((await store.takeReports(10, ["t1"])).map(({ tenantId }) => tenantId)).toEqual(["t2"]);
    const taken = await store.takeReports(2, ["t2"]);
    expect(taken.map(({ id }) => id)).toEqual(["d1", "d2"]);
    const { claim, first } = await claimed(store, { ...LINE, line: "two" });
    const begun = await store.begin(claim, first, NOW);
    await store.finish(claim, begun!, sent, NOW);
    await store.markReported(taken);
    const rest = await store.takeReports(10, ["t2"]);
    expect(rest.map(({ id, state }) => [id, state])).toEqual([["d2", Delivery_State.SENT]]);
    await store.leaveReports(rest);
    expect((await store.takeReports(10, ["t2"])).map(({ id }) => id)).toEqual(["d2"]);
  });

  test("a notice is never reported", async () => {
    await store.insert([newDelivery("n", { sessionId: "" })], NOW);
    const { claim, first } = await claimed(store);
    await store.end(claim, first, Delivery_State.FAILED, "over", NOW);
    expect(await store.takeReports(10, [])).toEqual([]);
  });

  test("deliveries are listed newest first, by session, by state and page by page", async () => {
    const given = Array.from({ length: 5 }, (_, index) =>
      newDelivery(`d${index}`, { sessionId: `s${index % 2}`, line: `l${index}` }),
    );
    await store.insert(given, NOW);
    await store.insert([newDelivery("d9", { tenantId: "t2" })], NOW);
    const { claim, first } = await claimed(store, { ...LINE, line: "l4" });
    await store.end(claim, first, Delivery_State.FAILED, "over", NOW);
    const all = {
      tenantId: "t1",
      sessionId: "",
      states: [],
      beforeSequence: Number.MAX_SAFE_INTEGER,
      limit: 10,
    };
    const ids = async (filter: Partial<Parameters<DeliveryStore["list"]>[0]>) =>
      (await store.list({ ...all, ...filter })).map(({ id }) => id);
    expect(await ids({})).toEqual(["d4", "d3", "d2", "d1", "d0"]);
    expect(await ids({ sessionId: "s0" })).toEqual(["d4", "d2", "d0"]);
    expect(await ids({ states: [Delivery_State.FAILED, Delivery_State.SENT] })).toEqual(["d4"]);
    const { sequence } = (await store.get(keyOf("d3")))!;
    expect(await ids({ beforeSequence: sequence, limit: 2 })).toEqual(["d2", "d1"]);
  });

  test("what has ended long ago and was reported is deleted, tenant by tenant", async () => {
    await store.insert(
      [
        newDelivery("old"),
        newDelivery("unreported", { line: "two" }),
        newDelivery("waits", { line: "three" }),
      ],
      NOW,
    );
    await store.insert([newDelivery("old", { tenantId: "t2", sessionId: "" })], NOW);
    for (const line of [LINE, { ...LINE, line: "two" }, { ...LINE, tenantId: "t2" }]) {
      const { claim, first } = await claimed(store, line);
      const begun = await store.begin(claim, first, NOW);
      await store.finish(claim, begun!, sent, NOW);
    }
    const taken = await store.takeReports(10, []);
    await store.markReported(taken.filter(({ id }) => id === "old"));
    expect((await store.tenants()).sort()).toEqual(["t1", "t2"]);
    expect(await store.purge("t1", NOW)).toBe(0);
    expect(await store.purge("t1", NOW + 1)).toBe(1);
    expect(await states("old", "unreported", "waits")).toEqual([
      undefined,
      Delivery_State.SENT,
      Delivery_State.QUEUED,
    ]);
    expect(await store.attempts(keyOf("old"))).toEqual([]);
    expect(await store.get(keyOf("old", "t2"))).toBeDefined();
  });

  test("a channel's health is what its last send says, for each tenant", async () => {
    const health = (tenantId: string) => store.health(tenantId, "robot");
    const channel = { tenantId: "t1", channelId: "robot" };
    expect(await health("t1")).toEqual({ lastError: "", broken: false, lastSentTimeMs: undefined });
    await store.noteSend(channel, undefined, NOW);
    await store.noteSend(channel, { reason: HOSTILE, broken: true }, NOW + 1);
    expect(await health("t1")).toEqual({ lastError: HOSTILE, broken: true, lastSentTimeMs: NOW });
    expect(await health("t2")).toEqual({ lastError: "", broken: false, lastSentTimeMs: undefined });
    await Promise.all([
      store.noteSend(channel, { reason: "x", broken: true }, NOW + 2),
      store.noteSend(channel, undefined, NOW + 3),
      store.noteSend({ ...channel, tenantId: "t2" }, { reason: "y", broken: false }, NOW + 3),
      store.noteSend(channel, { reason: "z", broken: true }, NOW + 4),
    ]);
    expect(await health("t1")).toEqual({ lastError: "z", broken: true, lastSentTimeMs: NOW + 3 });
    expect(await health("t2")).toEqual({ lastError: "y", broken: false, lastSentTimeMs: undefined });
    // A start may bring a new credential: the next message tells.
    await store.recover(NOW + 5);
    expect(await health("t1")).toMatchObject({ broken: false });
  });

  test("I11: a channel is made, changed and taken away once, each with its record in the same write", async () => {
    const change = { tenantId: "t1", channelId: "team", principalId: "p1", nowMs: NOW };
    const content = { name: "Team", settings: settings("https://a.example"), secret: "SECRET-1" };
    const twice = [store.createChannel(change, content), store.createChannel(change, content)];
    expect((await Promise.all(twice)).sort()).toEqual([false, true]);
    const made = (await store.channel("t1", "team"))!;
    expect(made).toMatchObject({ name: "Team", createTimeMs: NOW, updateTimeMs: NOW });
    expect(made.settings.kind.value).toMatchObject({ apiUrl: "https://a.example" });
    expect(made.secret()).toBe("SECRET-1");
    expect(await store.channel("t2", "team")).toBeUndefined();

    const nothing = { name: undefined, settings: undefined, secret: undefined };
    expect(await store.updateChannel({ ...change, nowMs: NOW + 1 }, { ...nothing, secret: "SECRET-2" })).toBe(
      true,
    );
    const changed = (await store.channel("t1", "team"))!;
    expect(changed).toMatchObject({ name: "Team", createTimeMs: NOW, updateTimeMs: NOW + 1 });
    expect(changed.secret()).toBe("SECRET-2");
    expect(changed.revision).not.toBe(made.revision);
    expect(await store.updateChannel({ ...change, tenantId: "t2" }, nothing)).toBe(false);

    await store.insert(
      [
        newDelivery("waits", { channelId: "team", isSecret: true }),
        newDelivery("sends", { channelId: "team", line: "two" }),
        newDelivery("elsewhere"),
      ],
      NOW,
    );
    const { claim, first } = await claimed(store, { ...LINE, channelId: "team", line: "two" });
    await store.begin(claim, first, NOW);
    expect(await store.deleteChannel({ ...change, tenantId: "t2" }, "gone")).toBe(false);
    expect(await store.deleteChannel({ ...change, nowMs: NOW + 2 }, "gone")).toBe(true);
    expect(await store.deleteChannel(change, "gone")).toBe(false);
    expect(await store.channelIds("t1")).toEqual([]);
    expect(await store.get(keyOf("waits"))).toMatchObject({
      state: Delivery_State.FAILED,
      reason: "gone",
      parts: [],
    });
    expect(await states("sends", "elsewhere")).toEqual([Delivery_State.SENDING, Delivery_State.QUEUED]);
    expect((await store.takeReports(10, [])).map(({ id }) => id)).toEqual(["waits"]);

    const records = await store.audit.list("t1", {}, 10);
    expect(
      records.map(({ sequence, action, resource, principal_id }) => [
        sequence,
        action,
        resource,
        principal_id,
      ]),
    ).toEqual([
      [3, "channel.deleted", "channel/team", "p1"],
      [2, "channel.updated", "channel/team", "p1"],
      [1, "channel.created", "channel/team", "p1"],
    ]);
    expect(JSON.stringify(records)).not.toContain("SECRET");
    expect(await store.audit.list("t2", {}, 10)).toEqual([]);
  });

  test("F32: after a rotation everything opens with the new master key alone", async () => {
    const change = { tenantId: "t1", channelId: "team", principalId: "p1", nowMs: NOW };
    await store.createChannel(change, { name: "", settings: settings(""), secret: "SECRET-1" });
    const given = newDelivery("d1", { isSecret: true });
    const underWay = newDelivery("sends", { isSecret: true, line: "two" });
    await store.insert([given, underWay, newDelivery("plain")], NOW);
    const { claim, first } = await claimed(store, { ...LINE, line: "two" });
    await store.begin(claim, first, NOW);
    store = await driver.reopen(store, NEWER_VAULT);
    expect(await store.rewrap()).toBe(3);
    expect(await store.rewrap()).toBe(0);
    store = await driver.reopen(store, NEWER_VAULT);
    expect((await store.channel("t1", "team"))!.secret()).toBe("SECRET-1");
    expect((await store.get(given))!.parts).toEqual(given.parts);
  });
}

function settings(apiUrl: string): ChannelSettings {
  return create(ChannelSettingsSchema, { kind: { case: "wecomRobot", value: { apiUrl } } });
}
