// Channels that tenants add.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Attempt_Outcome,
  Channel_Kind,
  Channel_State,
  Delivery_State,
  WecomRobotSettings_Mode,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { type FakeWecom, type FakeWecomOptions, startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { expect, test } from "vitest";
import { order, startDelivery } from "./testing/start-delivery.ts";

const SECRET = "TENANT-KEY-77aa";

/** The deployment, and the vendor of a tenant's own robot at an address that the operator opened. */
async function startWithVendor(vendor: Partial<FakeWecomOptions> = {}) {
  const own = await startFakeWecom({ key: SECRET, ...vendor });
  const bench = await startDelivery({
    environment: {
      HIL_EGRESS_ALLOW: "127.0.0.1",
      HIL_EGRESS_ALLOW_HTTP: "true",
      HIL_EGRESS_PORTS: String(own.port),
    },
  });
  return {
    own,
    bench,
    robot: robotAt(own),
    async [Symbol.asyncDispose]() {
      await bench.close();
      await own.close();
    },
  };
}

function robotAt(vendor: FakeWecom, botKey = SECRET) {
  return { kind: { case: "wecomRobot" as const, value: { botKey, apiUrl: vendor.url } } };
}

async function refusalOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return reasonOf(error);
}

test("a tenant's own robot is added, seen, changed and taken away by that tenant alone", async () => {
  await using fixture = await startWithVendor();
  const { bench, robot, own } = fixture;
  const [a, b] = [bench.for("a"), bench.for("b")];
  const { channel } = await a.createChannel({ channelId: "team", name: "Team robot", settings: robot });
  expect(channel).toMatchObject({
    id: "team",
    tenantId: "a",
    name: "Team robot",
    kind: Channel_Kind.WECOM_ROBOT,
    state: Channel_State.READY,
    settings: {
      kind: {
        value: { botKey: "", apiUrl: own.url, hasBotKey: true, mode: WecomRobotSettings_Mode.CALLBACK },
      },
    },
  });
  const idsOf = async (client: typeof a) => (await client.listChannels({})).channels.map(({ id }) => id);
  expect(await idsOf(a)).toEqual(["console", "team", "wecom-robot"]);
  expect(await idsOf(b)).toEqual(["console", "wecom-robot"]);
  const { channels } = await b.listChannels({});
  expect(channels.every(({ tenantId, settings }) => tenantId === "" && settings === undefined)).toBe(true);

  // To the other tenant it is as if there were none.
  expect(await refusalOf(b.getChannel({ channelId: "team" }))).toBe(ErrorReason.CHANNEL_NOT_FOUND);
  expect(await refusalOf(b.updateChannel({ channelId: "team", name: "mine" }))).toBe(
    ErrorReason.CHANNEL_NOT_FOUND,
  );
  expect(await refusalOf(b.testChannel({ target: { channelId: "team", chatId: "x" } }))).toBe(
    ErrorReason.CHANNEL_NOT_FOUND,
  );
  await b.deleteChannel({ channelId: "team" });
  expect(await idsOf(a)).toContain("team");

  const renamed = await a.updateChannel({ channelId: "team", name: "Renamed" });
  expect(renamed.channel).toMatchObject({ name: "Renamed", settings: channel!.settings });
  await a.deleteChannel({ channelId: "team" });
  await a.deleteChannel({ channelId: "team" });
  expect(await idsOf(a)).toEqual(["console", "wecom-robot"]);
});

test("two tenants have robots of the same name, and each question goes to its own tenant's vendor", async () => {
  await using fixture = await startWithVendor();
  const { bench, robot, own } = fixture;
  const { value } = robotAt(bench.wecom, "SECRET-KEY-5d1f").kind;
  await bench.for("a").createChannel({ channelId: "team", settings: robot });
  // The deployment's own vendor needs no leave of the guard.
  await bench.for("b").createChannel({
    channelId: "team",
    settings: { kind: { case: "wecomRobot", value: { ...value, apiUrl: "" } } },
  });
  const [one, other] = ["a", "b"].map((tenantId) => order({ tenantId }, { channelId: "team" }));
  await bench.for("a").deliver({ orders: [one!] });
  await bench.for("b").deliver({ orders: [other!] });
  const [mine, theirs] = [await own.waitForMessage(), await bench.wecom.waitForMessage()];
  expect(mine.text).toContain(one!.session.shortId);
  expect(theirs.text).toContain(other!.session.shortId);
  expect([own.messages.length, bench.wecom.messages.length]).toEqual([1, 1]);
});

