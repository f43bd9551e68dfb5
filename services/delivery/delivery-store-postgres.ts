import { join } from "node:path";
import { type Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createPostgresChannelStore, rewrapChannels } from "./channel-store-postgres.ts";
import type { DeliveryKey, NewDelivery, StoredDelivery } from "./delivery.ts";
import { createPostgresHealth } from "./delivery-health-postgres.ts";
import { createPostgresLines } from "./delivery-lines-postgres.ts";
import { createPostgresReports } from "./delivery-reports-postgres.ts";
import { ENDED, partsContext, WAITING } from "./delivery-rows.ts";
import { type DeliveryRow, deliveryOf, insertRows, settleRow } from "./delivery-rows-postgres.ts";
import type { DeliveryStore, StoredAttempt } from "./delivery-store.ts";
import type { RelayFence } from "./relay/relay-store.ts";
import { createPostgresRelayStore, holdEpoch } from "./relay/relay-store-postgres.ts";
import { createPostgresTurns } from "./turns-postgres.ts";

/** Three renewals fit into it, and a process that stands still for less loses nothing. */
const LEASE_MS = 5_000;
const KEPT_ATTEMPTS = 20;
const PURGE_AT_ONCE = 1000;

const BY_KEY = "tenant_id = $1 AND id = $2";
const SELECT = `SELECT * FROM delivery WHERE ${BY_KEY}`;
const SELECT_ALL = "SELECT * FROM delivery WHERE tenant_id = $1 AND id = ANY($2)";
const BEGIN = `WITH begun AS (
    UPDATE delivery SET state = ${Delivery_State.SENDING}, attempt_count = attempt_count + 1,
      part_tries = part_tries + 1, update_time = $3 WHERE ${BY_KEY} AND ${WAITING} RETURNING *),
  tried AS (
    INSERT INTO attempt (tenant_id, delivery_id, number, start_time) SELECT $1, $2, attempt_count, $3 FROM begun),
  forgotten AS (
    DELETE FROM attempt WHERE tenant_id = $1 AND delivery_id = $2
      AND number <= (SELECT attempt_count FROM begun) - ${KEPT_ATTEMPTS})
  SELECT * FROM begun`;
const FINISH_PART = `UPDATE delivery SET parts_sent = $3, part_tries = 1, update_time = $4
  WHERE ${BY_KEY} AND state = ${Delivery_State.SENDING} AND attempt_count = $5 RETURNING *`;
/** A delivery without a try under way ends. */
const END = `UPDATE delivery SET state = $3, reason = $4, next_time = NULL, parts = NULL, sealed_parts = NULL,
    update_time = $5, revision = revision + 1, unreported = (session_id <> '') WHERE ${BY_KEY} AND ${WAITING}`;
/** Says why a delivery waits, once. */
const HOLD = `UPDATE delivery SET reason = $3, update_time = $4, revision = revision + 1, unreported = (session_id <> '')
  WHERE ${BY_KEY} AND ${WAITING} AND reason <> $3`;
/** One statement, so that a try that begins or ends meanwhile is told or taken back, and never neither. */
const WITHDRAW = `UPDATE delivery SET
    state = CASE WHEN state = ${Delivery_State.SENDING} THEN state ELSE ${Delivery_State.SUPPRESSED} END,
    reason = CASE WHEN state = ${Delivery_State.SENDING} THEN delivery.reason ELSE given.reason END,
    next_time = CASE WHEN state = ${Delivery_State.SENDING} THEN next_time END,
    parts = CASE WHEN state = ${Delivery_State.SENDING} THEN parts END,
    sealed_parts = CASE WHEN state = ${Delivery_State.SENDING} THEN sealed_parts END,
    update_time = CASE WHEN state = ${Delivery_State.SENDING} THEN update_time ELSE $4 END,
    unreported = state = ${Delivery_State.SENDING} AND unreported,
    withdrawn = CASE WHEN state = ${Delivery_State.SENDING} THEN given.reason END
  FROM unnest($2::text[], $3::text[]) AS given (session_id, reason)
  WHERE delivery.tenant_id = $1 AND delivery.session_id = given.session_id AND delivery.session_id <> ''
    AND (${WAITING} OR state = ${Delivery_State.SENDING})`;
const LIST = `SELECT * FROM delivery WHERE tenant_id = $1 AND sequence < $2 AND ($3 = '' OR session_id = $3)
  AND (cardinality($4::integer[]) = 0 OR state = ANY($4)) ORDER BY sequence DESC LIMIT $5`;
