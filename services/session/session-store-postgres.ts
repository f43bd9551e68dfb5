// The store of the distributed form: a schema of PostgreSQL that any number of replicas share.
//
// Nothing is remembered between calls, for others write too. Writes of a turn go together for each tenant, and so do
// reads of sessions: what costs is the number of transactions.

import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, type Session_Outcome, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import { hilError, reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, Postgres } from "@hil/platform/storage/postgres.ts";
import { createTenantGroups } from "@hil/platform/storage/tenant-groups.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type EventRow, eventOf, openBusOutbox, openDeliveryOutbox } from "./outbox-postgres.ts";
import { SESSION_COLUMNS, SessionCodec, type SessionRow } from "./session-codec.ts";
import { conditionsOf, seenBy } from "./session-conditions.ts";
import type { Changes, SessionFigures, SessionStore } from "./session-store.ts";
import type { Command, Outcome } from "./session-turn.ts";
import { KNOWN_SESSIONS, lockTenant, repeated, runCommands } from "./session-writes-postgres.ts";
import { upgradeRows } from "./upgrade-rows-postgres.ts";

/** Commands of one transaction: more would hold the tenant's other replicas up for too long. */
const MOST_COMMANDS = 500;
const MOST_READS = 500;

const DELETE_ENDED = `WITH ended AS MATERIALIZED (
    SELECT tenant_id, id FROM session WHERE tenant_id = $1 AND end_time < $2 ORDER BY end_time LIMIT $3),
  kept AS (SELECT coalesce(sum(length(data)), 0) AS bytes FROM ended
    JOIN attachment ON attachment.tenant_id = ended.tenant_id AND attachment.session_id = ended.id),
  forgotten AS (DELETE FROM event USING ended
    WHERE event.tenant_id = ended.tenant_id AND event.session_id = ended.id RETURNING cursor),
  deleted AS (DELETE FROM session USING ended
    WHERE session.tenant_id = ended.tenant_id AND session.id = ended.id RETURNING session.id),
  noted AS (UPDATE tenant SET attachment_bytes = attachment_bytes - (SELECT bytes FROM kept),
    log_start = greatest(log_start, (SELECT max(cursor) FROM forgotten)) WHERE tenant_id = $1)
  SELECT count(*) AS number FROM deleted`;

