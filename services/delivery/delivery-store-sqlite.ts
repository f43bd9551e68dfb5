import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createSqliteChannelStore, rewrapChannels } from "./channel-store-sqlite.ts";
import type { DeliveryKey, StoredDelivery } from "./delivery.ts";
import {
  type DeliveryRow,
  deliveryOf,
  END,
  ENDED,
  INSERT,
  insertValues,
  partsContext,
  WAITING,
} from "./delivery-rows.ts";
import type { DeliveryStore, Line, StoredAttempt } from "./delivery-store.ts";
import type { RelayFence } from "./relay/relay-store.ts";
import { createSqliteRelayStore } from "./relay/relay-store-sqlite.ts";

const KEPT_ATTEMPTS = 20;
const PURGE_AT_ONCE = 1000;
const BY_KEY = "tenant_id = ? AND id = ?";
const SELECT = `SELECT * FROM delivery WHERE ${BY_KEY}`;
const SELECT_SENDING = `${SELECT} AND state = ${Delivery_State.SENDING}`;
const LINES_OF_CHANNEL = `SELECT DISTINCT tenant_id, channel_id, line FROM delivery WHERE ${WAITING} AND channel_id = ?`;
/** Each tenant once, by a look at the index for each of them and not for each row. */
const TENANTS = `WITH RECURSIVE tenant (id) AS (
  SELECT min(tenant_id) FROM delivery
  UNION ALL SELECT (SELECT min(tenant_id) FROM delivery WHERE tenant_id > tenant.id) FROM tenant WHERE id IS NOT NULL
) SELECT id FROM tenant WHERE id IS NOT NULL`;

