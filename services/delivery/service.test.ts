import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { Attempt_Outcome, Channel_State, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  ChatType,
  DeliverySummary_State,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import type { Fault } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { expect, test } from "vitest";
import { createChannels } from "./channels.ts";
import { readDeliveryConfig } from "./config.ts";
import { newDelivery } from "./delivery.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { openSqliteDeliveryStore } from "./delivery-store-sqlite.ts";
import { createTenantRules } from "./tenant-rules.ts";
import { type DeliveryBench, KEY, order, startDelivery } from "./testing/start-delivery.ts";
import { VAULT } from "./testing/vaults.ts";

const PNG = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(100)]);

async function settled(bench: DeliveryBench, deliveryId: string, ...states: Delivery_State[]) {
  return bench.until(async () => {
    const { delivery } = await bench.delivery.getDelivery({ deliveryId });
    return delivery && states.includes(delivery.state) ? delivery : undefined;
  });
}

/** A fault for the first calls, then none. */
function firstCalls(...faults: Fault[]) {
  return ({ number }: { number: number }) => faults[number - 1];
}

function partNumbers({ wecom }: DeliveryBench) {
  return wecom.messages.map(({ text }) => /\((\d)\/\d\)/.exec(text)?.[1]);
}

/** What a process leaves that stored an order, did `work` and then no more. */
async function die(
  dataDir: string,
  given: ReturnType<typeof order>,
  work: (store: DeliveryStore) => Promise<void>,
): Promise<void> {
  const store = openSqliteDeliveryStore({ dataDir, vault: VAULT, log: silentLog });
  const nowMs = Date.now();
  const robot = createChannels(readDeliveryConfig({ BOT_KEY: KEY }), {
    log: silentLog,
    now: () => new Date(),
  })[1];
  const { id, tenantId } = given.session;
  const stored = {
    tenantId,
    id: given.deliveryId,
    sessionId: id,
    channelId: "wecom-robot",
    chatId: "wrChat",
    chatType: ChatType.GROUP,
    giveUpTimeMs: nowMs + 60_000,
  };
  const rules = await createTenantRules({ tenants: fixedTenants(), settings: readDeliveryConfig({}) })(
    tenantId,
  );
  await store.insert([newDelivery(stored, { session: given.session }, robot, rules, nowMs)], nowMs);
  await work(store);
  await store.close();
}

test("I5: an order is shown once in its chat under its tag, and the session service is told", async () => {
  await using bench = await startDelivery();
  const given = order({ audience: { mentions: ["lina"] } });
  const { deliveries } = await bench.delivery.deliver({ orders: [given] });
  expect(deliveries[0]?.state).toBe(Delivery_State.QUEUED);

  const delivery = await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(delivery.attempts).toMatchObject([{ number: 1, outcome: Attempt_Outcome.DELIVERED }]);
  expect(bench.wecom.messages).toMatchObject([{ chatId: "wrChat", msgtype: "text", mentions: ["lina"] }]);
  expect(bench.wecom.messages[0]?.text.startsWith(`[#${given.session.shortId} demo]\n`)).toBe(true);
  const report = await bench.until(() => bench.sessions.last(given.deliveryId));
  expect(report).toMatchObject({ state: DeliverySummary_State.SENT, reason: "" });
});

test("I8: the same order again changes nothing and sends nothing", async () => {
  await using bench = await startDelivery();
  const given = order();
  await bench.delivery.deliver({ orders: [given, given] });
  await settled(bench, given.deliveryId, Delivery_State.SENT);
  const { deliveries } = await bench.delivery.deliver({ orders: [given] });
  expect(deliveries[0]?.state).toBe(Delivery_State.SENT);
  await bench.restart();
  expect(bench.wecom.messages).toHaveLength(1);
});

test("G12: a thousand questions in fifty chats are each shown exactly once, in order within a chat", async () => {
  await using bench = await startDelivery({
    vendor: { perMinute: 0 },
    environment: { WECOM_ROBOT_MESSAGES_PER_MINUTE: "0" },
  });
  const orders = Array.from({ length: 1000 }, (_, index) => order({}, { chatId: `wr${index % 50}` }));
  await bench.delivery.deliver({ orders: orders.slice(0, 500) });
  await bench.delivery.deliver({ orders: orders.slice(500) });
  await bench.until(() => bench.wecom.messages.length >= orders.length);
  await bench.until(() => bench.sessions.reports.length >= orders.length);
  const tags = bench.wecom.messages.map(({ text }) => text.slice(2, 10));
  expect(new Set(tags).size).toBe(orders.length);
  expect(tags).toHaveLength(orders.length);
  const inChat = bench.wecom.messages
    .filter(({ chatId }) => chatId === "wr7")
    .map(({ text }) => text.slice(2, 10));
  expect(inChat).toEqual([...inChat].sort());
  expect(bench.wecom.identicalAtOnce).toBe(0);
  expect(bench.wecom.broadcasts).toEqual([]);
});

