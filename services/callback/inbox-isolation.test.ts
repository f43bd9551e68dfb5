// I6 in the inbox: no tenant reads or changes what is another's, whatever ids, chats and people they have in common.
//
// The second test takes one tenant's filter after the other out of the SQL of SQLite and asks that the first would have
// failed. The third takes all out of that of PostgreSQL, where row-level security alone must hold.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Inbound_Disposition, Inbound_Kind, InboundSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { withoutTenantFilters } from "@hil/platform/testing/without-tenant-filters.ts";
import { startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterEach, expect, test, vi } from "vitest";
import { chatKeyOf, type InboxRow, type InboxStore, type NewInbound } from "./inbox-store.ts";
import { openPostgresInboxStore } from "./inbox-store-postgres.ts";
import { openSqliteInboxStore } from "./inbox-store-sqlite.ts";

const time = new Date("2026-11-20T10:00:00Z");
const later = new Date("2026-11-20T10:00:30Z");
const { DEAD, IGNORED, INVALID, UNSPECIFIED } = Inbound_Disposition;

/** The same message for whichever tenant. */
function message(channelTenantId: string, vendorMessageId = "m1"): NewInbound {
  return {
    channelTenantId,
    vendorMessage: "{}",
    bodyDigest: "d1",
    inbound: create(InboundSchema, {
      id: uuidV7(time.getTime()),
      channelId: "team-robot",
      chatId: "c1",
      sender: { userId: "lina" },
      kind: Inbound_Kind.MESSAGE,
      vendorMessageId,
      text: `words for ${channelTenantId}`,
      receiveTime: timestampFromDate(time),
    }),
  };
}

/** Every call of one tenant about what is the other's. Rejects where one has an effect. */
async function checkIsolation(store: InboxStore): Promise<void> {
  const ours = (await store.add(message("t1"))).id;
  const theirs = await store.add(message("t2"));
  expect(theirs.duplicate).toBe(false);
  const wrong = { channelTenantId: "t2", id: ours };
  const right = { channelTenantId: "t1", id: ours };
  const row = async () => (await store.get("t1", ours))?.inbound;
  const untouched = await row();
  expect(untouched).toMatchObject({ text: "words for t1", disposition: UNSPECIFIED });

  // Reading.
  expect(await store.get("t2", ours)).toBeUndefined();
  for (const query of [
    { dispositions: [], chatId: "", beforeId: "" },
    { dispositions: [UNSPECIFIED], chatId: "c1", beforeId: "ffffffff-ffff-7fff-bfff-ffffffffffff" },
  ]) {
    const seen = await store.list({ tenantId: "t2", limit: 10, ...query });
    expect(seen.map((each) => each.inbound.id)).toEqual([theirs.id]);
  }
  for (const tenantId of ["t1", "t2"]) {
    const pending = await store.firstPending(chatKeyOf(tenantId, "team-robot", "c1"));
    expect((pending as InboxRow | undefined)?.inbound.text).toBe(`words for ${tenantId}`);
  }

  // Working on what is kept.
  const settlement = { disposition: INVALID, tenantId: "t2", sessionId: "s2", guidance: "for t2" };
  await store.recordMatch(wrong, { tenantId: "t2", sessionId: "s2" });
  await store.settle(wrong, { ...settlement, text: "other words" }, time);
  await store.recordFailure(wrong, { error: "trouble of t2", attemptCount: 1, dead: true });
  expect(await row()).toEqual(untouched);
  await store.recordFailure(right, { error: "trouble of t1", attemptCount: 5, dead: true });
  expect(await store.redrive({ tenantId: "t2", id: ours, principalId: "x", time })).toBe(false);
  expect(await row()).toMatchObject({ disposition: DEAD, lastError: "trouble of t1" });
  expect(await store.redrive({ tenantId: "t1", id: ours, principalId: "x", time })).toBe(true);
  expect(await store.audit.list("t2", {}, 10)).toEqual([]);
  expect(await store.audit.list("t1", {}, 10)).toHaveLength(1);

  // Telling people.
  await store.settle(right, { ...settlement, tenantId: "t1", guidance: "for t1" }, time);
  const chatKey = chatKeyOf("t1", "team-robot", "c1");
  expect(await store.firstNotice(chatKeyOf("t2", "team-robot", "c1"))).toBeUndefined();
  await store.recordNoticeFailure(wrong, { error: "trouble of t2", attemptCount: 4 });
  await store.settleNotice(wrong, "trouble of t2");
  expect(await store.firstNotice(chatKey)).toMatchObject({
    noticeAttemptCount: 0,
    inbound: { guidance: "for t1", lastError: "" },
  });
  await store.settleNotice(right, "");

  // Keeping: another tenant's clean-up, and another's note of an answer that was written out.
  await store.settle({ channelTenantId: "t2", id: theirs.id }, { ...settlement, guidance: "" }, time);
  expect(await store.deleteSettledBefore("t2", later, 10)).toBe(1);
  expect(await row()).toBeDefined();
  const unacknowledged = await store.add(message("t1", ""));
  await store.acknowledge({ channelTenantId: "t2", id: unacknowledged.id }, time);
  expect(await store.add(message("t1", ""))).toEqual({ id: unacknowledged.id, duplicate: true });
  expect(await store.add(message("t2", ""))).toMatchObject({ duplicate: false });

  // What is matched moves to the session's tenant, and leaves the channel's.
  await store.recordMatch(
    { channelTenantId: "t1", id: unacknowledged.id },
    { tenantId: "t3", sessionId: "s3" },
  );
  expect(await store.get("t1", unacknowledged.id)).toBeUndefined();
  expect((await store.get("t3", unacknowledged.id))?.inbound.sessionId).toBe("s3");
  await store.settle(
    { channelTenantId: "t1", id: unacknowledged.id },
    { disposition: IGNORED, tenantId: "t3", sessionId: "s3", guidance: "" },
    time,
  );
  expect(
    (await store.list({ tenantId: "t3", dispositions: [], chatId: "", limit: 10, beforeId: "" })).length,
  ).toBe(1);
}

