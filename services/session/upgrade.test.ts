// What the version before tenants wrote.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Event_Type,
  type Session,
  Session_Outcome,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { firstIdOf } from "./session-conditions.ts";
import type { SessionStore } from "./session-store.ts";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";
import { startUpgrade } from "./upgrade-rows.ts";
import { SEES_EVERYTHING } from "./visibility.ts";

const start = Date.parse("2026-11-20T10:00:00Z");
const chat = { channelId: "wecom-robot", chatId: "c1" };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-upgrade-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const sessionOf = (n: number, state: Session_State, outcome: Session_Outcome): Session =>
  create(SessionSchema, {
    id: `${firstIdOf(start + n)}-7000-8000-000000000000`,
    shortId: `0000000${n}`,
    tenantId: "_default",
    body: `question ${n}`,
    interaction: { kind: { case: "text", value: {} } },
    audience: { targets: [chat] },
    state,
    outcome,
    version: state === Session_State.OPEN ? 1n : 2n,
    asker: { principalId: "owner" },
    createTime: timestampFromMs(start + n),
    updateTime: timestampFromMs(start + n),
  });

const ENDS: Partial<Record<Session_State, Event_Type>> = {
  [Session_State.ANSWERED]: Event_Type.ANSWERED,
  [Session_State.EXPIRED]: Event_Type.EXPIRED,
  [Session_State.CANCELLED]: Event_Type.CANCELLED,
  [Session_State.UNDELIVERABLE]: Event_Type.UNDELIVERABLE,
};

/** The database of that version, with one session of each kind. */
async function writeOldDatabase(): Promise<Session[]> {
  const migrations = join(folder, "migrations");
  mkdirSync(migrations);
  copyFileSync(
    join(import.meta.dirname, "migrations", "0001_sessions.sql"),
    join(migrations, "0001_sessions.sql"),
  );
  const db = new Sqlite({ path: join(folder, "session.db"), migrations, log: silentLog });
  const sessions = [
    sessionOf(0, Session_State.OPEN, Session_Outcome.UNSPECIFIED),
    sessionOf(1, Session_State.ANSWERED, Session_Outcome.ANSWERED),
    sessionOf(2, Session_State.ANSWERED, Session_Outcome.REJECTED),
    sessionOf(3, Session_State.EXPIRED, Session_Outcome.EXPIRED),
    sessionOf(4, Session_State.CANCELLED, Session_Outcome.CANCELLED),
    sessionOf(5, Session_State.UNDELIVERABLE, Session_Outcome.UNDELIVERABLE),
  ];
  await db.write(() => {
    db.sql("UPDATE log_start SET cursor = 7").run();
    let cursor = 7;
    for (const [n, session] of sessions.entries()) {
      const version = Number(session.version);
      db.sql(
        `INSERT INTO session (tenant_id, id, short_id, state, version, asker_id, project_name, correlation_id,
           is_notice, untaken, resource) VALUES (?, ?, ?, ?, ?, 'owner', 'p', '', 0, 0, ?)`,
      ).run(
        "_default",
        session.id,
        session.shortId,
        session.state,
        version,
        toBinary(SessionSchema, session),
      );
      db.sql("INSERT INTO session_chat (tenant_id, channel_id, chat_id, session_id) VALUES (?, ?, ?, ?)").run(
        "_default",
        chat.channelId,
        chat.chatId,
        session.id,
      );
      const log = (type: Event_Type, at: number, timeMs: number) =>
        db
          .sql(
            "INSERT INTO event (cursor, tenant_id, session_id, version, type, time, to_chats) VALUES (?, ?, ?, ?, ?, ?, 1)",
          )
          .run(++cursor, "_default", session.id, at, type, timeMs);
      log(Event_Type.CREATED, 1, start + n);
      const end = ENDS[session.state];
      if (end) log(end, 2, start + n + 1_000);
    }
    db.sql("INSERT INTO outbox_consumer (name, cursor) VALUES ('delivery', ?)").run(cursor - 1);
  });
  db.close();
  return sessions;
}

const open = (): SessionStore =>
  openSqliteSessionStore({
    dataDir: folder,
    vault: openVault({ dataDir: folder, environment: {} }),
    log: silentLog,
  });

test("I16: what an earlier version wrote is found, counted, watched from its old cursors and cleaned up", async () => {
  const sessions = await writeOldDatabase();
  const store = open();
  try {
    for (const session of sessions) expect(await store.get("_default", session.id)).toEqual(session);
    const upgrade = startUpgrade({ store, log: silentLog });
    const outcomes = async () =>
      (await store.figures("_default", "", "g", 10)).map((each) => [each.outcome, each.endTimeMs]);
    await vi.waitUntil(async () => (await outcomes())[2]![0] === Session_Outcome.REJECTED);
    await upgrade.close();
    expect(await outcomes()).toEqual([
      [Session_Outcome.UNSPECIFIED, undefined],
      [Session_Outcome.ANSWERED, start + 1_001],
      [Session_Outcome.REJECTED, start + 1_002],
      [Session_Outcome.EXPIRED, start + 1_003],
      [Session_Outcome.CANCELLED, start + 1_004],
      [Session_Outcome.UNDELIVERABLE, start + 1_005],
    ]);
    expect(await store.upgradeRows(10)).toBe(0);
    const forReply = await store.findForReply({ kind: "chat", ...chat }, 10);
    expect(forReply.map((each) => each.body)).toEqual(["question 0"]);

    const end = 7 + 11;
    expect(await store.cursor("_default")).toBe(end);
    expect((await store.changesAfter("_default", end - 2, 10, SEES_EVERYTHING)).changes).toHaveLength(1);
    expect((await store.changesAfter("_default", 6, 10, SEES_EVERYTHING)).reset).toBe(true);
    expect((await store.changesAfter("_default", 7, 10, SEES_EVERYTHING)).changes).toHaveLength(6);
    const outbox = await store.openOutbox("delivery");
    await outbox.hand(10, async (events) => {
      expect(events.map((event) => event.type)).toEqual([Event_Type.UNDELIVERABLE]);
    });
    await outbox.close();

    expect(await store.tenants()).toEqual(["_default"]);
    expect(await store.deleteEndedBefore("_default", start + 1_003, 10)).toBe(2);
    expect(await store.list("_default", everything())).toHaveLength(4);
  } finally {
    await store.close();
  }
});

const everything = () => ({
  viewer: SEES_EVERYTHING,
  states: [],
  projectName: "",
  correlationId: "",
  label: undefined,
  chat: undefined,
  shortId: "",
  createdAfterMs: undefined,
  createdBeforeMs: undefined,
  askerId: undefined,
  untakenOnly: false,
  withoutNotices: false,
  beforeId: undefined,
  limit: 10,
});
