// Who works on which line: any number of processes on one database.
//
// C1. A line is one process's at a time. Its claim has a number (fence) that grows with each claim, and all that is
//     written under a claim is written with the line's row locked and that number still in it: a process that lost its
//     line, however late it comes, changes nothing.
// C2. A claim holds for a lease and is renewed while its work is under way. When it has run out, the process has died or
//     stands still: what it was sending is UNKNOWN, and the next one goes on.
// C3. A line has a row as long as something waits or is being sent in it; `due_time` is never later than what waits.
// C4. Leases count by the database's clock. Rows are locked in one order: the line, then its deliveries.

import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { NewDelivery, StoredDelivery } from "./delivery.ts";
import { WAITING } from "./delivery-rows.ts";
import { type DeliveryRow, deliveryOf, isSending, settleRow } from "./delivery-rows-postgres.ts";
import type { Claim, ClaimedLine, Line } from "./delivery-store.ts";

const CUT_OFF = "the process stopped while it was being sent";
/** How many lines of one tenant, and of all, one look finds: tenants take turns. */
const LINES_OF_A_TENANT = 200;
const LINES_AT_ONCE = 1_000;

const KEY = "tenant_id = $1 AND channel_id = $2 AND line = $3";
const IN_LINE = `SELECT * FROM delivery WHERE ${KEY}`;
const FIRST = `${IN_LINE} AND ${WAITING} ORDER BY next_time, sequence LIMIT 1`;
const SENDING_AND_FIRST = `(${IN_LINE} AND state = ${Delivery_State.SENDING}) UNION ALL (${FIRST})`;
const LOCK_FREE = `SELECT lease_until > clock_timestamp() AS held FROM line WHERE ${KEY} FOR UPDATE SKIP LOCKED`;
const LOCK_OWN = `SELECT 1 FROM line WHERE ${KEY} AND fence = $4 FOR UPDATE`;
const CLAIM = `UPDATE line SET fence = nextval('fence'), lease_until = clock_timestamp() + $4 * interval '1 ms'
  WHERE ${KEY} RETURNING fence`;
const FORGET = `DELETE FROM line WHERE ${KEY}`;
const LET_GO = `WITH due AS (SELECT least(
      (SELECT min(next_time) FROM delivery WHERE ${KEY} AND ${WAITING}),
      (SELECT min(next_time) FROM delivery WHERE ${KEY} AND state = ${Delivery_State.SENDING})) AS time),
    forgotten AS (DELETE FROM line WHERE ${KEY} AND (SELECT time FROM due) IS NULL)
  UPDATE line SET lease_until = '-infinity', due_time = greatest((SELECT time FROM due), $4::bigint)
  WHERE ${KEY} AND (SELECT time FROM due) IS NOT NULL`;
const PUT_LINES = `INSERT INTO line (tenant_id, channel_id, line, due_time)
  SELECT $1, channel_id, line, min(due_time)
  FROM unnest($2::text[], $3::text[], $4::bigint[]) AS given (channel_id, line, due_time)
  GROUP BY channel_id, line ORDER BY channel_id, line
  ON CONFLICT (tenant_id, channel_id, line) DO UPDATE SET due_time = least(line.due_time, excluded.due_time)`;
const DUE_LINES = `SELECT tenant_id, channel_id, line FROM (
    SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY due_time) AS place FROM line
    WHERE due_time <= $1 AND lease_until < clock_timestamp()) AS due
  WHERE place <= ${LINES_OF_A_TENANT} ORDER BY place LIMIT ${LINES_AT_ONCE}`;
/** Only rows that nobody holds: whoever holds one looks at it by itself. In one order for all processes. */
const WAKE = `WITH free AS (
    SELECT tenant_id, channel_id, line FROM line
    WHERE channel_id = $1 AND ($2::text IS NULL OR tenant_id = $2) ORDER BY tenant_id, channel_id, line
    FOR UPDATE SKIP LOCKED)
  UPDATE line SET due_time = least(due_time, $3::bigint) FROM free
  WHERE line.tenant_id = free.tenant_id AND line.channel_id = free.channel_id AND line.line = free.line
  RETURNING line.tenant_id, line.channel_id, line.line`;
const RENEW = `WITH held AS (
    SELECT line.fence FROM line
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS own (tenant_id, channel_id, line, fence)
      ON line.tenant_id = own.tenant_id AND line.channel_id = own.channel_id AND line.line = own.line
      AND line.fence = own.fence
    ORDER BY line.tenant_id, line.channel_id, line.line FOR UPDATE OF line)
  UPDATE line SET lease_until = clock_timestamp() + $5 * interval '1 ms' WHERE fence IN (SELECT fence FROM held)
  RETURNING fence`;