/** Opens the schema "session" of a database, and brings it up to date. Rejects where it cannot be reached. */
export async function openPostgresSessionStore({
  url,
  connections,
  vault,
  log,
}: {
  url: string;
  connections?: number;
  vault: Vault;
  log: Log;
}): Promise<SessionStore> {
  const db = await Postgres.open({
    url,
    schema: "session",
    migrations: join(import.meta.dirname, "migrations-postgres"),
    ...(connections !== undefined && { connections }),
    log,
  });
  const codec = new SessionCodec(vault);
  const audit = new PostgresAuditLog({ db, service: "session", key: vault.auditKey, log });
  const listeners = new Set<() => void>();
  const wrote = () => {
    for (const listener of listeners) listener();
  };
  let closed = false;

  const writes = createTenantGroups<Command, Outcome>({
    runAll: (tenantId, commands) =>
      db.transaction(tenantId, (transaction) =>
        runCommands(transaction, tenantId, commands, { codec, audit, wrote }),
      ),
    isOfDatabase,
    most: MOST_COMMANDS,
  });
  const write = async <T>(tenantId: string, command: Command): Promise<T> => {
    if (closed) throw closedStore();
    const outcome = await writes.run(tenantId, command);
    if (outcome.kind === "failed") throw outcome.error;
    return outcome.result as T;
  };
  const reads = createTenantGroups<string, Session | undefined>({
    async runAll(tenantId, ids) {
      const each = new Set(ids);
      const rows = await db.query<SessionRow>(tenantId, KNOWN_SESSIONS, [
        repeated(tenantId, each),
        [...each],
      ]);
      const found = new Map(rows.map((row) => [row.id, row]));
      // Each caller gets a session of its own, as from any other store.
      return ids.map((id) => {
        const row = found.get(id);
        return row && codec.decode(row);
      });
    },
    isOfDatabase,
    most: MOST_READS,
  });
  /** One of the tenant's figures. */
  const figure = async (tenantId: string, column: "log_end" | "open_sessions" | "attachment_bytes") => {
    const [row] = await db.query<{ number: string }>(
      tenantId,
      `SELECT ${column} AS number FROM tenant WHERE tenant_id = $1`,
      [tenantId],
    );
    return Number(row?.number ?? 0);
  };

  return {
    create: (newSession) => write(newSession.session.tenantId, { kind: "create", newSession }),

    async hasRequest(tenantId, askerId, requestId) {
      const rows = await db.query(
        tenantId,
        "SELECT 1 FROM session WHERE tenant_id = $1 AND asker_id = $2 AND request_id = $3",
        [tenantId, askerId, requestId],
      );
      return rows.length > 0;
    },

    async get(tenantId, id) {
      if (closed) throw closedStore();
      return reads.run(tenantId, id);
    },

    change: (tenantId, id, by, decide) => write(tenantId, { kind: "change", id, by, decide }),

    submitReply: (tenantId, id, inboundId, by, decide) =>
      write(tenantId, { kind: "reply", id, inboundId, by, decide }),

    async list(tenantId, query) {
      const { where, values } = conditionsOf(tenantId, query);
      const rows = await db.query<SessionRow>(
        tenantId,
        numbered(
          `SELECT ${SESSION_COLUMNS} FROM session WHERE ${where.join(" AND ")} ORDER BY id DESC LIMIT ?`,
        ),
        [...values, query.limit],
      );
      return rows.map((row) => codec.decode(row));
    },

    async events(tenantId, id, afterVersion, limit) {
      const rows = await db.query<EventRow>(
        tenantId,
        "SELECT * FROM event WHERE tenant_id = $1 AND session_id = $2 AND version > $3 ORDER BY version LIMIT $4",
        [tenantId, id, afterVersion, limit],
      );
      return rows.map(eventOf);
    },

    async attachment(tenantId, id, number) {
      const [row] = await db.query<{ data: Uint8Array; sealed: number }>(
        tenantId,
        `SELECT data, sealed FROM attachment
         JOIN session ON session.tenant_id = attachment.tenant_id AND session.id = attachment.session_id
         WHERE attachment.tenant_id = $1 AND session_id = $2 AND number = $3`,
        [tenantId, id, number],
      );
      return row && codec.decodeAttachment(row.data, row.sealed === 1, tenantId, id, number);
    },

    cursor: (tenantId) => figure(tenantId, "log_end"),
    openSessions: (tenantId) => figure(tenantId, "open_sessions"),
    attachmentBytes: (tenantId) => figure(tenantId, "attachment_bytes"),

    changesAfter: (tenantId, cursor, limit, viewer) =>
      db.transaction(tenantId, async (transaction): Promise<Changes> => {
        const [tenant] = await transaction.query<{ log_start: string; log_end: string }>(
          "SELECT log_start, log_end FROM tenant WHERE tenant_id = $1",
          [tenantId],
        );
        const end = Number(tenant?.log_end ?? 0);
        if (cursor < Number(tenant?.log_start ?? 0) || cursor > end) {
          return { changes: [], cursor: end, reset: true };
        }
        if (cursor === end) return { changes: [], cursor: end, reset: false };
        const seen = seenBy(tenantId, viewer);
        // Up to the end that was read, for more may have come since.
        const rows = await transaction.query<SessionRow & { last: string }>(
          numbered(
            `SELECT ${SESSION_COLUMNS}, changed.last FROM
               (SELECT tenant_id AS of_tenant, session_id, max(cursor) AS last FROM event
                WHERE event.tenant_id = ? AND cursor > ? AND cursor <= ? GROUP BY tenant_id, session_id) changed
             JOIN session ON session.tenant_id = changed.of_tenant AND session.id = changed.session_id
             ${seen ? `WHERE ${seen.where.join(" AND ")}` : ""} ORDER BY changed.last LIMIT ?`,
          ),
          [tenantId, cursor, end, ...(seen?.values ?? []), limit],
        );
        const changes = rows.map((row) => ({ session: codec.decode(row), cursor: Number(row.last) }));
        // A full page may have left later changes behind; otherwise everything up to the end was seen.
        return { changes, cursor: rows.length === limit ? Number(rows.at(-1)!.last) : end, reset: false };
      }),

    async figures(tenantId, afterId, beforeId, limit) {
      const rows = await db.query<{
        id: string;
        project_name: string;
        outcome: Session_Outcome;
        end_time: string | null;
      }>(
        tenantId,
        `SELECT id, project_name, outcome, end_time FROM session
         WHERE tenant_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4`,
        [tenantId, afterId, beforeId, limit],
      );
      return rows.map(
        (row): SessionFigures => ({
          id: row.id,
          projectName: row.project_name,
          outcome: row.outcome,
          endTimeMs: row.end_time === null ? undefined : Number(row.end_time),
        }),
      );
    },

    audit,

    async versions(keys) {
      const rows = await db.query<{
        tenant_id: string;
        id: string;
        version: string;
        state: Session_State;
      }>(
        ALL_TENANTS,
        `SELECT session.tenant_id, session.id, version, state
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (tenant_id, id, number)
         JOIN session ON session.tenant_id = given.tenant_id AND session.id = given.id ORDER BY given.number`,
        [keys.map(({ tenantId }) => tenantId), keys.map(({ id }) => id)],
      );
      return rows.map((row) => ({
        tenantId: row.tenant_id,
        id: row.id,
        version: Number(row.version),
        ended: row.state !== Session_State.OPEN,
      }));
    },

    async findForReply(clue, limit) {
      const rows =
        clue.kind === "short_id"
          ? await db.query<SessionRow>(
              ALL_TENANTS,
              `SELECT ${SESSION_COLUMNS} FROM session WHERE short_id = $1 LIMIT $2`,
              [clue.shortId, limit],
            )
          : await db.query<SessionRow>(
              ALL_TENANTS,
              `SELECT session.tenant_id, id, resource, sealed FROM session_chat
               JOIN session ON session.tenant_id = session_chat.tenant_id AND session.id = session_chat.session_id
               WHERE open = 1 AND channel_id = $1 AND chat_id = $2 ORDER BY session_id LIMIT $3`,
              [clue.channelId, clue.chatId, limit],
            );
      return rows.map((row) => codec.decode(row));
    },

    async due(nowMs, limit) {
      const rows = await db.query<{ tenant_id: string; id: string }>(
        ALL_TENANTS,
        `SELECT tenant_id, id FROM session WHERE state = ${Session_State.OPEN} AND expire_time IS NOT NULL
         AND expire_time <= $1 ORDER BY expire_time LIMIT $2`,
        [nowMs, limit],
      );
      return rows.map((row) => ({ tenantId: row.tenant_id, id: row.id }));
    },

    async tenants() {
      const rows = await db.query<{ tenant_id: string }>(
        ALL_TENANTS,
        `SELECT tenant_id FROM tenant
         WHERE EXISTS (SELECT 1 FROM session WHERE session.tenant_id = tenant.tenant_id) ORDER BY tenant_id`,
      );
      return rows.map((row) => row.tenant_id);
    },

    deleteEndedBefore: (tenantId, timeMs, limit) =>
      db.transaction(tenantId, async (transaction) => {
        if (!(await lockTenant(transaction, tenantId))) return 0;
        const [row] = await transaction.query<{ number: string }>(DELETE_ENDED, [tenantId, timeMs, limit]);
        return Number(row!.number);
      }),

    upgradeRows: (limit) => upgradeRows(db, codec, limit),

    allOpenSessions: () =>
      db.transaction(ALL_TENANTS, async (transaction) => {
        const [row] = await transaction.query<{ open: string }>(
          "SELECT coalesce(sum(open_sessions), 0) AS open FROM tenant",
        );
        return Number(row!.open);
      }),

    async openOutbox(line) {
      switch (line) {
        case "bus":
          return openBusOutbox(db);
        case "delivery":
          return openDeliveryOutbox(db);
      }
    },

    afterCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      if (closed) return;
      closed = true;
      await db.close();
    },
  };
}

/** The placeholders of SQLite's way as PostgreSQL counts them. */
function numbered(sql: string): string {
  let count = 0;
  return sql.replaceAll("?", () => `$${++count}`);
}

function isOfDatabase(error: unknown): boolean {
  return reasonOf(error) === ErrorReason.STORAGE_UNAVAILABLE;
}

function closedStore() {
  return hilError(
    Code.Unavailable,
    ErrorReason.STORAGE_UNAVAILABLE,
    "the database is closed; nothing was accepted, try again",
    { retry_after_ms: "1000" },
  );
}
