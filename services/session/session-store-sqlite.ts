import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  Event_Type,
  EventSchema,
  type Reply_Disposition,
  type Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import { shortId } from "@hil/platform/ids/uuid-v7.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { isUniqueViolation, Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { auditEntryOf } from "./audit-entries.ts";
import { LogTail } from "./log-tail.ts";
import { openOutboxCursor } from "./outbox-cursor.ts";
import { RecentSessions } from "./recent-sessions.ts";
import { isEnded, isNotice, isUntaken } from "./session.ts";
import { SESSION_COLUMNS, SessionCodec, type SessionRow } from "./session-codec.ts";
import { conditionsOf, seenBy } from "./session-conditions.ts";
import type {
  Changes,
  CreateResult,
  Decision,
  NewSession,
  Quota,
  SessionStore,
  SubmittedReply,
} from "./session-store.ts";
import { TenantCounts } from "./tenant-counts.ts";
import { upgradeRows } from "./upgrade-rows.ts";
import { namedBy } from "./visibility.ts";

interface EventRow {
  cursor: number;
  tenant_id: string;
  session_id: string;
  version: number;
  type: Event_Type;
  time: number;
  to_chats: number;
  tenant_cursor: number;
}

interface SubmittedReplyRow {
  session_id: string;
  disposition: Reply_Disposition;
  guidance: string | Uint8Array;
}