export interface PostgresLines {
  claim(line: Line, nowMs: number): Promise<ClaimedLine | undefined>;
  /** Runs `work` while the claim's line is locked. Undefined where it is lost; then `work` is not run. */
  under<T>(claim: Claim, work: (transaction: Transaction) => Promise<T>): Promise<T | undefined>;
  /** Lets the line go at the end of such work. */
  letGo(transaction: Transaction, claim: Claim, untilMs?: number): Promise<void>;
  /** Notes that these wait, within the transaction that stores them. */
  put(transaction: Transaction, tenantId: string, deliveries: readonly NewDelivery[]): Promise<void>;
  due(nowMs: number): Promise<Line[]>;
  renew(claims: readonly Claim[]): Promise<Claim[]>;
  wake(tenantId: string | undefined, channelId: string, nowMs: number): Promise<Line[]>;
}

export function createPostgresLines({
  db,
  vault,
  leaseMs,
  log,
}: {
  db: Postgres;
  vault: Vault;
  leaseMs: number;
  log: Log;
}): PostgresLines {
  return {
    claim: (line, nowMs) =>
      db.transaction(line.tenantId, async (transaction) => {
        const key = keyOf(line);
        const [found] = await transaction.query<{ held: boolean }>(LOCK_FREE, key);
        if (!found || found.held) return undefined;
        let rows = await transaction.query<DeliveryRow>(SENDING_AND_FIRST, key);
        const cutOff = rows.filter(isSending).map((row) => deliveryOf(row, vault));
        if (cutOff.length > 0) {
          log.warn({ tenant_id: line.tenantId, deliveries: cutOff.length }, "sending again what was cut off");
          for (const delivery of cutOff) await settleCutOff(transaction, delivery, nowMs);
          rows = await transaction.query<DeliveryRow>(FIRST, key);
        }
        const [first] = rows;
        if (!first) {
          await transaction.query(FORGET, key);
          return undefined;
        }
        const [claimed] = await transaction.query<{ fence: string }>(CLAIM, [...key, leaseMs]);
        return { claim: { ...lineOf(line), fence: Number(claimed!.fence) }, first: deliveryOf(first, vault) };
      }),

    under: (claim, work) =>
      db.transaction(claim.tenantId, async (transaction) => {
        const [own] = await transaction.query(LOCK_OWN, [...keyOf(claim), claim.fence]);
        return own ? work(transaction) : undefined;
      }),

    async letGo(transaction, claim, untilMs = 0) {
      // A statement of its own, after the lock: it sees what was put in while the lock was waited for.
      await transaction.query(LET_GO, [...keyOf(claim), untilMs]);
    },

    async put(transaction, tenantId, deliveries) {
      const waiting = deliveries.filter(({ nextTimeMs }) => nextTimeMs !== undefined);
      if (waiting.length === 0) return;
      await transaction.query(PUT_LINES, [
        tenantId,
        waiting.map(({ channelId }) => channelId),
        waiting.map(({ line }) => line),
        waiting.map(({ nextTimeMs }) => nextTimeMs),
      ]);
    },

    async due(nowMs) {
      return (await db.query<LineRow>(ALL_TENANTS, DUE_LINES, [nowMs])).map(lineOfRow);
    },

    async wake(tenantId, channelId, nowMs) {
      const values = [channelId, tenantId ?? null, nowMs];
      const rows = await db.query<LineRow>(tenantId ?? ALL_TENANTS, WAKE, values);
      return rows.slice(0, LINES_AT_ONCE).map(lineOfRow);
    },

    async renew(claims) {
      const rows = await db.query<{ fence: string }>(ALL_TENANTS, RENEW, [
        claims.map(({ tenantId }) => tenantId),
        claims.map(({ channelId }) => channelId),
        claims.map(({ line }) => line),
        claims.map(({ fence }) => fence),
        leaseMs,
      ]);
      const held = new Set(rows.map(({ fence }) => Number(fence)));
      return claims.filter(({ fence }) => !held.has(fence));
    },
  };
}

/** What becomes of a delivery whose try was cut off: nobody knows whether people see it. */
async function settleCutOff(
  transaction: Transaction,
  delivery: StoredDelivery,
  nowMs: number,
): Promise<void> {
  const { withdrawn } = delivery;
  const settlement = {
    state: withdrawn === undefined ? Delivery_State.UNKNOWN : Delivery_State.SUPPRESSED,
    reason: withdrawn ?? CUT_OFF,
    // It was the first in its line and stays so: the parts of one question stand together in the chat.
    nextTimeMs: withdrawn === undefined ? Math.min(delivery.nextTimeMs ?? nowMs, nowMs) : undefined,
    outcome: Attempt_Outcome.UNKNOWN,
    detail: CUT_OFF,
    report: true,
  };
  await settleRow(transaction, delivery, settlement, nowMs);
}

interface LineRow {
  readonly tenant_id: string;
  readonly channel_id: string;
  readonly line: string;
}

function lineOfRow(row: LineRow): Line {
  return { tenantId: row.tenant_id, channelId: row.channel_id, line: row.line };
}

function keyOf({ tenantId, channelId, line }: Line): string[] {
  return [tenantId, channelId, line];
}

function lineOf({ tenantId, channelId, line }: Line): Line {
  return { tenantId, channelId, line };
}
