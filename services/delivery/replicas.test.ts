// Several delivery services on one database.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { ChatType, DeliverySummary_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import { createInProcessBus } from "@hil/platform/events/in-process-bus.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type FakeWecom, type Fault, startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openPostgresDeliveryStore } from "./delivery-store-postgres.ts";
import { delivered, openRawRelay } from "./testing/raw-relay.ts";
import { openReplica, type Replica } from "./testing/replica.ts";
import { KEY, order } from "./testing/start-delivery.ts";
import { VAULT } from "./testing/vaults.ts";

let server: PostgresServer;
let databaseUrl: string;
let wecom: FakeWecom;
let databases = 0;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  databaseUrl = await server.createDatabase(`replicas${++databases}`);
  wecom = await startFakeWecom({ key: KEY, perMinute: 0 });
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  await wecom.close();
});

const open = () => openReplica({ databaseUrl, vendorUrl: wecom.url, key: KEY });

/** A replica in a process of its own. */
async function startProcess() {
  const script = join(import.meta.dirname, "testing/replica-process.ts");
  const child = spawn(process.execPath, [script, databaseUrl, wecom.url, KEY], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error(`the replica ended: ${said}`))),
  ]);
  return { child, said: () => said };
}

async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function sent({ delivery: client }: Replica, deliveryId: string) {
  return until(async () => {
    const { delivery } = await client.getDelivery({ deliveryId });
    return delivery?.state === Delivery_State.SENT && delivery;
  });
}

const tagsIn = (chatId: string) =>
  wecom.messages.filter((message) => message.chatId === chatId).map(({ text }) => text.slice(2, 10));
const tags = () => wecom.messages.map(({ text }) => text.slice(2, 10));

test("I5, G12: two replicas show 500 questions of 25 chats once each, in order within a chat, and report each", async () => {
  await using one = await open();
  await using two = await open();
  const orders = Array.from({ length: 500 }, (_, index) => order({}, { chatId: `wr${index % 25}` }));
  for (let from = 0; from < orders.length; from += 10) {
    const { delivery } = from % 20 === 0 ? one : two;
    await delivery.deliver({ orders: orders.slice(from, from + 10) });
  }
  const lastReports = () => [...one.sessions.reports, ...two.sessions.reports];
  const isSent = (id: string) =>
    lastReports().some(
      ({ delivery }) => delivery?.deliveryId === id && delivery.state === DeliverySummary_State.SENT,
    );
  await until(() => orders.every(({ deliveryId }) => isSent(deliveryId)));
  expect(tags()).toHaveLength(500);
  expect(new Set(tags()).size).toBe(500);
  for (let chat = 0; chat < 25; chat += 1) {
    expect(tagsIn(`wr${chat}`)).toEqual(tagsIn(`wr${chat}`).sort());
  }
  expect(wecom.identicalAtOnce).toBe(0);
  expect(lastReports()).toHaveLength(500);
}, 120_000);

/** Stores questions as a replica does that dies before it sends any. */
async function put(...questions: { id: string; chatId: string }[]) {
  const store = await openPostgresDeliveryStore({ url: databaseUrl, vault: VAULT, log: silentLog });
  const nowMs = Date.now();
  const deliveries = questions.map(({ id, chatId }) => ({
    tenantId: DEFAULT_TENANT,
    id,
    sessionId: `session of ${id}`,
    channelId: "wecom-robot",
    chatId,
    chatType: ChatType.GROUP,
    line: chatId,
    parts: [{ kind: "text" as const, text: `[#${id} demo]`, mentions: [] }],
    isSecret: false,
    state: Delivery_State.QUEUED,
    reason: "",
    nextTimeMs: nowMs,
    giveUpTimeMs: nowMs + 600_000,
    report: false,
  }));
  await store.insert(deliveries, nowMs);
  await store.close();
}

/** A vendor that leaves the first call without an answer, though people see the message. */
const hangOnce = ({ number }: { number: number }): Fault | undefined =>
  number === 1 ? { kind: "hang", shown: true } : undefined;

const UNKNOWN_THEN_DELIVERED = [
  { number: 1, outcome: Attempt_Outcome.UNKNOWN },
  { number: 2, outcome: Attempt_Outcome.DELIVERED },
];

test("R4, F1: what a killed replica was sending is UNKNOWN, and another one sends it again with the same tag", async () => {
  wecom.decide(hangOnce);
  const { child } = await startProcess();
  await put({ id: "aaaaaaaa", chatId: "wr1" });
  await until(() => wecom.calls.length === 1);
  child.kill("SIGKILL");
  await using one = await open();
  const delivery = await sent(one, "aaaaaaaa");
  expect(delivery.attempts).toMatchObject(UNKNOWN_THEN_DELIVERED);
  expect(tags()).toEqual(["aaaaaaaa", "aaaaaaaa"]);
  await until(() => one.sessions.last("aaaaaaaa")?.state === DeliverySummary_State.SENT);
}, 120_000);