/** The store of the embedded form: one SQLite file. */
export function openSqliteDeliveryStore({
  dataDir,
  vault,
  log,
}: {
  dataDir: string;
  vault: Vault;
  log: Log;
}): DeliveryStore {
  const db = new Sqlite({
    path: join(dataDir, "delivery.db"),
    migrations: join(import.meta.dirname, "migrations"),
    log,
  });
  const read = ({ tenantId, id }: DeliveryKey): StoredDelivery | undefined => {
    const row = db.get<DeliveryRow>(SELECT, tenantId, id);
    return row && deliveryOf(row, vault);
  };
  const audit = new SqliteAuditLog({ db, service: "delivery", key: vault.auditKey, log });
  const relays = createSqliteRelayStore({ db, audit });
  const run = (text: string, ...values: SQLInputValue[]) => db.sql(text).run(...values);
  const next = ({ tenantId, channelId, line }: Line): StoredDelivery | undefined => {
    const row = db.get<DeliveryRow>(
      `SELECT * FROM delivery WHERE tenant_id = ? AND channel_id = ? AND line = ? AND ${WAITING}
         ORDER BY next_time, sequence LIMIT 1`,
      tenantId,
      channelId,
      line,
    );
    return row && deliveryOf(row, vault);
  };
  /** Runs inside a write. Nobody knows any more what became of these tries. */
  const settleCutOff = (left: readonly DeliveryRow[], reason: string, nowMs: number): void => {
    for (const { tenant_id, id, attempt_count, withdrawn } of left) {
      if (withdrawn === null) {
        run(
          `UPDATE delivery SET state = ${Delivery_State.UNKNOWN}, reason = ?, next_time = min(next_time, ?),
             update_time = ?, revision = revision + 1, unreported = (session_id <> '') WHERE ${BY_KEY}`,
          reason,
          nowMs,
          nowMs,
          tenant_id,
          id,
        );
      } else {
        run(`${END} WHERE ${BY_KEY}`, Delivery_State.SUPPRESSED, withdrawn, nowMs, tenant_id, id);
      }
      run(
        `UPDATE attempt SET end_time = ?, outcome = ${Attempt_Outcome.UNKNOWN}, detail = ?
           WHERE tenant_id = ? AND delivery_id = ? AND number = ?`,
        nowMs,
        reason,
        tenant_id,
        id,
        attempt_count,
      );
    }
  };
  const isStale = (relay: RelayFence | undefined) => relay !== undefined && !relays.isCurrentNow(relay);
  /** Tries that were begun and not ended, by their line: a line that is claimed again has none that is still made. */
  const underWay = new Map<string, DeliveryKey>();

  return {
    audit,
    // The data folder belongs to one process: nobody else can have a line, and none is ever lost.
    sharing: undefined,
    ...createSqliteChannelStore({ db, vault, audit }),
    ...relays,

    insert: (deliveries, nowMs) =>
      db.write(() =>
        deliveries.map((delivery) => {
          run(INSERT, ...insertValues(delivery, nowMs, vault));
          return read(delivery)!;
        }),
      ),

    async claim({ tenantId, channelId, line }, nowMs) {
      const claim = { tenantId, channelId, line, fence: 0 };
      const begun = underWay.get(lineName(claim));
      if (begun) {
        await db.write(() => {
          const left = db.all<DeliveryRow>(SELECT_SENDING, begun.tenantId, begun.id);
          settleCutOff(left, "what became of it could not be written down", nowMs);
        });
        underWay.delete(lineName(claim));
      }
      const first = next(claim);
      return first && { claim, first };
    },

    release: async () => {},

    async begin(_claim, key, nowMs, relay) {
      const begun = await db.write(() => {
        if (isStale(relay)) return undefined;
        const { changes } = run(
          `UPDATE delivery SET state = ${Delivery_State.SENDING}, attempt_count = attempt_count + 1,
             part_tries = part_tries + 1, update_time = ? WHERE ${BY_KEY} AND ${WAITING}`,
          nowMs,
          key.tenantId,
          key.id,
        );
        if (changes === 0) return undefined;
        const delivery = read(key)!;
        run(
          "INSERT INTO attempt (tenant_id, delivery_id, number, start_time) VALUES (?, ?, ?, ?)",
          key.tenantId,
          key.id,
          delivery.attemptCount,
          nowMs,
        );
        run(
          "DELETE FROM attempt WHERE tenant_id = ? AND delivery_id = ? AND number <= ?",
          key.tenantId,
          key.id,
          delivery.attemptCount - KEPT_ATTEMPTS,
        );
        return delivery;
      });
      if (begun) underWay.set(lineName(begun), { tenantId: begun.tenantId, id: begun.id });
      return begun;
    },

    finishPart: (_claim, key, nowMs, relay) =>
      db.write(() => {
        if (isStale(relay)) return undefined;
        run(
          `UPDATE delivery SET parts_sent = ?, part_tries = 1, update_time = ? WHERE ${BY_KEY}`,
          key.partsSent + 1,
          nowMs,
          key.tenantId,
          key.id,
        );
        return read(key)!;
      }),

    async finish(_claim, key, decide, nowMs, relay) {
      const isLast = await db.write(() => {
        if (isStale(relay)) return false;
        const attempt = key.attemptCount;
        const delivery = read(key);
        if (delivery?.state !== Delivery_State.SENDING || delivery.attemptCount !== attempt) return false;
        const { state, reason, nextTimeMs, outcome, detail, report } = decide(delivery);
        if (nextTimeMs === undefined) {
          run(`${END} WHERE ${BY_KEY}`, state, reason, nowMs, key.tenantId, key.id);
        } else {
          run(
            `UPDATE delivery SET state = ?, reason = ?, next_time = ?, update_time = ?, revision = revision + ?,
               unreported = max(unreported, ? AND session_id <> '') WHERE ${BY_KEY}`,
            state,
            reason,
            nextTimeMs,
            nowMs,
            report ? 1 : 0,
            report ? 1 : 0,
            key.tenantId,
            key.id,
          );
        }
        run(
          "UPDATE attempt SET end_time = ?, outcome = ?, detail = ? WHERE tenant_id = ? AND delivery_id = ? AND number = ?",
          nowMs,
          outcome,
          detail,
          key.tenantId,
          key.id,
          attempt,
        );
        return true;
      });
      if (isLast) underWay.delete(lineName(key));
      return isLast;
    },

    end: (_claim, key, state, reason, nowMs) =>
      db.write(() => {
        run(`${END} WHERE ${BY_KEY} AND ${WAITING}`, state, reason, nowMs, key.tenantId, key.id);
      }),

    postpone: (_claim, key, nextTimeMs) =>
      db.write(() => {
        run(
          `UPDATE delivery SET next_time = ? WHERE ${BY_KEY} AND ${WAITING}`,
          nextTimeMs,
          key.tenantId,
          key.id,
        );
      }),

    hold: (_claim, key, reason, _untilMs, nowMs) =>
      db.write(() => {
        run(
          `UPDATE delivery SET reason = ?, update_time = ?, revision = revision + 1, unreported = (session_id <> '')
             WHERE ${BY_KEY} AND ${WAITING} AND reason <> ?`,
          reason,
          nowMs,
          key.tenantId,
          key.id,
          reason,
        );
      }),

    async wakeLines(tenantId, channelId) {
      const lines =
        tenantId === undefined
          ? db.all<LineRow>(LINES_OF_CHANNEL, channelId)
          : db.all<LineRow>(`${LINES_OF_CHANNEL} AND tenant_id = ?`, channelId, tenantId);
      return lines.map(lineOf);
    },

    withdraw: (sessions, nowMs) =>
      db.write(() => {
        for (const { tenantId, sessionId, reason } of sessions) {
          // Its session has ended and takes no more reports, so none is made.
          run(
            `UPDATE delivery SET state = ${Delivery_State.SUPPRESSED}, reason = ?, next_time = NULL, parts = NULL,
               update_time = ?, unreported = 0 WHERE tenant_id = ? AND session_id = ? AND ${WAITING}`,
            reason,
            nowMs,
            tenantId,
            sessionId,
          );
          run(
            `UPDATE delivery SET withdrawn = ? WHERE tenant_id = ? AND session_id = ? AND state = ${Delivery_State.SENDING}`,
            reason,
            tenantId,
            sessionId,
          );
        }
      }),

    recover: (nowMs) =>
      db.write(() => {
        const reason = "the process stopped while it was being sent";
        const left = db.all<DeliveryRow>(`SELECT * FROM delivery WHERE state = ${Delivery_State.SENDING}`);
        settleCutOff(left, reason, nowMs);
        // This start may have brought a new credential: the next message tells.
        run("UPDATE channel_health SET broken = 0");
        relays.recover();
        return left.length;
      }),

    waitingLines: async () =>
      db
        .all<LineRow>(`SELECT DISTINCT tenant_id, channel_id, line FROM delivery WHERE ${WAITING}`)
        .map(lineOf),

    get: async (key) => read(key),

    async list({ tenantId, sessionId, states, beforeSequence, limit }) {
      const rows = db.all<DeliveryRow>(
        `SELECT * FROM delivery WHERE tenant_id = ? AND sequence < ? ${sessionId ? "AND session_id = ?" : "AND ? = ''"}
           ${states.length > 0 ? `AND state IN (${states.map(Number).join(",")})` : ""} ORDER BY sequence DESC LIMIT ?`,
        tenantId,
        beforeSequence,
        sessionId,
        limit,
      );
      return rows.map((row) => deliveryOf(row, vault));
    },

    attempts: async ({ tenantId, id }) =>
      db
        .all<{
          number: number;
          start_time: number;
          end_time: number | null;
          outcome: Attempt_Outcome;
          detail: string;
        }>("SELECT * FROM attempt WHERE tenant_id = ? AND delivery_id = ? ORDER BY number", tenantId, id)
        .map(
          (row): StoredAttempt => ({
            number: row.number,
            startTimeMs: row.start_time,
            endTimeMs: row.end_time ?? undefined,
            outcome: row.outcome,
            detail: row.detail,
          }),
        ),

    takeReports: async (limit, exceptTenants) =>
      db
        .all<DeliveryRow>(
          `SELECT * FROM delivery WHERE unreported = 1 AND tenant_id NOT IN (SELECT value FROM json_each(?))
             ORDER BY sequence LIMIT ?`,
          JSON.stringify(exceptTenants),
          limit,
        )
        .map((row) => ({ ...deliveryOf(row, vault), revision: row.revision, fence: 0 })),

    markReported: (deliveries) =>
      db.write(() => {
        for (const { tenantId, id, revision } of deliveries) {
          run(`UPDATE delivery SET unreported = 0 WHERE ${BY_KEY} AND revision = ?`, tenantId, id, revision);
        }
      }),

    leaveReports: async () => {},

    async health(tenantId, channelId) {
      const row = db.get<{ last_error: string; broken: number; last_sent_time: number | null }>(
        "SELECT * FROM channel_health WHERE tenant_id = ? AND channel_id = ?",
        tenantId,
        channelId,
      );
      return {
        lastError: row?.last_error ?? "",
        broken: row?.broken === 1,
        lastSentTimeMs: row?.last_sent_time ?? undefined,
      };
    },

    noteSend: ({ tenantId, channelId }, error, nowMs) =>
      db.write(() => {
        run(
          `INSERT INTO channel_health (tenant_id, channel_id, last_error, broken, last_sent_time) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (tenant_id, channel_id) DO UPDATE SET last_error = excluded.last_error,
             broken = excluded.broken, last_sent_time = coalesce(excluded.last_sent_time, last_sent_time)`,
          tenantId,
          channelId,
          error?.reason ?? "",
          error?.broken ? 1 : 0,
          error ? null : nowMs,
        );
      }),

    tenants: async () => db.all<{ id: string }>(TENANTS).map(({ id }) => id),

    purge: (tenantId, beforeMs) =>
      db.write(() => {
        const { changes } = run(
          `DELETE FROM delivery WHERE sequence IN (SELECT sequence FROM delivery
             WHERE tenant_id = ? AND ${ENDED} AND update_time < ? AND unreported = 0 LIMIT ${PURGE_AT_ONCE})`,
          tenantId,
          beforeMs,
        );
        return Number(changes);
      }),

    async rewrap() {
      const channels = await rewrapChannels(db, vault);
      const parts = await db.write(() => {
        const due = db.all<DeliveryRow>(
          `SELECT * FROM delivery WHERE (${WAITING} OR state = ${Delivery_State.SENDING}) AND typeof(parts) = 'blob'
             AND substr(parts, 1, ?) <> ?`,
          vault.newestPrefix.length,
          vault.newestPrefix,
        );
        for (const { tenant_id, id, parts } of due) {
          const context = partsContext({ tenantId: tenant_id, id });
          run(
            `UPDATE delivery SET parts = ? WHERE ${BY_KEY}`,
            vault.rewrap(parts as Uint8Array, context),
            tenant_id,
            id,
          );
        }
        return due.length;
      });
      return channels + parts;
    },

    close: async () => db.close(),
  };
}

type LineRow = Pick<DeliveryRow, "tenant_id" | "channel_id" | "line">;

function lineOf(row: LineRow): Line {
  return { tenantId: row.tenant_id, channelId: row.channel_id, line: row.line };
}

function lineName({ tenantId, channelId, line }: Line): string {
  return JSON.stringify([tenantId, channelId, line]);
}