test("a robot of one group sends without a chat", async () => {
  await using fixture = await startWithVendor({ product: "public" });
  const { bench, robot, own } = fixture;
  const value = { ...robot.kind.value, mode: WecomRobotSettings_Mode.GROUP };
  const { channel } = await bench.delivery.createChannel({
    channelId: "group",
    settings: { kind: { case: "wecomRobot", value } },
  });
  expect(channel?.capabilities).toMatchObject({ needsChat: false, replies: false, messagesPerMinute: 20 });
  const given = order({}, { channelId: "group", chatId: "" });
  await bench.delivery.deliver({ orders: [given] });
  expect((await own.waitForMessage()).text).toContain(given.session.shortId);
});

test("what an environment sets up is changed there only, and its names are taken", async () => {
  await using bench = await startDelivery();
  const settings = { kind: { case: "wecomRobot" as const, value: { botKey: "k" } } };
  for (const channelId of ["console", "wecom-robot"]) {
    expect(await refusalOf(bench.delivery.createChannel({ channelId, settings }))).toBe(
      ErrorReason.CHANNEL_EXISTS,
    );
    expect(await refusalOf(bench.delivery.updateChannel({ channelId, settings }))).toBe(
      ErrorReason.CHANNEL_FIXED,
    );
    expect(await refusalOf(bench.delivery.deleteChannel({ channelId }))).toBe(ErrorReason.CHANNEL_FIXED);
  }
  await bench.delivery.createChannel({ channelId: "own", settings });
  expect(await refusalOf(bench.delivery.createChannel({ channelId: "own", settings }))).toBe(
    ErrorReason.CHANNEL_EXISTS,
  );
});