test.each<[string, Fault]>([
  ["errcode -1", { kind: "errcode", errcode: -1 }],
  ["HTTP 502", { kind: "http", status: 502 }],
])("F19: after %s the question is sent again and shown once", async (_name, fault) => {
  await using bench = await startDelivery({ vendor: { decide: firstCalls(fault, fault) } });
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  const delivery = await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(delivery.attempts.map(({ outcome }) => outcome)).toEqual([
    Attempt_Outcome.RETRYABLE,
    Attempt_Outcome.RETRYABLE,
    Attempt_Outcome.DELIVERED,
  ]);
  expect(bench.wecom.messages).toHaveLength(1);
});

test.each<[string, Fault]>([
  ["a connection cut after the vendor took it", { kind: "cut", shown: true }],
  ["half of the answer", { kind: "half", shown: true }],
])("I5: after %s the copy is the same message with the same tag", async (_name, fault) => {
  await using bench = await startDelivery({ vendor: { decide: firstCalls(fault) } });
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  const delivery = await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(delivery.attempts[0]?.outcome).toBe(Attempt_Outcome.UNKNOWN);
  expect(bench.wecom.messages).toHaveLength(2);
  expect(bench.wecom.messages[1]?.text).toBe(bench.wecom.messages[0]?.text);
});

test.each([
  [40058, Channel_State.READY],
  [93005, Channel_State.READY],
  [93000, Channel_State.BROKEN],
])("F19: errcode %i fails the delivery at once, with the vendor's words", async (errcode, state) => {
  await using bench = await startDelivery({ vendor: { decide: firstCalls({ kind: "errcode", errcode }) } });
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  await settled(bench, given.deliveryId, Delivery_State.FAILED);
  const report = await bench.until(() => bench.sessions.last(given.deliveryId));
  expect(report?.state).toBe(DeliverySummary_State.FAILED);
  expect(report?.reason).toContain(`${errcode}`);
  expect((await bench.delivery.getChannel({ channelId: "wecom-robot" })).channel?.state).toBe(state);

  const next = order();
  await bench.delivery.deliver({ orders: [next] });
  await settled(bench, next.deliveryId, Delivery_State.SENT);
  const { channel } = await bench.delivery.getChannel({ channelId: "wecom-robot" });
  expect(channel).toMatchObject({ state: Channel_State.READY, lastError: "" });
  expect(channel?.lastSentTime).toBeDefined();
});

test("F19: 45009 rests the whole robot for a minute, and the delay is reported", async () => {
  await using bench = await startDelivery({
    vendor: { decide: firstCalls({ kind: "errcode", errcode: 45009 }) },
  });
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  const report = await bench.until(() => bench.sessions.last(given.deliveryId));
  expect(report).toMatchObject({ state: DeliverySummary_State.PENDING });
  expect(report?.reason).toContain("45009");
  const { attempt } = await bench.delivery.testChannel({ target: { chatId: "wrOther" } });
  expect(attempt?.outcome).toBe(Attempt_Outcome.RETRYABLE);
  expect(bench.wecom.calls).toHaveLength(1);
});

test("a vendor that stays down fails the delivery at the deadline, with the last reason", async () => {
  await using bench = await startDelivery({ vendor: { decide: () => ({ kind: "http", status: 503 }) } });
  const given = order({ expireTime: timestampFromMs(Date.now() + 300) });
  await bench.delivery.deliver({ orders: [given] });
  const delivery = await settled(bench, given.deliveryId, Delivery_State.FAILED);
  expect(delivery.reason).toMatch(/^given up at the deadline after \d+ tries: .*503/);
  expect(delivery.attempts.length).toBeLessThanOrEqual(20);
});

test("a part that got no word is sent again, and the parts before it are not", async () => {
  await using bench = await startDelivery({
    vendor: { decide: ({ number }) => (number === 2 ? { kind: "cut" } : undefined) },
  });
  const given = order({ body: "好".repeat(2500) });
  await bench.delivery.deliver({ orders: [given] });
  await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(partNumbers(bench)).toEqual(["1", "2", "3", "4"]);
  expect(
    bench.wecom.messages.every(({ text }) => text.startsWith(`[#${given.session.shortId} demo] (`)),
  ).toBe(true);
});

