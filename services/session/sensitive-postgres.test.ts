import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Reply_Disposition, Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { expect, test } from "vitest";
import type { SessionStore } from "./session-store.ts";
import { openPostgresSessionStore } from "./session-store-postgres.ts";

const CANARY = "canary-8d1f6c2e";
const now = Date.parse("2026-11-21T10:00:00Z");

const sessionOf = (sensitive: boolean) =>
  create(SessionSchema, {
    id: uuidV7(now),
    shortId: sensitive ? "00000001" : "00000002",
    tenantId: "t1",
    body: `${CANARY} body`,
    state: Session_State.OPEN,
    version: 1n,
    sensitive,
    createTime: timestampFromMs(now),
    updateTime: timestampFromMs(now),
  });
/** Asks, with a picture, and says something about a reply. */
const live = async (store: SessionStore, sensitive: boolean) => {
  const session = sessionOf(sensitive);
  await store.create({ session, request: undefined, attachments: [Buffer.from(`${CANARY} picture`)] });
  await store.submitReply("t1", session.id, `in-${sensitive}`, "x", () => ({
    kind: "keep",
    result: { disposition: Reply_Disposition.INVALID, guidance: `${CANARY} guidance` },
  }));
  return session.id;
};

test("what a sensitive session's people wrote is in PostgreSQL in sealed form only, and a new master key wraps it anew", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase("sensitive");
  const dataDir = mkdtempSync(join(tmpdir(), "hil-sensitive-"));
  const [before, after] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
  const open = (environment: NodeJS.ProcessEnv) =>
    openPostgresSessionStore({ url, vault: openVault({ dataDir, environment }), log: silentLog });
  /** The tables whose rows have the word in them, in any column. */
  const tablesWith = async (word: string) => {
    const client = new pg.Client({ connectionString: url, options: "-c search_path=session" });
    await client.connect();
    const { rows: tables } = await client.query(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'session' ORDER BY tablename",
    );
    const found: string[] = [];
    for (const { tablename } of tables) {
      const { rows } = await client.query(`SELECT * FROM ${tablename}`);
      const has = (value: unknown) =>
        value instanceof Buffer ? value.includes(word) : String(value).includes(word);
      if (rows.some((row) => Object.values(row).some(has))) found.push(tablename);
    }
    await client.end();
    return found;
  };
  const check = async (store: SessionStore, id: string) => {
    expect((await store.get("t1", id))!.body).toBe(`${CANARY} body`);
    expect(Buffer.from((await store.attachment("t1", id, 1))!).toString()).toBe(`${CANARY} picture`);
    const again = await store.submitReply("t1", id, "in-true", "x", () => {
      throw new Error("must not be asked again");
    });
    expect(again!.guidance).toBe(`${CANARY} guidance`);
  };

  let store = await open({ HIL_MASTER_KEY: before });
  const id = await live(store, true);
  expect(await tablesWith(CANARY)).toEqual([]);
  await check(store, id);
  expect(await store.upgradeRows(10)).toBe(0);
  const bytes = await store.attachmentBytes("t1");
  await store.close();

  store = await open({ HIL_MASTER_KEY: `${after},${before}` });
  await check(store, id);
  let rows = 0;
  for (let some = 1; some > 0; rows += some) some = await store.upgradeRows(10);
  expect(rows).toBe(3);
  expect(await store.attachmentBytes("t1")).toBe(bytes);
  await store.close();

  store = await open({ HIL_MASTER_KEY: after });
  await check(store, id);
  await live(store, false);
  expect(await tablesWith(CANARY), "the search above can fail").toEqual([
    "attachment",
    "session",
    "submitted_reply",
  ]);
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});
