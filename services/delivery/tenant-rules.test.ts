// What a tenant's policy does to its messages.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Masking_Kind, MessageTemplate_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { canarySecrets } from "@hil/platform/masking/testing/canary-secrets.ts";
import { createKeyProvider } from "@hil/platform/secrets/key-provider.ts";
import { createVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { expect, test } from "vitest";
import { createRetention } from "./retention.ts";
import { type DeliveryBench, order, startDelivery } from "./testing/start-delivery.ts";

const NIGHT = { start: "22:00", end: "08:00", timeZone: "Asia/Shanghai" };
const EVENING = Date.parse("2026-11-21T21:00:00+08:00");
const MIDNIGHT = Date.parse("2026-11-22T00:00:00+08:00");
const MORNING = Date.parse("2026-11-22T08:00:00+08:00");

async function stateOf(bench: DeliveryBench, deliveryId: string) {
  return (await bench.delivery.getDelivery({ deliveryId })).delivery!;
}

async function sent(bench: DeliveryBench, deliveryId: string) {
  return bench.until(async () => {
    const delivery = await stateOf(bench, deliveryId);
    return delivery.state === Delivery_State.SENT && delivery;
  });
}

/** A service whose clock stands until it is moved. */
async function startAt(time: number) {
  let nowMs = time;
  const bench = await startDelivery({ now: () => new Date(nowMs), vendor: { now: () => new Date(nowMs) } });
  return { bench, moveTo: (to: number) => (nowMs = to) };
}

const due = (timeMs: number) => ({
  createTime: timestampFromMs(EVENING),
  expireTime: timestampFromMs(timeMs),
});

test("S5: none of 200 secrets reaches the channel, wherever in a question or notice it stands", async () => {
  await using bench = await startDelivery({
    vendor: { perMinute: 0 },
    environment: { WECOM_ROBOT_MESSAGES_PER_MINUTE: "0" },
  });
  const secrets = canarySecrets(200);
  const at = (index: number) => secrets[index % secrets.length]!.shown;
  const orders = secrets.slice(0, 50).map((_, index) =>
    order(
      {
        title: at(4 * index).replaceAll("\n", " "),
        body: at(4 * index + 1),
        context: [{ key: "evidence", value: at(4 * index + 2) }],
        interaction: {
          kind: {
            case: "selection",
            value: {
              options: [
                { value: at(4 * index + 3), label: "" },
                { value: "b", label: at(4 * index + 1), description: at(4 * index + 2) },
              ],
            },
          },
        },
        defaultAnswer: {
          kind: { case: "selection", value: { values: [at(4 * index + 3)], other: at(4 * index) } },
        },
        asker: { clientName: at(4 * index) },
      },
      { chatId: `wr${index}` },
    ),
  );
  await bench.delivery.deliver({ orders });
  for (const [index, { shown }] of secrets.entries()) {
    await bench.delivery.sendNotice({
      noticeId: `n${index}`,
      target: { chatId: "wrNotices" },
      markdown: shown,
    });
  }
  await bench.until(() => bench.wecom.messages.length >= orders.length + secrets.length);
  const shown = bench.wecom.calls.map(({ body }) => JSON.stringify(JSON.parse(body))).join("\n");
  for (const { kind, secret } of secrets) {
    expect(shown, kind).not.toContain(JSON.stringify(secret).slice(1, -1));
  }
  expect(shown.match(/\[masked: /g)!.length).toBeGreaterThan(350);
  expect(bench.wecom.messages.every(({ msgtype, text }) => msgtype !== "text" || text.startsWith("[#"))).toBe(
    true,
  );
});

test("a tenant's rules and switches hold for its messages, within the policy's 5 s, and for nobody else's", async () => {
  await using bench = await startDelivery();
  bench.tenants.set(DEFAULT_TENANT, {
    masking: {
      disabledKinds: [Masking_Kind.PHONE_NUMBER],
      rules: [{ name: "employee number", pattern: "E[0-9]{6}" }],
    },
  });
  const body = "ask E123456 at 13812345678";
  const [own, foreign] = [order({ body }), order({ body, tenantId: "other" })];
  await bench.delivery.deliver({ orders: [own] });
  await bench.for("other").deliver({ orders: [foreign] });
  await bench.until(() => bench.wecom.messages.length === 2);
  const texts = bench.wecom.messages.map(({ text }) => text);
  expect(texts.find((text) => text.includes(own.session.shortId))).toContain(
    "ask [employee number] at 13812345678",
  );
  expect(texts.find((text) => text.includes(foreign.session.shortId))).toContain(
    "ask E123456 at [masked: phone number]",
  );
});

test("B11: questions and notices go out in the tenant's words for the session's language", async () => {
  await using bench = await startDelivery();
  bench.tenants.set(DEFAULT_TENANT, {
    templates: [
      { kind: MessageTemplate_Kind.QUESTION, locale: "en", text: "Dear colleague, {body}\n{instructions}" },
      { kind: MessageTemplate_Kind.QUESTION, locale: "", text: "您好，{body}" },
      { kind: MessageTemplate_Kind.NOTICE, locale: "", text: "FYI {body}" },
    ],
  });
  const notice = { interaction: { kind: { case: "notice" as const, value: {} } } };
  const orders = [order({ locale: "en" }), order({ locale: "zh-CN" }), order(notice)];
  await bench.delivery.deliver({ orders });
  for (const { deliveryId } of orders) await sent(bench, deliveryId);
  const [english, chinese, told] = orders.map(({ session: { shortId, body } }) => ({
    body,
    text: bench.wecom.messages
      .find(({ text }) => text.includes(shortId))!
      .text.split("\n")
      .slice(1),
  }));
  expect(english!.text).toEqual([
    `Dear colleague, ${english!.body}`,
    "Please quote this message or mention me to reply.",
  ]);
  expect(chinese!.text).toEqual([`您好，${chinese!.body}`]);
  expect(told!.text).toEqual([`FYI ${told!.body}`]);
});

test("in quiet hours a question waits for their end, and says so", async () => {
  const { bench, moveTo } = await startAt(MIDNIGHT);
  await using _ = bench;
  bench.tenants.set(DEFAULT_TENANT, { quietHours: NIGHT });
  const [waiting, urgent, forEver] = [
    order(due(MORNING + 3_600_000)),
    order(due(MIDNIGHT + 1_200_000)),
    order({ ...due(MORNING), expireTime: undefined } as never),
  ];
  await bench.delivery.deliver({ orders: [waiting, urgent, forEver] });
  await sent(bench, urgent.deliveryId);
  await bench.delivery.sendNotice({ noticeId: "hint", target: { chatId: "wrChat" }, markdown: "hint" });
  await sent(bench, "hint");
  for (const { deliveryId } of [waiting, forEver]) {
    const delivery = await stateOf(bench, deliveryId);
    expect(delivery).toMatchObject({
      state: Delivery_State.QUEUED,
      reason: "waits for the end of quiet hours",
    });
    expect(timestampMs(delivery.nextAttemptTime!)).toBe(MORNING);
  }
  expect(bench.wecom.messages).toHaveLength(2);

  moveTo(MORNING);
  const next = order(due(MORNING + 3_600_000));
  await bench.delivery.deliver({ orders: [next] });
  for (const { deliveryId } of [waiting, forEver, next]) await sent(bench, deliveryId);
});

test("a retry that falls into quiet hours waits too", async () => {
  const { bench, moveTo } = await startAt(EVENING);
  await using _ = bench;
  bench.tenants.set(DEFAULT_TENANT, { quietHours: NIGHT });
  bench.wecom.decide(({ number }) => {
    if (number > 1) return undefined;
    moveTo(MIDNIGHT);
    return { kind: "http", status: 503 };
  });
  const given = order(due(MORNING + 3_600_000));
  await bench.delivery.deliver({ orders: [given] });
  const delivery = await bench.until(async () => {
    const each = await stateOf(bench, given.deliveryId);
    if (each.attempts.some(({ endTime }) => endTime)) moveTo(MIDNIGHT + 1_000); // the pause before the retry is over
    return each.nextAttemptTime && timestampMs(each.nextAttemptTime) === MORNING && each;
  });
  expect(delivery.attempts).toMatchObject([{ outcome: Attempt_Outcome.RETRYABLE }]);
  expect(bench.wecom.calls).toHaveLength(1);
});

test("B8: nothing is asked in a chat that the tenant does not allow, however the order came", async () => {
  await using bench = await startDelivery();
  bench.tenants.set(DEFAULT_TENANT, {
    allowedChats: [{ channelId: "wecom-robot", chatId: "wrGood" }, { chatId: "wrBad" }],
    deniedChats: [{ chatId: "wrBad" }],
  });
  const [good, bad, other] = ["wrGood", "wrBad", "wrOther"].map((chatId) => order({}, { chatId }));
  await bench.delivery.deliver({ orders: [good!, bad!, other!] });
  await sent(bench, good!.deliveryId);
  for (const { deliveryId } of [bad!, other!]) {
    const delivery = await stateOf(bench, deliveryId);
    expect(delivery.state).toBe(Delivery_State.FAILED);
    expect(delivery.reason).toMatch(/^CHAT_NOT_ALLOWED: /);
  }
  const refused = bench.delivery.testChannel({ target: { chatId: "wrBad" } });
  expect(reasonOf(await refused.catch((error: unknown) => error))).toBe(ErrorReason.CHAT_NOT_ALLOWED);
  // What a person wrote there is answered there.
  await bench.delivery.sendNotice({ noticeId: "hint", target: { chatId: "wrOther" }, markdown: "hint" });
  await sent(bench, "hint");
  expect(bench.wecom.messages.map(({ chatId }) => chatId).sort()).toEqual(["wrGood", "wrOther"]);
});

test("B8: a chat that is denied while a question waits for it is not asked any more", async () => {
  await using bench = await startDelivery({ environment: { WECOM_ROBOT_MESSAGES_PER_MINUTE: "1" } });
  const [first, second] = [order(), order()];
  const busy = Promise.withResolvers<undefined>();
  bench.wecom.decide(() => busy.promise);
  await bench.delivery.deliver({ orders: [first, second] });
  await bench.until(() => bench.wecom.calls.length > 0);
  bench.tenants.set(DEFAULT_TENANT, { deniedChats: [{ chatId: "wrChat" }] });
  busy.resolve(undefined);
  await sent(bench, first.deliveryId);
  await bench.until(async () => (await stateOf(bench, second.deliveryId)).state === Delivery_State.FAILED);
  expect(bench.wecom.messages).toHaveLength(1);
});

test("TestChannel speaks the tenant's language", async () => {
  await using bench = await startDelivery();
  bench.tenants.set("en", { locale: "en" });
  await bench.for("en").testChannel({ target: { chatId: "wrChat" } });
  await bench.for("zh").testChannel({ target: { chatId: "wrChat" } });
  expect(bench.wecom.messages.map(({ text }) => text.split("\n")[0])).toEqual([
    "A test message from HIL: this channel can send.",
    "HIL 测试消息：本通道可以发送。",
  ]);
});

test("each tenant keeps ended deliveries for its own time, and one that cannot be looked up keeps nobody's", async () => {
  const purged: [string, number][] = [];
  const left = new Map([
    ["a", 3],
    ["b", 1],
  ]);
  const deleteSome = createRetention({
    store: {
      tenants: async () => ["a", "broken", "b"],
      purge: async (tenantId, beforeMs) => {
        purged.push([tenantId, beforeMs]);
        const rows = left.get(tenantId) ?? 0;
        left.set(tenantId, 0);
        return rows;
      },
    },
    rulesOf: (tenantId) => {
      if (tenantId === "broken") throw new Error("away");
      return { retentionMs: tenantId === "a" ? 1_000 : 2_000 };
    },
    now: () => new Date(10_000),
    log: silentLog,
  });
  expect(await deleteSome()).toBe(4);
  expect(purged).toEqual([
    ["a", 9_000],
    ["b", 8_000],
  ]);
  expect(await deleteSome()).toBe(0);
});

/** Everything that the service has on disk. */
function onDisk(dataDir: string): string {
  return readdirSync(dataDir)
    .map((file) => readFileSync(join(dataDir, file), "latin1"))
    .join("");
}

test("what waits of a sensitive session, and of a notice, is not readable on disk, and is sent all the same", async () => {
  await using bench = await startDelivery({ vendor: { decide: () => ({ kind: "http", status: 503 }) } });
  const canary = "canary-of-the-sensitive-question";
  const [secret, plain] = [
    order({ body: canary, sensitive: true }),
    order({ body: "plain-canary-that-may-be-read" }, { chatId: "wrOther" }),
  ];
  await bench.delivery.deliver({ orders: [secret, plain] });
  await bench.delivery.sendNotice({
    noticeId: "n",
    target: { chatId: "wrThird" },
    markdown: `about ${canary}`,
  });
  await bench.until(() => bench.wecom.calls.length >= 3);
  expect(onDisk(bench.dataDir)).toContain("plain-canary-that-may-be-read");
  expect(onDisk(bench.dataDir)).not.toContain(canary);
  bench.wecom.decide(() => undefined);
  for (const id of [secret.deliveryId, plain.deliveryId, "n"]) await sent(bench, id);
  expect(bench.wecom.messages.filter(({ text }) => text.includes(canary))).toHaveLength(2);
  expect(onDisk(bench.dataDir)).not.toContain(canary);
});

test("F32: after a rotation what was sealed is sealed with the new key, and the old one can go", async () => {
  const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 9)];
  const vaultOf = (...keys: Buffer[]) => createVault(createKeyProvider(keys), Buffer.alloc(32, 2));
  await using bench = await startDelivery({
    vault: vaultOf(older),
    vendor: { decide: () => ({ kind: "http", status: 503 }) },
  });
  const given = order({ body: "the question", sensitive: true });
  await bench.delivery.deliver({ orders: [given] });
  await bench.delivery.createChannel({
    channelId: "own",
    settings: { kind: { case: "wecomRobot", value: { botKey: "own-key" } } },
  });
  await bench.restart({}, vaultOf(newer, older));
  await bench.restart({}, vaultOf(newer));
  bench.wecom.decide(() => undefined);
  await sent(bench, given.deliveryId);
  const { attempt } = await bench.delivery.testChannel({ target: { channelId: "own", chatId: "wrChat" } });
  expect(attempt?.detail).toContain("93000"); // the vendor was shown that key, which is not its
  const db = new DatabaseSync(join(bench.dataDir, "delivery.db"), { readOnly: true });
  const { prefix } = db.prepare("SELECT substr(secret, 1, 9) AS prefix FROM channel").get() as {
    prefix: Uint8Array;
  };
  db.close();
  expect(Buffer.from(prefix)).toEqual(Buffer.from(vaultOf(newer).newestPrefix));
});