test("R4: a process that died in a try leaves UNKNOWN, and the next one goes on at that part", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-delivery-"));
  const given = order({ body: "好".repeat(2500) });
  const key = { tenantId: DEFAULT_TENANT, id: given.deliveryId };
  await die(dataDir, given, async (store) => {
    const line = { tenantId: DEFAULT_TENANT, channelId: "wecom-robot", line: "wrChat" };
    const { claim } = (await store.claim(line, Date.now()))!;
    const begun = await store.begin(claim, key, Date.now());
    await store.finishPart(claim, begun!, Date.now());
  });

  await using bench = await startDelivery({ dataDir });
  const delivery = await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(partNumbers(bench)).toEqual(["2", "3", "4"]);
  expect(delivery.attempts).toMatchObject([
    { number: 1, outcome: Attempt_Outcome.UNKNOWN },
    { number: 2, outcome: Attempt_Outcome.DELIVERED },
  ]);
});

test("R4: a process that died before its first try loses nothing", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-delivery-"));
  const given = order();
  await die(dataDir, given, async () => {});
  await using bench = await startDelivery({ dataDir });
  await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(bench.wecom.messages).toHaveLength(1);
});

test("nothing is ever sent without a chat, to several or to all", async () => {
  await using bench = await startDelivery();
  const orders = ["", " ", "@all", "@all_group", "a|b"].map((chatId) => order({}, { chatId }));
  const { deliveries } = await bench.delivery.deliver({ orders });
  for (const delivery of deliveries) {
    expect(delivery).toMatchObject({ state: Delivery_State.FAILED });
    expect(delivery.reason).toContain("CHAT_REQUIRED");
  }
  for (const call of [
    bench.delivery.sendNotice({ noticeId: "n", target: {}, markdown: "hi" }),
    bench.delivery.testChannel({ target: {} }),
  ]) {
    expect(reasonOf(await call.catch((error: unknown) => error))).toBe(ErrorReason.CHAT_REQUIRED);
  }
  expect(bench.wecom.calls).toEqual([]);
});

test("a public robot sends without a chatid to its one group", async () => {
  await using bench = await startDelivery({
    vendor: { product: "public" },
    environment: { WECOM_ROBOT_KIND: "public" },
  });
  const given = order({}, { chatId: "" });
  await bench.delivery.deliver({ orders: [given] });
  const message = await bench.wecom.waitForMessage();
  expect(message.chatId).toBe("");
  expect(message.text).toContain("answer in the HIL console");
});

test("without a robot an order is suppressed, and says what to do", async () => {
  await using bench = await startDelivery({ environment: { BOT_KEY: "" } });
  const given = order();
  const { deliveries } = await bench.delivery.deliver({ orders: [given] });
  expect(deliveries[0]).toMatchObject({ state: Delivery_State.SUPPRESSED });
  expect(deliveries[0]?.reason).toContain("set BOT_KEY");
  expect((await bench.until(() => bench.sessions.last(given.deliveryId)))?.state).toBe(
    DeliverySummary_State.SUPPRESSED,
  );
  const { channels } = await bench.delivery.listChannels({});
  expect(channels.map(({ id, state }) => [id, state])).toEqual([
    ["console", Channel_State.READY],
    ["wecom-robot", Channel_State.NOT_CONFIGURED],
  ]);
});

test("the console has a session at once and is not reported; a channel nobody knows fails", async () => {
  await using bench = await startDelivery();
  const [console_, unknown] = [
    order({}, { channelId: "console", chatId: "" }),
    order({}, { channelId: "fax" }),
  ];
  const { deliveries } = await bench.delivery.deliver({ orders: [console_, unknown] });
  expect(deliveries.map(({ state }) => state)).toEqual([Delivery_State.SENT, Delivery_State.FAILED]);
  await bench.until(() => bench.sessions.last(unknown.deliveryId));
  expect(bench.sessions.last(console_.deliveryId)).toBeUndefined();
});

test("a question that was answered elsewhere is not sent any more", async () => {
  await using bench = await startDelivery({ environment: { WECOM_ROBOT_MESSAGES_PER_MINUTE: "1" } });
  const [first, second] = [order(), order()];
  await bench.delivery.deliver({ orders: [first, second] });
  await settled(bench, first.deliveryId, Delivery_State.SENT);
  const ended = create(SessionSchema, { ...second.session, state: Session_State.ANSWERED });
  await bench.delivery.updateDelivered({ sessions: [ended] });
  const { delivery } = await bench.delivery.getDelivery({ deliveryId: second.deliveryId });
  expect(delivery).toMatchObject({ state: Delivery_State.SUPPRESSED });
  expect(delivery?.nextAttemptTime).toBeUndefined();
  expect(bench.wecom.messages).toHaveLength(1);
});