const ATTEMPTS = "SELECT * FROM attempt WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY number";
/** Each tenant once, by a look at the index for each of them and not for each row. */
const TENANTS = `WITH RECURSIVE tenant (id) AS (
  (SELECT tenant_id FROM delivery ORDER BY tenant_id LIMIT 1)
  UNION ALL SELECT (SELECT tenant_id FROM delivery WHERE tenant_id > tenant.id ORDER BY tenant_id LIMIT 1)
    FROM tenant WHERE id IS NOT NULL
) SELECT id FROM tenant WHERE id IS NOT NULL`;
const PURGE = `DELETE FROM delivery WHERE sequence IN (
    SELECT sequence FROM delivery WHERE tenant_id = $1 AND ${ENDED} AND update_time < $2 AND NOT unreported
    LIMIT ${PURGE_AT_ONCE} FOR UPDATE SKIP LOCKED) RETURNING id`;
const OLD_KEYS = `SELECT tenant_id, id FROM delivery
  WHERE (${WAITING} OR state = ${Delivery_State.SENDING}) AND sealed_parts IS NOT NULL
    AND substring(sealed_parts FROM 1 FOR $2) <> $1`;

interface AttemptRow {
  readonly number: number;
  readonly start_time: string;
  readonly end_time: string | null;
  readonly outcome: Attempt_Outcome;
  readonly detail: string;
}

