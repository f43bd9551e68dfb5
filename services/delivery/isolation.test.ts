import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { checkTenantFilters } from "@hil/platform/testing/tenant-filters.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteDeliveryStore } from "./delivery-store-sqlite.ts";
import { order, startDelivery } from "./testing/start-delivery.ts";
import { operationsOf, type Seen, see, TENANTS } from "./testing/two-tenants.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-isolation-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const newStore = () => {
  const dataDir = mkdtempSync(join(folder, "store-"));
  return (vault: Vault) => openSqliteDeliveryStore({ dataDir, vault, log: silentLog });
};

async function alone(groups: ReturnType<typeof operationsOf>): Promise<Seen> {
  const seen: Seen = new Map();
  for (const tenantId of TENANTS) {
    for (const [id, own] of await see(newStore, groups, { tenantIds: [tenantId] })) seen.set(id, own);
  }
  return seen;
}

test("S3, I6: over 100,000 operations of two tenants with the same ids, each sees what it sees alone", async () => {
  const groups = operationsOf(7, 100_000);
  const together = await see(newStore, groups, { expected: await alone(groups) });
  expect(TENANTS.flatMap((tenantId) => together.get(tenantId)!).length).toBeGreaterThan(99_000);
}, 300_000);

test("I6: a store without any one of its tenant filters is noticed", async () => {
  const groups = operationsOf(11, 3_000);
  const expected = await alone(groups);
  const report = await checkTenantFilters({
    sources: ["delivery-store-sqlite.ts", "channel-store-sqlite.ts", "relay/relay-store-sqlite.ts"].map(
      (name) => join(import.meta.dirname, name),
    ),
    async suite() {
      await see(newStore, groups, { expected });
    },
  });
  expect(report.unnoticed).toEqual([]);
  expect(report.unreached).toEqual([]);
  expect(report.removed).toBeGreaterThan(15);
  // What works over all tenants, and nothing else.
  expect(report.unfiltered).toEqual([
    "SELECT tenant_id FROM audit_head",
    expect.stringMatching(/^WITH RECURSIVE tenant /),
    expect.stringMatching(/^SELECT DISTINCT tenant_id, channel_id, line FROM delivery/),
    expect.stringMatching(/^SELECT \* FROM delivery WHERE unreported = 1/),
    expect.stringMatching(/^SELECT tenant_id, id, secret FROM channel WHERE substr\(secret/),
    expect.stringMatching(
      /^SELECT \* FROM delivery WHERE \(state IN \(1, 4\) OR state = 2\) AND typeof\(parts\)/,
    ),
    "SELECT * FROM delivery WHERE state = 2",
    "UPDATE channel_health SET broken = 0",
    expect.stringMatching(/^UPDATE relay SET detach_time = heard_time/),
  ]);
}, 300_000);

test("I6: two tenants with the same delivery, session and notice ids do not touch each other", async () => {
  await using bench = await startDelivery({ environment: { WECOM_ROBOT_MESSAGES_PER_MINUTE: "1" } });
  const [a, b] = [bench.for("a"), bench.for("b")];
  const given = order({ tenantId: "a", body: "of a" }, { chatId: "wrA" });
  const same = {
    ...given,
    session: { ...given.session, tenantId: "b", body: "of b" },
    target: { ...given.target, chatId: "wrB" },
  };
  await a.deliver({ orders: [given] });
  await b.deliver({ orders: [same] });
  await bench.until(() => bench.wecom.messages.length === 2);
  expect(bench.wecom.messages.map(({ chatId, text }) => [chatId, text.split("\n")[1]]).sort()).toEqual([
    ["wrA", "of a"],
    ["wrB", "of b"],
  ]);
  await bench.until(() => bench.sessions.reports.length >= 2);
  expect(new Set(bench.sessions.reports.map(({ tenantId }) => tenantId))).toEqual(new Set(["a", "b"]));

  // The end of one tenant's session leaves the other's second message where it is.
  const [second, sameSecond] = [given, same].map((each) => ({ ...each, deliveryId: "second" }));
  await a.deliver({ orders: [second!] });
  await b.deliver({ orders: [sameSecond!] });
  await a.updateDelivered({ sessions: [{ ...given.session, state: Session_State.CANCELLED }] });
  const stateOf = async (client: typeof a) =>
    (await client.getDelivery({ deliveryId: "second" })).delivery?.state;
  expect(await stateOf(a)).toBe(Delivery_State.SUPPRESSED);
  expect(await stateOf(b)).toBe(Delivery_State.QUEUED);
});

test("I6: a call for one tenant that holds another's session is refused as a whole", async () => {
  await using bench = await startDelivery();
  const orders = [order({ tenantId: "a" }), order({ tenantId: "b" })];
  for (const call of [
    bench.for("a").deliver({ orders }),
    bench.for("a").updateDelivered({ sessions: orders.map(({ session }) => session) }),
  ]) {
    expect(reasonOf(await call.catch((error: unknown) => error))).toBe(ErrorReason.TENANT_MISMATCH);
  }
  expect((await bench.for("a").listDeliveries({})).deliveries).toEqual([]);
});

test("I6: another tenant's delivery, and a page token of its list, are as if there were none", async () => {
  await using bench = await startDelivery({ environment: { BOT_KEY: "" } });
  const orders = Array.from({ length: 3 }, () => order({ tenantId: "a" }));
  await bench.for("a").deliver({ orders });
  const { nextPageToken } = await bench.for("a").listDeliveries({ pageSize: 1 });
  const b = bench.for("b");
  expect((await b.listDeliveries({})).deliveries).toEqual([]);
  for (const [call, reason] of [
    [b.getDelivery({ deliveryId: orders[0]!.deliveryId }), ErrorReason.DELIVERY_NOT_FOUND],
    [b.listDeliveries({ pageToken: nextPageToken }), ErrorReason.PAGE_TOKEN_INVALID],
  ] as const) {
    expect(reasonOf(await call.catch((error: unknown) => error))).toBe(reason);
  }
  // Nothing in a tenant's token grows with what others send.
  await b.deliver({ orders: [order({ tenantId: "b" })] });
  expect((await bench.for("a").listDeliveries({ pageSize: 1 })).nextPageToken).toBe(nextPageToken);
});

test("I6: a picture is asked for in the name of its session's tenant", async () => {
  await using bench = await startDelivery();
  const given = order({ tenantId: "a", attachments: [{ number: 1 }] });
  await bench.for("a").deliver({ orders: [given] });
  await bench.until(() => bench.sessions.picturesOf.length > 0);
  expect(bench.sessions.picturesOf[0]).toBe("a");
});

test("I6: one tenant whose reports are not taken keeps no other's", async () => {
  await using bench = await startDelivery({ environment: { BOT_KEY: "" } });
  bench.sessions.refuseReports = (tenantId) =>
    tenantId === "a" ? new ConnectError("away", Code.Unavailable) : undefined;
  const orders = Array.from({ length: 500 }, () => order({ tenantId: "a" }));
  await bench.for("a").deliver({ orders });
  const other = order({ tenantId: "b" });
  await bench.for("b").deliver({ orders: [other] });
  await bench.until(() => bench.sessions.last(other.deliveryId));
  expect(new Set(bench.sessions.reports.map(({ tenantId }) => tenantId))).toEqual(new Set(["b"]));
  bench.sessions.refuseReports = undefined;
  await bench.until(() => bench.sessions.reports.length >= 501);
});

test("F25: a tenant with hundreds of chats to write to delays another's message by one turn", async () => {
  await using bench = await startDelivery();
  const busy = Promise.withResolvers<undefined>();
  bench.wecom.decide(() => busy.promise);
  const noisy = Array.from({ length: 300 }, (_, index) =>
    order({ tenantId: "noisy" }, { chatId: `wr${index}` }),
  );
  await bench.for("noisy").deliver({ orders: noisy });
  await bench.until(() => bench.wecom.calls.length === 16); // as many as the channel sends at once
  const quiet = order({ tenantId: "quiet" }, { chatId: "wrQuiet" });
  await bench.for("quiet").deliver({ orders: [quiet] });
  busy.resolve(undefined);
  await bench.until(() => bench.wecom.messages.length === 301);
  const place = bench.wecom.calls.findIndex(({ payload }) => payload.chatId === "wrQuiet");
  expect(place).toBeGreaterThanOrEqual(16);
  expect(place).toBeLessThan(20);
});