test("F4: a replica that stands still for longer than its lease is fenced, and the others go on", async () => {
  wecom.decide(hangOnce);
  const { child, said } = await startProcess();
  await put({ id: "aaaaaaaa", chatId: "wr1" }, { id: "bbbbbbbb", chatId: "wr1" });
  await until(() => wecom.calls.length === 1);
  child.kill("SIGSTOP");
  await using one = await open();
  const elsewhere = order({}, { chatId: "wr2" });
  await one.delivery.deliver({ orders: [elsewhere] });
  await sent(one, elsewhere.deliveryId);
  expect(tagsIn("wr1")).toEqual(["aaaaaaaa"]);

  const before = await sent(one, "aaaaaaaa");
  await sent(one, "bbbbbbbb");
  expect(before.attempts).toMatchObject(UNKNOWN_THEN_DELIVERED);
  child.kill("SIGCONT");
  await until(() => said().includes("another process has this delivery now"));
  expect((await one.delivery.getDelivery({ deliveryId: "aaaaaaaa" })).delivery).toEqual(before);
  expect(tagsIn("wr1")).toEqual(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"]);
}, 120_000);

test("F1, F12: with a replica killed and the database restarted, all questions are shown, copies only of what was under way", async () => {
  const { child } = await startProcess();
  await using one = await open();
  const orders = Array.from({ length: 300 }, (_, index) => order({}, { chatId: `wr${index % 30}` }));
  await one.delivery.deliver({ orders: orders.slice(0, 150) });
  await until(() => wecom.messages.length > 30);
  child.kill("SIGKILL");
  await one.delivery.deliver({ orders: orders.slice(150) });
  await until(() => wecom.messages.length > 100);
  await server.kill("SIGQUIT");
  await server.restart();
  for (const { deliveryId } of orders) {
    await until(() => one.delivery.getDelivery({ deliveryId }).then(isSent, () => false));
  }
  const shown = tags();
  expect(new Set(shown).size).toBe(300);
  // What the killed one and the other one had under way: 16 each.
  expect(shown.length).toBeLessThanOrEqual(300 + 32);
  for (let chat = 0; chat < 30; chat += 1) {
    const inChat = [...new Set(tagsIn(`wr${chat}`))];
    expect(inChat).toEqual([...inChat].sort());
  }
}, 120_000);

function isSent({ delivery }: { delivery?: { state: Delivery_State } }): boolean {
  return delivery?.state === Delivery_State.SENT;
}

test("I9, F17: a relay's messages go out where it is attached, whichever replica has them, and its newest stream wins", async () => {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(disposable(createInProcessBus({ log: silentLog })));
  const environment = { BOT_KEY: "", HIL_MODE: "relay", HIL_RELAY_PORT: "0" };
  const replica = () => openReplica({ databaseUrl, vendorUrl: wecom.url, key: KEY, bus, environment });
  const one = stack.use(await replica());
  const two = stack.use(await replica());
  const attach = async ({ relayPort }: Replica) => {
    const relay = stack.use(openRawRelay(relayPort!, { token: "relay/_default/plant" }));
    relay.answer = delivered;
    await relay.hello();
    return relay;
  };
  const deliver = async ({ delivery }: Replica) => {
    const given = order({}, { chatId: "wr" });
    await delivery.deliver({ orders: [given] });
    return given.deliveryId!;
  };
  const target = { channelId: "wecom-robot", chatId: "wr" };

  const first = await attach(one);
  await sent(two, await deliver(two));
  const { attempt } = await two.delivery.testChannel({ target });
  expect(attempt?.outcome).toBe(Attempt_Outcome.DELIVERED);
  expect(first.commands).toHaveLength(2);

  const second = await attach(two);
  const superseded = await first.ended;
  expect(reasonOf(superseded)).toBe(ErrorReason.RELAY_SUPERSEDED);
  expect(metadataOf(superseded!)).toEqual({
    relay_name: "plant",
    epoch: "2",
    instance_id: second.instanceId,
  });
  await sent(one, await deliver(one));
  expect(second.commands).toHaveLength(1);

  // A stream that is lost leaves what it had to the next one, on whichever replica.
  second.answer = undefined;
  const deliveryId = await deliver(one);
  await until(() => second.commands.length === 2);
  second.cut();
  const third = await attach(one);
  const { attempts } = await sent(two, deliveryId);
  expect(third.commands.map(({ commandId }) => commandId)).toEqual([second.commands[1]!.commandId]);
  expect(attempts.map(({ outcome }) => outcome)).toEqual([
    Attempt_Outcome.UNKNOWN,
    Attempt_Outcome.DELIVERED,
  ]);
});

function disposable(bus: EventBus): EventBus & AsyncDisposable {
  return { ...bus, [Symbol.asyncDispose]: () => bus.close() };
}