/** The store of the distributed form: a schema in PostgreSQL that all replicas share. */
export async function openPostgresDeliveryStore({
  url,
  connections,
  vault,
  log,
  leaseMs = LEASE_MS,
}: {
  url: string;
  connections?: number | undefined;
  vault: Vault;
  log: Log;
  /** How long a claim lasts that is not renewed. Default: 5 s. */
  leaseMs?: number;
}): Promise<DeliveryStore> {
  const db = await Postgres.open({
    url,
    schema: "delivery",
    migrations: join(import.meta.dirname, "migrations-postgres"),
    ...(connections !== undefined && { connections }),
    log,
  });
  const audit = new PostgresAuditLog({ db, service: "delivery", key: vault.auditKey, log });
  const lines = createPostgresLines({ db, vault, leaseMs, log });
  const health = createPostgresHealth(db);

  return {
    audit,
    sharing: { leaseMs, renew: lines.renew, ...createPostgresTurns(db) },
    ...createPostgresChannelStore({ db, vault, audit }),
    ...createPostgresReports({ db, vault, leaseMs }),
    ...createPostgresRelayStore({ db, audit }),
    health: health.read,
    noteSend: health.note,

    async insert(deliveries, nowMs) {
      const stored = new Map<string, Map<string, StoredDelivery>>();
      for (const [tenantId, own] of Map.groupBy(deliveries, (delivery) => delivery.tenantId)) {
        stored.set(tenantId, await insertOf(db, tenantId, own, nowMs));
      }
      return deliveries.map(({ tenantId, id }) => stored.get(tenantId)!.get(id)!);
    },

    claim: lines.claim,
    async release(claim, untilMs) {
      await lines.under(claim, (transaction) => lines.letGo(transaction, claim, untilMs));
    },

    begin: (claim, { tenantId, id }, nowMs, relay) =>
      lines.under(claim, async (transaction) => {
        if (await isStale(transaction, relay)) return undefined;
        const [row] = await transaction.query<DeliveryRow>(BEGIN, [tenantId, id, nowMs]);
        return row && deliveryOf(row, vault);
      }),

    finishPart: (claim, { tenantId, id, partsSent, attemptCount }, nowMs, relay) =>
      lines.under(claim, async (transaction) => {
        if (await isStale(transaction, relay)) return undefined;
        const values = [tenantId, id, partsSent + 1, nowMs, attemptCount];
        const [row] = await transaction.query<DeliveryRow>(FINISH_PART, values);
        return row && deliveryOf(row, vault);
      }),

    async finish(claim, begun, decide, nowMs, relay) {
      const finished = await lines.under(claim, async (transaction) => {
        if (await isStale(transaction, relay)) return false;
        const [row] = await transaction.query<DeliveryRow>(`${SELECT} FOR UPDATE`, [
          begun.tenantId,
          begun.id,
        ]);
        const isLast = row?.state === Delivery_State.SENDING && row.attempt_count === begun.attemptCount;
        if (isLast) {
          const delivery = deliveryOf(row, vault);
          await settleRow(transaction, delivery, decide(delivery), nowMs);
        }
        await lines.letGo(transaction, claim);
        return isLast;
      });
      return finished ?? false;
    },

    async end(claim, { tenantId, id }, state, reason, nowMs) {
      await lines.under(claim, async (transaction) => {
        await transaction.query(END, [tenantId, id, state, reason, nowMs]);
        await lines.letGo(transaction, claim);
      });
    },

    async postpone(claim, { tenantId, id }, nextTimeMs) {
      await lines.under(claim, async (transaction) => {
        await transaction.query(`UPDATE delivery SET next_time = $3 WHERE ${BY_KEY} AND ${WAITING}`, [
          tenantId,
          id,
          nextTimeMs,
        ]);
        await lines.letGo(transaction, claim);
      });
    },

    async hold(claim, { tenantId, id }, reason, untilMs, nowMs) {
      await lines.under(claim, async (transaction) => {
        await transaction.query(HOLD, [tenantId, id, reason, nowMs]);
        await lines.letGo(transaction, claim, untilMs);
      });
    },

    wakeLines: lines.wake,

    async withdraw(sessions, nowMs) {
      for (const [tenantId, own] of Map.groupBy(sessions, (session) => session.tenantId)) {
        await db.query(tenantId, WITHDRAW, [
          tenantId,
          own.map(({ sessionId }) => sessionId),
          own.map(({ reason }) => reason),
          nowMs,
        ]);
      }
    },

    async recover() {
      // What another process is sending is its own until its claim runs out; then whoever claims the line finds it.
      // This start may have brought a new credential: the next message tells.
      await db.query(ALL_TENANTS, "UPDATE channel_health SET broken = false WHERE broken");
      return 0;
    },

    waitingLines: lines.due,

    async get({ tenantId, id }) {
      const [row] = await db.query<DeliveryRow>(tenantId, SELECT, [tenantId, id]);
      return row && deliveryOf(row, vault);
    },

    async list({ tenantId, sessionId, states, beforeSequence, limit }) {
      const values = [tenantId, beforeSequence, sessionId, states.map(Number), limit];
      const rows = await db.query<DeliveryRow>(tenantId, LIST, values);
      return rows.map((row) => deliveryOf(row, vault));
    },

    async attempts({ tenantId, id }) {
      return (await db.query<AttemptRow>(tenantId, ATTEMPTS, [tenantId, id])).map(attemptOf);
    },

    async tenants() {
      return (await db.query<{ id: string }>(ALL_TENANTS, TENANTS)).map(({ id }) => id);
    },

    purge: async (tenantId, beforeMs) => (await db.query(tenantId, PURGE, [tenantId, beforeMs])).length,

    async rewrap() {
      const prefix = Buffer.from(vault.newestPrefix);
      const due = await db.query<{ tenant_id: string; id: string }>(ALL_TENANTS, OLD_KEYS, [
        prefix,
        prefix.length,
      ]);
      for (const { tenant_id, id } of due) await rewrapParts(db, { tenantId: tenant_id, id }, vault);
      return due.length + (await rewrapChannels(db, vault));
    },

    async close() {
      await health.close();
      await db.close();
    },
  };

  async function insertOf(
    db: Postgres,
    tenantId: string,
    deliveries: readonly NewDelivery[],
    nowMs: number,
  ): Promise<Map<string, StoredDelivery>> {
    return db.transaction(tenantId, async (transaction) => {
      const fresh = await insertRows(transaction, tenantId, deliveries, nowMs, vault);
      await lines.put(
        transaction,
        tenantId,
        deliveries.filter(({ id }) => fresh.has(id)),
      );
      const ids = deliveries.map(({ id }) => id);
      const rows = await transaction.query<DeliveryRow>(SELECT_ALL, [tenantId, ids]);
      return new Map(rows.map((row) => [row.id, deliveryOf(row, vault)]));
    });
  }
}

async function isStale(transaction: Transaction, relay: RelayFence | undefined): Promise<boolean> {
  return relay !== undefined && !(await holdEpoch(transaction, relay));
}

async function rewrapParts(db: Postgres, { tenantId, id }: DeliveryKey, vault: Vault): Promise<void> {
  await db.transaction(tenantId, async (transaction: Transaction) => {
    const [row] = await transaction.query<DeliveryRow>(`${SELECT} FOR UPDATE`, [tenantId, id]);
    if (!row?.sealed_parts) return; // it ended meanwhile
    const sealed = vault.rewrap(row.sealed_parts, partsContext({ tenantId, id }));
    await transaction.query(`UPDATE delivery SET sealed_parts = $3 WHERE ${BY_KEY}`, [
      tenantId,
      id,
      Buffer.from(sealed),
    ]);
  });
}

function attemptOf(row: AttemptRow): StoredAttempt {
  return {
    number: row.number,
    startTimeMs: Number(row.start_time),
    endTimeMs: row.end_time === null ? undefined : Number(row.end_time),
    outcome: row.outcome,
    detail: row.detail,
  };
}