test("settings that cannot work are refused with the field", async () => {
  await using bench = await startDelivery();
  const create = (value: { botKey?: string; apiUrl?: string }) =>
    refusalOf(
      bench.delivery.createChannel({ channelId: "own", settings: { kind: { case: "wecomRobot", value } } }),
    );
  expect(await create({})).toBe(ErrorReason.INVALID_REQUEST);
  expect(await create({ botKey: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc" })).toBe(
    ErrorReason.INVALID_REQUEST,
  );
  expect(await create({ botKey: "k", apiUrl: "https://vendor.example/?x=1" })).toBe(
    ErrorReason.INVALID_REQUEST,
  );
  const onRelay = { kind: { case: "wecomRobot" as const, value: { botKey: "k" } }, relayNames: ["plant-2"] };
  expect(await refusalOf(bench.delivery.createChannel({ channelId: "own", settings: onRelay }))).toBe(
    ErrorReason.INVALID_REQUEST,
  );
  expect(await refusalOf(bench.delivery.createChannel({ channelId: "own", settings: {} }))).toBe(
    ErrorReason.INVALID_REQUEST,
  );
  expect(await refusalOf(bench.delivery.createChannel({ channelId: "Own!", settings: {} }))).toBe(
    ErrorReason.INVALID_REQUEST,
  );
});

test("a robot that moves to relays leaves its key here no longer, and brings one when it comes back", async () => {
  await using bench = await startDelivery();
  const { delivery } = bench;
  const settings = (botKey: string, relayNames: string[]) => ({
    kind: { case: "wecomRobot" as const, value: { botKey } },
    relayNames,
  });
  await delivery.createChannel({ channelId: "own", settings: settings("k", []) });
  const move = (botKey: string, relayNames: string[]) =>
    delivery.updateChannel({ channelId: "own", settings: settings(botKey, relayNames) });
  const { channel } = await move("", ["plant-2"]);
  expect(channel).toMatchObject({ runsOnRelays: true, settings: { kind: { value: { hasBotKey: false } } } });
  expect(await refusalOf(move("", []))).toBe(ErrorReason.INVALID_REQUEST);
  expect(await refusalOf(move("", ["plant-2", "plant-2"]))).toBe(ErrorReason.INVALID_REQUEST);
  expect((await move("k2", [])).channel).toMatchObject({ runsOnRelays: false });
});

test("S2: an address inside is refused when it is set, and a robot that leads there sends nothing", async () => {
  await using bench = await startDelivery();
  for (const apiUrl of [
    bench.wecom.url,
    "https://127.0.0.1",
    "https://[::1]",
    "http://169.254.169.254",
    "https://localhost",
  ]) {
    const call = bench.delivery.createChannel({
      channelId: "own",
      settings: { kind: { case: "wecomRobot", value: { botKey: "k", apiUrl } } },
    });
    expect(await refusalOf(call), apiUrl).toBe(ErrorReason.ADDRESS_REFUSED);
  }
  expect((await bench.delivery.listChannels({})).channels).toHaveLength(2);
});

test("S2: an address that was public when it was set and leads inside now is not called", async () => {
  await using fixture = await startWithVendor();
  const { bench, robot, own } = fixture;
  await bench.delivery.createChannel({ channelId: "team", settings: robot });
  bench.guardWith({ HIL_EGRESS_ALLOW_HTTP: "true", HIL_EGRESS_PORTS: String(own.port) });
  await bench.restart();
  const { attempt } = await bench.delivery.testChannel({ target: { channelId: "team", chatId: "wr" } });
  expect(attempt).toMatchObject({ outcome: Attempt_Outcome.REFUSED });
  expect(attempt?.detail).toContain("does not call that address");
  expect(own.calls).toEqual([]);
});

test("I12: the key is returned by nothing, and stands on disk in no readable form", async () => {
  await using fixture = await startWithVendor({
    decide: () => ({ kind: "errcode", errcode: 93000, errmsg: `bad key=${SECRET}` }),
  });
  const { bench, robot } = fixture;
  const answers: unknown[] = [await bench.delivery.createChannel({ channelId: "team", settings: robot })];
  const given = order({}, { channelId: "team" });
  await bench.delivery.deliver({ orders: [given] });
  await bench.until(async () => {
    const { delivery } = await bench.delivery.getDelivery({ deliveryId: given.deliveryId });
    return delivery?.state === Delivery_State.FAILED;
  });
  answers.push(
    await bench.delivery.getDelivery({ deliveryId: given.deliveryId }),
    await bench.delivery.getChannel({ channelId: "team" }),
    await bench.delivery.listChannels({}),
    await bench.delivery.updateChannel({ channelId: "team", settings: robot }),
    await bench.delivery.deleteChannel({ channelId: "team" }),
    (await bench.delivery.listAuditRecords({})).records.map(({ before, after }) => [before, after]),
    bench.sessions.reports,
  );
  const text = JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? String(value) : value));
  expect(text).not.toContain(SECRET);
  const files = readdirSync(bench.dataDir).map((file) => readFileSync(join(bench.dataDir, file), "latin1"));
  expect(files.join("")).not.toContain(SECRET);
});

test("an empty key stays as it is, a new one is used from then on", async () => {
  await using fixture = await startWithVendor();
  const { bench, robot, own } = fixture;
  const { delivery } = bench;
  const outcome = async () =>
    (await delivery.testChannel({ target: { channelId: "team", chatId: "wr" } })).attempt?.outcome;
  await delivery.createChannel({ channelId: "team", settings: robotAt(own, "wrong") });
  expect(await outcome()).toBe(Attempt_Outcome.REFUSED);
  expect((await delivery.getChannel({ channelId: "team" })).channel?.state).toBe(Channel_State.BROKEN);
  await delivery.updateChannel({ channelId: "team", settings: robot });
  expect(await outcome()).toBe(Attempt_Outcome.DELIVERED);
  await delivery.updateChannel({ channelId: "team", settings: robotAt(own, "") });
  expect(await outcome()).toBe(Attempt_Outcome.DELIVERED);
});

