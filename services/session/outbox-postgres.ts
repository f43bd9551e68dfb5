// The outbox in PostgreSQL: rows that any replica claims and that are deleted by the transaction in which they were
// handed over. Where that fails, or the process dies, they are there again.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Event, type Event_Type, EventSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { ALL_TENANTS, type Postgres } from "@hil/platform/storage/postgres.ts";
import type { Backlog, OutboxReader } from "./session-store.ts";

/** The first key of the locks on the lanes of delivery; the second is the tenant. Any number that is ours. */
const LANE_LOCK = 4_851_003;
/** Tenants whose events are handed over together. */
const MOST_LANES = 20;

const TAKE_FOR_BUS = `DELETE FROM bus_outbox WHERE id IN
  (SELECT id FROM bus_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING *`;
/** One step in the index for each tenant, however many events wait. */
const WAITING_TENANTS = `WITH RECURSIVE waiting (tenant_id) AS (
    SELECT min(tenant_id) FROM delivery_outbox
    UNION ALL
    SELECT (SELECT min(delivery_outbox.tenant_id) FROM delivery_outbox WHERE delivery_outbox.tenant_id > waiting.tenant_id)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL)
  SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL`;
const LOCK_LANES = `SELECT tenant_id FROM unnest($2::text[]) AS given (tenant_id)
  WHERE pg_try_advisory_xact_lock($1, hashtext(tenant_id))`;
const TAKE_FOR_DELIVERY = `DELETE FROM delivery_outbox USING (
    SELECT first.tenant_id, first.cursor FROM unnest($1::text[]) AS given (tenant_id), LATERAL (
      SELECT tenant_id, cursor FROM delivery_outbox WHERE delivery_outbox.tenant_id = given.tenant_id
      ORDER BY cursor LIMIT $2) first) taken
  WHERE delivery_outbox.tenant_id = taken.tenant_id AND delivery_outbox.cursor = taken.cursor
  RETURNING delivery_outbox.*`;

export interface EventRow {
  readonly tenant_id: string;
  readonly cursor: string;
  readonly session_id: string;
  readonly version: string;
  readonly type: Event_Type;
  readonly time: string;
}

/** Everything; any number of replicas at once, and so in no order. */
export function openBusOutbox(db: Postgres): OutboxReader {
  return {
    hand: (limit, take) =>
      db.transaction(ALL_TENANTS, async (transaction) => {
        const rows = await transaction.query<EventRow & { id: string }>(TAKE_FOR_BUS, [limit]);
        if (rows.length === 0) return "nothing";
        await take(rows.toSorted((one, other) => Number(one.id) - Number(other.id)).map(eventOf));
        return rows.length === limit ? "more" : "nothing";
      }),
    backlog: () => backlogOf(db, "bus_outbox"),
    async close() {},
  };
}

/**
 * What goes to chats. A tenant's events are a lane that one replica at a time hands over, so that each session's are in
 * order: what is sent before it is taken back. Replicas take other tenants meanwhile.
 */
export function openDeliveryOutbox(db: Postgres): OutboxReader {
  let last = "";
  return {
    hand: (limit, take) =>
      db.transaction(ALL_TENANTS, async (transaction) => {
        const waiting = (await transaction.query<{ tenant_id: string }>(WAITING_TENANTS)).map(
          ({ tenant_id }) => tenant_id,
        );
        if (waiting.length === 0) return "nothing";
        // Each has its turn, however much the others have.
        const next = Math.max(
          0,
          waiting.findIndex((tenantId) => tenantId > last),
        );
        const wanted = [...waiting.slice(next), ...waiting.slice(0, next)].slice(0, MOST_LANES);
        last = wanted.at(-1)!;
        const lanes = await transaction.query<{ tenant_id: string }>(LOCK_LANES, [LANE_LOCK, wanted]);
        if (lanes.length === 0) return "with_others";
        const each = Math.max(1, Math.floor(limit / lanes.length));
        // Read only now, so that what the replica before handed over is not seen any more.
        const rows = await transaction.query<EventRow>(TAKE_FOR_DELIVERY, [
          lanes.map(({ tenant_id }) => tenant_id),
          each,
        ]);
        if (rows.length > 0) await take(rows.toSorted(byCursor).map(eventOf));
        if (rows.length >= each || waiting.length > wanted.length) return "more";
        return lanes.length < wanted.length ? "with_others" : "nothing";
      }),
    backlog: () => backlogOf(db, "delivery_outbox"),
    async close() {},
  };
}

/** Rows that are being handed over are among them until that is done. */
function backlogOf(db: Postgres, table: "bus_outbox" | "delivery_outbox"): Promise<Backlog> {
  return db.transaction(ALL_TENANTS, async (transaction) => {
    const [row] = await transaction.query<{ events: string; oldest: string | null }>(
      `SELECT count(*) AS events, min(time) AS oldest FROM ${table}`,
    );
    const { events, oldest } = row!;
    return { events: Number(events), oldestTimeMs: oldest === null ? undefined : Number(oldest) };
  });
}

function byCursor(one: EventRow, other: EventRow): number {
  return Number(one.cursor) - Number(other.cursor);
}

export function eventOf(row: EventRow): Event {
  return create(EventSchema, {
    eventId: `${row.session_id}/${row.version}`,
    cursor: BigInt(row.cursor),
    sessionId: row.session_id,
    tenantId: row.tenant_id,
    version: BigInt(row.version),
    type: row.type,
    time: timestampFromMs(Number(row.time)),
  });
}