test("a try under way when its session ends is not repeated", async () => {
  await using bench = await startDelivery();
  const given = order();
  const busy = Promise.withResolvers<Fault>();
  bench.wecom.decide(() => busy.promise);
  await bench.delivery.deliver({ orders: [given] });
  await bench.until(() => bench.wecom.calls.length > 0);
  const ended = create(SessionSchema, { ...given.session, state: Session_State.CANCELLED });
  await bench.delivery.updateDelivered({ sessions: [ended] });
  const { delivery } = await bench.delivery.getDelivery({ deliveryId: given.deliveryId });
  expect(delivery?.state).toBe(Delivery_State.SENDING);
  busy.resolve({ kind: "errcode", errcode: -1 });
  await settled(bench, given.deliveryId, Delivery_State.SUPPRESSED);
  expect(bench.wecom.calls).toHaveLength(1);
});

test("pictures go out after the text; one that cannot be sent does not fail the delivery", async () => {
  await using bench = await startDelivery();
  bench.sessions.pictures.set(1, PNG);
  bench.sessions.pictures.set(3, Buffer.from("not a picture"));
  const given = order({ attachments: [{ number: 1 }, { number: 2 }, { number: 3 }] });
  await bench.delivery.deliver({ orders: [given] });
  await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(bench.wecom.messages.map(({ msgtype }) => msgtype)).toEqual(["text", "image"]);
  expect(bench.wecom.messages[1]?.image).toEqual(PNG);
});

test("a notice goes out as Markdown, once for each notice_id, and is not reported", async () => {
  await using bench = await startDelivery();
  const notice = { noticeId: "hint/1", target: { chatId: "wrChat" }, markdown: "**chat id** `wrChat`" };
  await bench.delivery.sendNotice(notice);
  await bench.delivery.sendNotice(notice);
  await settled(bench, "hint/1", Delivery_State.SENT);
  expect(bench.wecom.messages).toMatchObject([{ msgtype: "markdown", text: notice.markdown }]);
  expect(bench.sessions.reports).toEqual([]);
});

test("reports wait until the session service takes them", async () => {
  await using bench = await startDelivery();
  bench.sessions.refuseReports = () => new ConnectError("starting", Code.Unavailable);
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  await settled(bench, given.deliveryId, Delivery_State.SENT);
  expect(bench.sessions.reports).toEqual([]);
  bench.sessions.refuseReports = undefined;
  await bench.restart();
  expect((await bench.until(() => bench.sessions.last(given.deliveryId)))?.state).toBe(
    DeliverySummary_State.SENT,
  );
});

test("TestChannel sends one message in the deployment's language and says how that ended", async () => {
  await using bench = await startDelivery();
  const { attempt } = await bench.delivery.testChannel({ target: { chatId: "wrChat" } });
  expect(attempt?.outcome).toBe(Attempt_Outcome.DELIVERED);
  expect(bench.wecom.messages[0]?.text).toContain("HIL 测试消息");
  const unknown = bench.delivery.testChannel({ target: { channelId: "fax" } });
  expect(reasonOf(await unknown.catch((error: unknown) => error))).toBe(ErrorReason.CHANNEL_NOT_FOUND);
});

test("I12: the robot's key is in no reason, detail or error", async () => {
  await using bench = await startDelivery({
    vendor: { decide: firstCalls({ kind: "errcode", errcode: 93000, errmsg: `bad key=${KEY}` }) },
  });
  const given = order();
  await bench.delivery.deliver({ orders: [given] });
  const delivery = await settled(bench, given.deliveryId, Delivery_State.FAILED);
  const { channel } = await bench.delivery.getChannel({ channelId: "wecom-robot" });
  expect(`${delivery.reason} ${delivery.attempts[0]?.detail} ${channel?.lastError}`).not.toContain(KEY);
});

test("deliveries are listed newest first, page by page", async () => {
  await using bench = await startDelivery({ environment: { BOT_KEY: "" } });
  const orders = Array.from({ length: 5 }, () => order());
  await bench.delivery.deliver({ orders });
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await bench.delivery.listDeliveries({
      pageSize: 2,
      pageToken,
      states: [Delivery_State.SUPPRESSED],
    });
    seen.push(...page.deliveries.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(orders.map(({ deliveryId }) => deliveryId).reverse());
  const one = await bench.delivery.listDeliveries({ sessionId: orders[2]!.session.id });
  expect(one.deliveries.map(({ id }) => id)).toEqual([orders[2]!.deliveryId]);
  const bad = bench.delivery.listDeliveries({ pageToken: "?" });
  expect(reasonOf(await bad.catch((error: unknown) => error))).toBe(ErrorReason.PAGE_TOKEN_INVALID);
});