test("a message under way when its channel changes is sent to its end", async () => {
  await using fixture = await startWithVendor();
  const { bench, robot, own } = fixture;
  await bench.delivery.createChannel({ channelId: "team", settings: robot });
  const busy = Promise.withResolvers<undefined>();
  own.decide(() => busy.promise);
  const given = order({}, { channelId: "team" });
  await bench.delivery.deliver({ orders: [given] });
  await bench.until(() => own.calls.length > 0);
  await bench.delivery.updateChannel({ channelId: "team", settings: robotAt(own, "another") });
  await bench.delivery.getChannel({ channelId: "team" });
  busy.resolve(undefined);
  await own.waitForMessage(({ text }) => text.includes(given.session.shortId));
  const delivery = await bench.until(async () => {
    const found = (await bench.delivery.getDelivery({ deliveryId: given.deliveryId })).delivery;
    return found?.state === Delivery_State.SENT && found;
  });
  expect(delivery.attempts).toMatchObject([{ outcome: Attempt_Outcome.DELIVERED }]);
});

test("what waits for a channel that is taken away has FAILED, is reported, and others' is not touched", async () => {
  await using fixture = await startWithVendor({ decide: () => ({ kind: "http", status: 503 }) });
  const { bench, robot } = fixture;
  const [a, b] = [bench.for("a"), bench.for("b")];
  const orders = await Promise.all(
    [a, b].map(async (client, index) => {
      await client.createChannel({ channelId: "team", settings: robot });
      const given = order({ tenantId: "ab"[index]! }, { channelId: "team" });
      await client.deliver({ orders: [given] });
      return given;
    }),
  );
  const stateOf = async (client: typeof a, index: number) =>
    (await client.getDelivery({ deliveryId: orders[index]!.deliveryId })).delivery!;
  await a.deleteChannel({ channelId: "team" });
  const failed = await bench.until(async () => {
    const delivery = await stateOf(a, 0);
    return delivery.state === Delivery_State.FAILED && delivery;
  });
  expect(failed.reason).toMatch(/taken away|there is no channel/);
  await bench.until(() => bench.sessions.last(orders[0]!.deliveryId)?.reason === failed.reason);
  expect((await stateOf(b, 1)).state).not.toBe(Delivery_State.FAILED);
});

test("I11: each change has its record, in the tenant's own log", async () => {
  await using bench = await startDelivery();
  const { delivery } = bench;
  const settings = { kind: { case: "wecomRobot" as const, value: { botKey: "first" } } };
  await delivery.createChannel({ channelId: "own", settings });
  await delivery.updateChannel({ channelId: "own", name: "New", settings });
  await delivery.deleteChannel({ channelId: "own" });
  await refusalOf(delivery.updateChannel({ channelId: "own", name: "x" }));
  const { records } = await delivery.listAuditRecords({});
  expect(records.map(({ action, resource, principalId }) => [action, resource, principalId])).toEqual([
    ["channel.deleted", "channel/own", "test"],
    ["channel.updated", "channel/own", "test"],
    ["channel.created", "channel/own", "test"],
  ]);
  expect(JSON.parse(records[1]!.before)).toMatchObject({ name: "own", kind: "wecom_robot" });
  expect(JSON.parse(records[1]!.after)).toMatchObject({ name: "New", secret: "changed" });
  expect((await bench.for("other").listAuditRecords({})).records).toEqual([]);
});

test("channels are listed page by page, also where one goes in between", async () => {
  await using bench = await startDelivery();
  const { delivery } = bench;
  const settings = { kind: { case: "wecomRobot" as const, value: { botKey: "k" } } };
  for (const channelId of ["a", "m", "z"]) await delivery.createChannel({ channelId, settings });
  const first = await delivery.listChannels({ pageSize: 2 });
  expect(first.channels.map(({ id }) => id)).toEqual(["a", "console"]);
  await delivery.deleteChannel({ channelId: "m" });
  const rest = await delivery.listChannels({ pageToken: first.nextPageToken });
  expect(rest.channels.map(({ id }) => id)).toEqual(["wecom-robot", "z"]);
  expect(rest.nextPageToken).toBe("");
  expect(await refusalOf(delivery.listChannels({ pageToken: "team" }))).toBe(ErrorReason.PAGE_TOKEN_INVALID);
});