/** Runs the suite on a new file whose SQL `rewrite` changes. */
async function runWith(rewrite: (text: string) => string): Promise<void> {
  const sql = Sqlite.prototype.sql;
  vi.spyOn(Sqlite.prototype, "sql").mockImplementation(function (this: Sqlite, text) {
    return sql.call(this, rewrite(text));
  });
  const dataDir = mkdtempSync(join(tmpdir(), "hil-inbox-"));
  const vault = openVault({ dataDir, environment: {} });
  const store = openSqliteInboxStore({ dataDir, vault, log: silentLog });
  try {
    await checkIsolation(store);
  } finally {
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
    vi.restoreAllMocks();
  }
}

/** The filters by tenant in a statement: "tenant_id = ?" and its kin behind WHERE. */
const FILTER = /\b(?:channel_tenant_id|tenant_id|chat_key) = \?/g;

function filtersOf(text: string): number[] {
  const where = text.indexOf("WHERE");
  if (!/\binbound\b/.test(text) || where < 0) return [];
  return [...text.matchAll(FILTER)].map(({ index }) => index).filter((index) => index > where);
}

function without(text: string, index: number): string {
  return text.slice(0, index) + text.slice(index).replace(/^\w+ = \?/, "? IS NOT NULL");
}

afterEach(() => vi.restoreAllMocks());

test("I6: nothing that one tenant does touches or shows what is another's", async () => {
  await runWith((text) => text);
});

test("I6: without any one filter by tenant in the SQL, the test above fails", async () => {
  const statements = new Set<string>();
  await runWith((text) => {
    statements.add(text);
    return text;
  });
  const mutants = [...statements].flatMap((text) => filtersOf(text).map((index) => ({ text, index })));
  // Every method of the store that takes a tenant or a chat has one; list has one more statement.
  expect(mutants.length).toBeGreaterThanOrEqual(12);
  for (const { text, index } of mutants) {
    const survived = await runWith((each) => (each === text ? without(text, index) : each)).then(
      () => true,
      () => false,
    );
    expect(survived, `not caught: ${without(text, index)}`).toBe(false);
  }
});

test("I6: in PostgreSQL the same, and row-level security alone holds with every filter taken out", async () => {
  await using server = await startPostgres();
  const dataDir = mkdtempSync(join(tmpdir(), "hil-inbox-"));
  const vault = openVault({ dataDir, environment: {} });
  const open = async (database: string) =>
    openPostgresInboxStore({ url: await server.createDatabase(database), vault, log: silentLog });
  const filtered = await open("filtered");
  const bare = await open("bare");
  try {
    await checkIsolation(filtered);
    expect(await withoutTenantFilters(() => checkIsolation(bare))).toBeGreaterThanOrEqual(4);
  } finally {
    await filtered.close();
    await bare.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