const INSERT_SESSION = `INSERT INTO session
  (tenant_id, id, short_id, state, version, asker_id, request_id, request_digest, project_name, correlation_id,
   is_notice, untaken, expire_time, resource, outcome, end_time, restricted, sealed)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const UPDATE_SESSION = `UPDATE session SET state = ?, version = ?, untaken = ?, expire_time = ?, resource = ?
  WHERE tenant_id = ? AND id = ?`;
// Apart from UPDATE_SESSION, which therefore leaves the indexes on outcome and end_time alone.
const END_SESSION = `UPDATE session SET state = ?, version = ?, untaken = ?, expire_time = ?, resource = ?,
  outcome = ?, end_time = ? WHERE tenant_id = ? AND id = ?`;
const CLOSE_CHATS = "UPDATE session_chat SET open = 0 WHERE tenant_id = ? AND session_id = ?";
const INSERT_EVENT = `INSERT INTO event
  (cursor, tenant_id, session_id, version, type, time, to_chats, tenant_cursor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const LAST_PLACE =
  "SELECT max((SELECT cursor FROM log_end), coalesce((SELECT max(cursor) FROM event), 0)) AS number";
/** In whose name places in the outbox are counted: they are of all tenants. */
const ALL = "";
const SELECT_SESSION = `SELECT ${SESSION_COLUMNS} FROM session WHERE tenant_id = ? AND id = ?`;
const COUNT_OPEN = `SELECT count(*) AS number FROM session WHERE tenant_id = ? AND state = ${Session_State.OPEN}`;
const SUM_ATTACHMENTS = "SELECT coalesce(sum(length(data)), 0) AS number FROM attachment WHERE tenant_id = ?";
const SUM_OF_SESSION = `${SUM_ATTACHMENTS} AND session_id = ?`;
const LAST_TENANT_CURSOR = `SELECT max(
    coalesce((SELECT max(tenant_cursor) FROM event WHERE tenant_id = ?), 0),
    coalesce((SELECT last FROM tenant_log WHERE tenant_id = ?), 0)) AS number`;
/** Sessions that need not be read back: some megabytes. */
const MOST_RECENT = 256;
/** Entries of the log that need not be read back. */
const MOST_TAIL = 1_000;
/** Tenants whose numbers need not be read again. */
const MOST_TENANTS = 10_000;
/** Short ids that are tried before giving up: with 4 billion of them, one collision is rare and eight are a fault. */
const SHORT_ID_TRIES = 8;

/** The store of the embedded form: one SQLite file. */
export function openSqliteSessionStore({
  dataDir,
  vault,
  log,
}: {
  dataDir: string;
  vault: Vault;
  log: Log;
}): SessionStore {
  const db = new Sqlite({
    path: join(dataDir, "session.db"),
    migrations: join(import.meta.dirname, "migrations"),
    log,
  });
  const codec = new SessionCodec(vault);
  const audit = new SqliteAuditLog({ db, service: "session", key: vault.auditKey, log });

  const number = (sql: string, ...values: string[]) => db.get<{ number: number }>(sql, ...values)!.number;
  const recent = new RecentSessions(MOST_RECENT);
  const tail = new LogTail<EventRow>(number(LAST_PLACE), MOST_TAIL);
  const places = new TenantCounts(() => number(LAST_PLACE), 1);
  const cursors = new TenantCounts((id) => number(LAST_TENANT_CURSOR, id, id), MOST_TENANTS);
  const openSessions = new TenantCounts((id) => number(COUNT_OPEN, id), MOST_TENANTS);
  const attachmentBytes = new TenantCounts((id) => number(SUM_ATTACHMENTS, id), MOST_TENANTS);
  const remembered = [recent, tail, places, cursors, openSessions, attachmentBytes];
  db.afterCommit(() => {
    for (const each of remembered) each.commit();
  });
  db.afterRollback(() => {
    for (const each of remembered) each.rollback();
  });

  const load = (tenantId: string, id: string): Session | undefined => {
    const row = db.get<SessionRow>(SELECT_SESSION, tenantId, id);
    return row && codec.decode(row);
  };

  const insertEvent = (session: Session, type: Event_Type): void => {
    const row = {
      cursor: places.current(ALL) + 1,
      tenant_id: session.tenantId,
      session_id: session.id,
      version: Number(session.version),
      type,
      time: timestampMs(session.updateTime!),
      to_chats: isSentToChats(session) ? 1 : 0,
      tenant_cursor: cursors.current(session.tenantId) + 1,
    };
    places.stage(ALL, row.cursor);
    cursors.stage(session.tenantId, row.tenant_cursor);
    db.sql(INSERT_EVENT).run(...Object.values(row));
    tail.stage(row);
  };

  const insertAuditEntry = (before: Session | undefined, after: Session, by: string): void => {
    const entry = auditEntryOf(before, after, by);
    if (entry) audit.append(entry);
  };

  /** Runs inside a write. */
  const decideAndStore = <T>(session: Session, by: string, decide: (session: Session) => Decision<T>): T => {
    const decision = decide(session);
    if (decision.kind === "keep") return decision.result;
    const next = decision.session;
    const values = [
      next.state,
      Number(next.version),
      isUntaken(next) ? 1 : 0,
      milliseconds(next.expireTime),
      codec.encode(next),
    ];
    if (isEnded(session) || !isEnded(next)) {
      db.sql(UPDATE_SESSION).run(...values, next.tenantId, next.id);
    } else {
      db.sql(END_SESSION).run(
        ...values,
        next.outcome,
        milliseconds(next.endTime) ?? 0,
        next.tenantId,
        next.id,
      );
      if (isSentToChats(next)) db.sql(CLOSE_CHATS).run(next.tenantId, next.id);
      openSessions.add(next.tenantId, -1);
    }
    if (decision.event !== undefined) insertEvent(next, decision.event);
    insertAuditEntry(session, next, by);
    recent.stage(next);
    return decision.result;
  };

  const insertSession = ({ session, request, attachments }: NewSession): void => {
    db.sql(INSERT_SESSION).run(
      session.tenantId,
      session.id,
      session.shortId,
      session.state,
      Number(session.version),
      session.asker?.principalId ?? "",
      request?.id ?? null,
      request ? codec.requestDigest(request.digest, session) : null,
      session.projectName,
      session.correlationId,
      isNotice(session) ? 1 : 0,
      0,
      milliseconds(session.expireTime),
      codec.encode(session),
      session.outcome,
      milliseconds(session.endTime),
      session.answerPolicy ? 1 : 0,
      session.sensitive ? 1 : 0,
    );
    for (const responder of session.answerPolicy ? namedBy(session.answerPolicy) : []) {
      db.sql("INSERT INTO session_responder (tenant_id, session_id, responder) VALUES (?, ?, ?)").run(
        session.tenantId,
        session.id,
        responder,
      );
    }
    for (const target of session.audience?.targets ?? []) {
      db.sql(
        "INSERT OR IGNORE INTO session_chat (tenant_id, channel_id, chat_id, session_id) VALUES (?, ?, ?, ?)",
      ).run(session.tenantId, target.channelId, target.chatId, session.id);
    }
    for (const [key, value] of Object.entries(session.labels)) {
      db.sql("INSERT INTO session_label (tenant_id, key, value, session_id) VALUES (?, ?, ?, ?)").run(
        session.tenantId,
        key,
        value,
        session.id,
      );
    }
    const encoded = attachments.map((data, index) => codec.encodeAttachment(data, session, index + 1));
    for (const [index, data] of encoded.entries()) {
      db.sql("INSERT INTO attachment (tenant_id, session_id, number, data) VALUES (?, ?, ?, ?)").run(
        session.tenantId,
        session.id,
        index + 1,
        data,
      );
    }
    openSessions.add(session.tenantId, 1);
    // As it is stored, which is what counts after a restart too.
    if (encoded.length > 0) attachmentBytes.add(session.tenantId, bytesOf(encoded));
  };

  /** What a new session would be too much for. Runs inside a write, so that it is exact. */
  const exceeded = ({ session, attachments, quotas }: NewSession): Quota | undefined => {
    if (!quotas) return undefined;
    const { tenantId } = session;
    if (quotas.open_sessions > 0 && openSessions.current(tenantId) >= quotas.open_sessions) {
      return "open_sessions";
    }
    const isTooMuch =
      quotas.attachment_bytes > 0 &&
      attachments.length > 0 &&
      attachmentBytes.current(tenantId) + bytesOf(attachments) > quotas.attachment_bytes;
    return isTooMuch ? "attachment_bytes" : undefined;
  };

  /** The session that holds a request id, if any. Runs inside a write. */
  const findRequest = (
    session: Session,
    request: NonNullable<NewSession["request"]>,
  ): CreateResult | undefined => {
    const row = db.get<SessionRow & { request_digest: Uint8Array }>(
      `SELECT ${SESSION_COLUMNS}, request_digest FROM session
       WHERE tenant_id = ? AND asker_id = ? AND request_id = ?`,
      session.tenantId,
      session.asker?.principalId ?? "",
      request.id,
    );
    if (!row) return undefined;
    const same = Buffer.compare(row.request_digest, codec.requestDigest(request.digest, session)) === 0;
    return { kind: same ? "existing" : "conflict", session: codec.decode(row) };
  };

  const readLog = (onlyToChats: boolean, afterCursor: number, limit: number) => {
    db.assertUsable(); // as get()
    const end = tail.end;
    const newest = tail.after(afterCursor);
    const rows = newest
      ? newest.filter((row) => !onlyToChats || row.to_chats === 1).slice(0, limit)
      : // Spelt out, so that SQLite uses the index of the few that go to chats.
        db.all<EventRow>(
          `SELECT * FROM event WHERE cursor > ? ${onlyToChats ? "AND to_chats = 1" : ""} ORDER BY cursor LIMIT ?`,
          afterCursor,
          limit,
        );
    // A full page may have left entries behind; otherwise everything up to the end was seen.
    return { events: rows.map(eventOf), cursor: rows.length === limit ? rows.at(-1)!.cursor : end };
  };

  return {
    create(newSession) {
      let { session } = newSession;
      return db.write((): CreateResult => {
        const known = newSession.request && findRequest(session, newSession.request);
        if (known) return known;
        const quota = exceeded(newSession);
        if (quota) return { kind: "over_quota", quota, limit: newSession.quotas![quota] };
        for (let tries = 1; ; tries++) {
          try {
            insertSession({ ...newSession, session });
            break;
          } catch (error) {
            if (tries === SHORT_ID_TRIES || !isUniqueViolation(error) || !isShortIdTaken(db, session.shortId))
              throw error;
            session = { ...session, shortId: shortId() };
          }
        }
        insertEvent(session, Event_Type.CREATED);
        insertAuditEntry(undefined, session, session.asker?.principalId ?? "");
        recent.stage(session);
        return { kind: "created", session };
      });
    },

    async hasRequest(tenantId, askerId, requestId) {
      const row = db.get(
        "SELECT 1 FROM session WHERE tenant_id = ? AND asker_id = ? AND request_id = ?",
        tenantId,
        askerId,
        requestId,
      );
      return row !== undefined;
    },

    async get(tenantId, id) {
      db.assertUsable(); // what is remembered must not outlive what it stands for
      return recent.committed(tenantId, id) ?? load(tenantId, id);
    },

    change(tenantId, id, by, decide) {
      return db.write(() => {
        const session = recent.current(tenantId, id) ?? load(tenantId, id);
        return session && decideAndStore(session, by, decide);
      });
    },

    submitReply(tenantId, id, inboundId, by, decide) {
      return db.write((): SubmittedReply | undefined => {
        const known = db.get<SubmittedReplyRow>(
          "SELECT session_id, disposition, guidance FROM submitted_reply WHERE tenant_id = ? AND inbound_id = ?",
          tenantId,
          inboundId,
        );
        if (known) {
          return {
            sessionId: known.session_id,
            disposition: known.disposition,
            guidance: codec.decodeGuidance(known.guidance, tenantId, inboundId),
          };
        }
        const session = recent.current(tenantId, id) ?? load(tenantId, id);
        if (!session) return undefined;
        const { disposition, guidance } = decideAndStore(session, by, decide);
        db.sql(
          "INSERT INTO submitted_reply (tenant_id, inbound_id, session_id, disposition, guidance) VALUES (?, ?, ?, ?, ?)",
        ).run(tenantId, inboundId, id, disposition, codec.encodeGuidance(guidance, session, inboundId));
        return { sessionId: id, disposition, guidance };
      });
    },

    async list(tenantId, query) {
      const { where, values } = conditionsOf(tenantId, query);
      const rows = db.all<SessionRow>(
        `SELECT ${SESSION_COLUMNS} FROM session WHERE ${where.join(" AND ")} ORDER BY id DESC LIMIT ?`,
        ...values,
        query.limit,
      );
      return rows.map((row) => codec.decode(row));
    },

    async events(tenantId, id, afterVersion, limit) {
      return db
        .all<EventRow>(
          "SELECT * FROM event WHERE tenant_id = ? AND session_id = ? AND version > ? ORDER BY version LIMIT ?",
          tenantId,
          id,
          afterVersion,
          limit,
        )
        .map(eventOf);
    },

    async attachment(tenantId, id, number) {
      const row = db.get<{ data: Uint8Array; sealed: number }>(
        `SELECT data, sealed FROM attachment
         JOIN session ON session.tenant_id = attachment.tenant_id AND session.id = attachment.session_id
         WHERE attachment.tenant_id = ? AND session_id = ? AND number = ?`,
        tenantId,
        id,
        number,
      );
      return row && codec.decodeAttachment(row.data, row.sealed === 1, tenantId, id, number);
    },

    async cursor(tenantId) {
      return cursors.committed(tenantId);
    },

    async changesAfter(tenantId, cursor, limit, viewer): Promise<Changes> {
      const end = cursors.committed(tenantId);
      const start =
        db.get<{ start: number }>("SELECT start FROM tenant_log WHERE tenant_id = ?", tenantId)?.start ?? 0;
      if (cursor < start || cursor > end) return { changes: [], cursor: end, reset: true };
      const seen = seenBy(tenantId, viewer);
      const rows = db.all<SessionRow & { last: number }>(
        `SELECT ${SESSION_COLUMNS}, changed.last FROM
           (SELECT session_id, max(tenant_cursor) AS last FROM event
            WHERE event.tenant_id = ? AND tenant_cursor > ? GROUP BY session_id) changed
         JOIN session ON session.tenant_id = ? AND session.id = changed.session_id
         ${seen ? `WHERE ${seen.where.join(" AND ")}` : ""} ORDER BY changed.last LIMIT ?`,
        tenantId,
        cursor,
        tenantId,
        ...(seen?.values ?? []),
        limit,
      );
      const changes = rows.map((row) => ({ session: codec.decode(row), cursor: row.last }));
      // A full page may have left later changes behind; otherwise everything up to the end was seen.
      return { changes, cursor: rows.length === limit ? rows.at(-1)!.last : end, reset: false };
    },

    async figures(tenantId, afterId, beforeId, limit) {
      return db
        .all<{ id: string; project_name: string; outcome: number | null; end_time: number | null }>(
          `SELECT id, project_name, outcome, end_time FROM session INDEXED BY session_statistics
           WHERE tenant_id = ? AND id > ? AND id < ? ORDER BY id LIMIT ?`,
          tenantId,
          afterId,
          beforeId,
          limit,
        )
        .map((row) => ({
          id: row.id,
          projectName: row.project_name,
          outcome: (row.outcome ?? Session_Outcome.ANSWERED) as Session_Outcome, // of an earlier version, not read again yet
          endTimeMs: row.end_time ?? undefined,
        }));
    },

    async openSessions(tenantId) {
      return openSessions.committed(tenantId);
    },

    async attachmentBytes(tenantId) {
      return attachmentBytes.committed(tenantId);
    },

    audit,

    async versions(keys) {
      return keys.flatMap(({ tenantId, id }) => {
        const row = db.get<{ version: number; state: Session_State }>(
          "SELECT version, state FROM session WHERE tenant_id = ? AND id = ?",
          tenantId,
          id,
        );
        return row ? [{ tenantId, id, version: row.version, ended: row.state !== Session_State.OPEN }] : [];
      });
    },

    async findForReply(clue, limit) {
      const rows =
        clue.kind === "short_id"
          ? db.all<SessionRow>(
              `SELECT ${SESSION_COLUMNS} FROM session WHERE short_id = ? LIMIT ?`,
              clue.shortId,
              limit,
            )
          : db.all<SessionRow>(
              `SELECT session.tenant_id, id, resource, sealed FROM session_chat
               JOIN session ON session.tenant_id = session_chat.tenant_id AND session.id = session_chat.session_id
               WHERE open = 1 AND channel_id = ? AND chat_id = ? ORDER BY session_id LIMIT ?`,
              clue.channelId,
              clue.chatId,
              limit,
            );
      return rows.map((row) => codec.decode(row));
    },

    async due(nowMs, limit) {
      return db
        .all<{ tenant_id: string; id: string }>(
          `SELECT tenant_id, id FROM session WHERE state = ${Session_State.OPEN} AND expire_time IS NOT NULL
           AND expire_time <= ? ORDER BY expire_time LIMIT ?`,
          nowMs,
          limit,
        )
        .map((row) => ({ tenantId: row.tenant_id, id: row.id }));
    },

    async tenants() {
      // One step in the index for each tenant, however many sessions it has.
      const rows = db.all<{ tenant_id: string }>(
        `WITH RECURSIVE tenant (tenant_id) AS (
           SELECT min(tenant_id) FROM session
           UNION ALL
           SELECT (SELECT min(session.tenant_id) FROM session WHERE session.tenant_id > tenant.tenant_id)
           FROM tenant WHERE tenant.tenant_id IS NOT NULL)
         SELECT tenant_id FROM tenant WHERE tenant_id IS NOT NULL`,
      );
      return rows.map((row) => row.tenant_id);
    },

    async deleteEndedBefore(tenantId, timeMs, limit) {
      const deleted = await db.write(() => {
        const ended = db.all<{ id: string }>(
          "SELECT id FROM session WHERE tenant_id = ? AND end_time < ? ORDER BY end_time LIMIT ?",
          tenantId,
          timeMs,
          limit,
        );
        let start = 0;
        for (const { id } of ended) {
          const last = db.get<{ cursor: number | null }>(
            "SELECT max(tenant_cursor) AS cursor FROM event WHERE tenant_id = ? AND session_id = ?",
            tenantId,
            id,
          )?.cursor;
          start = Math.max(start, last ?? 0);
          attachmentBytes.add(tenantId, -number(SUM_OF_SESSION, tenantId, id));
          recent.stageDeletion(tenantId, id);
          db.sql("DELETE FROM event WHERE tenant_id = ? AND session_id = ?").run(tenantId, id);
          db.sql("DELETE FROM session WHERE tenant_id = ? AND id = ?").run(tenantId, id);
        }
        if (ended.length > 0) {
          db.sql("UPDATE log_end SET cursor = ?").run(places.current(ALL));
          db.sql(
            `INSERT INTO tenant_log (tenant_id, start, last) VALUES (?, ?, ?) ON CONFLICT (tenant_id)
             DO UPDATE SET start = max(start, excluded.start), last = max(last, excluded.last)`,
          ).run(tenantId, start, cursors.current(tenantId));
        }
        return ended.length;
      });
      if (deleted > 0) tail.clear(number(LAST_PLACE));
      return deleted;
    },

    upgradeRows: (limit) => db.write(() => upgradeRows(db, codec, limit)),

    async allOpenSessions() {
      return db.get<{ open: number }>(
        `SELECT count(*) AS open FROM session WHERE state = ${Session_State.OPEN}`,
      )!.open;
    },

    async openOutbox(line) {
      return openOutboxCursor({
        start:
          db.get<{ cursor: number }>("SELECT cursor FROM outbox_consumer WHERE name = ?", line)?.cursor ?? 0,
        read: (after, limit) => readLog(line === "delivery", after, limit),
        backlog: (after) => {
          const only = line === "delivery" ? "AND to_chats = 1" : "";
          const { events, oldest } = db.get<{ events: number; oldest: number | null }>(
            `SELECT count(*) AS events, min(time) AS oldest FROM event WHERE cursor > ? ${only}`,
            after,
          )!;
          return { events, oldestTimeMs: oldest ?? undefined };
        },
        confirm: (cursor) =>
          db.write(() => {
            db.sql(
              `INSERT INTO outbox_consumer (name, cursor) VALUES (?, ?)
               ON CONFLICT (name) DO UPDATE SET cursor = max(cursor, excluded.cursor)`,
            ).run(line, cursor);
          }),
      });
    },

    afterCommit: (listener) => db.afterCommit(listener),
    async close() {
      db.close();
    },
  };
}

function isShortIdTaken(db: Sqlite, id: string): boolean {
  return db.get("SELECT 1 FROM session WHERE short_id = ?", id) !== undefined;
}

function isSentToChats(session: Session): boolean {
  return (session.audience?.targets.length ?? 0) > 0;
}

function bytesOf(attachments: readonly Uint8Array[]): number {
  return attachments.reduce((sum, each) => sum + each.length, 0);
}

function milliseconds(time: Session["expireTime"]): number | null {
  return time ? timestampMs(time) : null;
}

function eventOf(row: EventRow): Event {
  return create(EventSchema, {
    eventId: `${row.session_id}/${row.version}`,
    cursor: BigInt(row.tenant_cursor),
    sessionId: row.session_id,
    tenantId: row.tenant_id,
    version: BigInt(row.version),
    type: row.type,
    time: timestampFromMs(row.time),
  });
}
