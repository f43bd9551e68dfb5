// The rows of deliveries in PostgreSQL, and the pieces of SQL that several files share.

import type { Part } from "@hil/channels/channel.ts";
import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Transaction } from "@hil/platform/storage/postgres.ts";
import type { NewDelivery, Settlement, StoredDelivery } from "./delivery.ts";
import { partsContext } from "./delivery-rows.ts";

const INSERT = `INSERT INTO delivery
    (tenant_id, id, session_id, channel_id, chat_id, chat_type, line, parts, sealed_parts, state, reason, next_time,
     give_up_time, create_time, update_time, revision, unreported)
  SELECT $1, id, session_id, channel_id, chat_id, chat_type, line, parts, sealed_parts, state, reason, next_time,
    give_up_time, $2, $2, report::integer, report
  FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::text[], $10::bytea[],
    $11::integer[], $12::text[], $13::bigint[], $14::bigint[], $15::boolean[]) WITH ORDINALITY
    AS given (id, session_id, channel_id, chat_id, chat_type, line, parts, sealed_parts, state, reason, next_time,
      give_up_time, report, place)
  ORDER BY place ON CONFLICT (tenant_id, id) DO NOTHING RETURNING id`;
/** A delivery that still waits keeps its parts; one that has ended, without a next time, does not. */
const SETTLE = `WITH ended AS (
    UPDATE attempt SET end_time = $8, outcome = $9, detail = $10
    WHERE tenant_id = $1 AND delivery_id = $2 AND number = $3)
  UPDATE delivery SET state = $4, reason = $5, next_time = $6::bigint, update_time = $8,
    parts = CASE WHEN $6::bigint IS NULL THEN NULL ELSE parts END,
    sealed_parts = CASE WHEN $6::bigint IS NULL THEN NULL ELSE sealed_parts END,
    revision = revision + $7::boolean::integer, unreported = unreported OR ($7::boolean AND session_id <> '')
  WHERE tenant_id = $1 AND id = $2`;

/** As the driver gives it: a bigint comes as text. */
export interface DeliveryRow {
  sequence: string;
  tenant_id: string;
  id: string;
  session_id: string;
  channel_id: string;
  chat_id: string;
  chat_type: ChatType;
  line: string;
  parts: string | null;
  sealed_parts: Uint8Array | null;
  parts_sent: number;
  part_tries: number;
  state: Delivery_State;
  reason: string;
  attempt_count: number;
  next_time: string | null;
  give_up_time: string;
  withdrawn: string | null;
  create_time: string;
  update_time: string;
  revision: number;
  report_fence: string;
}

export function deliveryOf(row: DeliveryRow, vault: Vault): StoredDelivery {
  return {
    sequence: Number(row.sequence),
    tenantId: row.tenant_id,
    id: row.id,
    sessionId: row.session_id,
    channelId: row.channel_id,
    chatId: row.chat_id,
    chatType: row.chat_type,
    line: row.line,
    parts: partsOf(row, vault),
    isSecret: row.sealed_parts !== null,
    partsSent: row.parts_sent,
    partTries: row.part_tries,
    state: row.state,
    reason: row.reason,
    attemptCount: row.attempt_count,
    nextTimeMs: row.next_time === null ? undefined : Number(row.next_time),
    giveUpTimeMs: Number(row.give_up_time),
    withdrawn: row.withdrawn ?? undefined,
    createTimeMs: Number(row.create_time),
    updateTimeMs: Number(row.update_time),
  };
}

/** Stores a tenant's deliveries. Returns the ids of those that are new. */
export async function insertRows(
  transaction: Transaction,
  tenantId: string,
  deliveries: readonly NewDelivery[],
  nowMs: number,
  vault: Vault,
): Promise<Set<string>> {
  const texts = deliveries.map(({ parts }) => (parts.length === 0 ? null : JSON.stringify(parts)));
  const column = <T>(read: (delivery: NewDelivery, index: number) => T) => deliveries.map(read);
  const rows = await transaction.query<{ id: string }>(INSERT, [
    tenantId,
    nowMs,
    column(({ id }) => id),
    column(({ sessionId }) => sessionId),
    column(({ channelId }) => channelId),
    column(({ chatId }) => chatId),
    column(({ chatType }) => chatType),
    column(({ line }) => line),
    column(({ isSecret }, index) => (isSecret ? null : texts[index])),
    column((delivery, index) => {
      const text = texts[index];
      if (!delivery.isSecret || text === null || text === undefined) return null;
      return Buffer.from(vault.seal(Buffer.from(text, "utf8"), partsContext(delivery)));
    }),
    column(({ state }) => state),
    column(({ reason }) => reason),
    column(({ nextTimeMs }) => nextTimeMs ?? null),
    column(({ giveUpTimeMs }) => giveUpTimeMs),
    column(({ report }) => report),
  ]);
  return new Set(rows.map(({ id }) => id));
}

/** Writes down how a try ended, and how its delivery stands then. */
export async function settleRow(
  transaction: Transaction,
  { tenantId, id, attemptCount }: StoredDelivery,
  { state, reason, nextTimeMs, outcome, detail, report }: Settlement,
  nowMs: number,
): Promise<void> {
  await transaction.query(SETTLE, [
    tenantId,
    id,
    attemptCount,
    state,
    reason,
    nextTimeMs ?? null,
    report || nextTimeMs === undefined,
    nowMs,
    outcome,
    detail,
  ]);
}

function partsOf({ tenant_id, id, parts, sealed_parts }: DeliveryRow, vault: Vault): Part[] {
  if (sealed_parts !== null) {
    const plain = vault.open(sealed_parts, partsContext({ tenantId: tenant_id, id }));
    return JSON.parse(Buffer.from(plain).toString("utf8")) as Part[];
  }
  return parts === null ? [] : (JSON.parse(parts) as Part[]);
}

/** Whether a stored delivery is in the middle of a try. */
export function isSending(row: DeliveryRow): boolean {
  return row.state === Delivery_State.SENDING;
}
