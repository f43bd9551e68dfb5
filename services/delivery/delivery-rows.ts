// The rows of deliveries, and the pieces of SQL that several commands share.

import type { SQLInputValue } from "node:sqlite";
import type { Part } from "@hil/channels/channel.ts";
import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SealContext, Vault } from "@hil/platform/secrets/vault.ts";
import type { DeliveryKey, NewDelivery, StoredDelivery } from "./delivery.ts";

export const WAITING = `state IN (${Delivery_State.QUEUED}, ${Delivery_State.UNKNOWN})`;
export const ENDED = `state IN (${Delivery_State.SENT}, ${Delivery_State.FAILED}, ${Delivery_State.SUPPRESSED})`;
/** Ends deliveries: state, reason and time, and then which. */
export const END = `UPDATE delivery SET state = ?, reason = ?, next_time = NULL, parts = NULL, update_time = ?,
  revision = revision + 1, unreported = (session_id <> '')`;
export const INSERT = `INSERT INTO delivery
  (tenant_id, id, session_id, channel_id, chat_id, chat_type, line, parts, state, reason, next_time, give_up_time,
   create_time, update_time, revision, unreported)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (tenant_id, id) DO NOTHING`;

export interface DeliveryRow {
  sequence: number;
  tenant_id: string;
  id: string;
  session_id: string;
  channel_id: string;
  chat_id: string;
  chat_type: ChatType;
  line: string;
  parts: string | Uint8Array | null;
  parts_sent: number;
  part_tries: number;
  state: Delivery_State;
  reason: string;
  attempt_count: number;
  next_time: number | null;
  give_up_time: number;
  withdrawn: string | null;
  create_time: number;
  update_time: number;
  revision: number;
}

export function insertValues(delivery: NewDelivery, nowMs: number, vault: Vault): SQLInputValue[] {
  return [
    delivery.tenantId,
    delivery.id,
    delivery.sessionId,
    delivery.channelId,
    delivery.chatId,
    delivery.chatType,
    delivery.line,
    partsValue(delivery, vault),
    delivery.state,
    delivery.reason,
    delivery.nextTimeMs ?? null,
    delivery.giveUpTimeMs,
    nowMs,
    nowMs,
    delivery.report ? 1 : 0,
    delivery.report ? 1 : 0,
  ];
}

export function deliveryOf(row: DeliveryRow, vault: Vault): StoredDelivery {
  return {
    sequence: row.sequence,
    tenantId: row.tenant_id,
    id: row.id,
    sessionId: row.session_id,
    channelId: row.channel_id,
    chatId: row.chat_id,
    chatType: row.chat_type,
    line: row.line,
    parts: partsOf(row, vault),
    isSecret: row.parts instanceof Uint8Array,
    partsSent: row.parts_sent,
    partTries: row.part_tries,
    state: row.state,
    reason: row.reason,
    attemptCount: row.attempt_count,
    nextTimeMs: row.next_time ?? undefined,
    giveUpTimeMs: row.give_up_time,
    withdrawn: row.withdrawn ?? undefined,
    createTimeMs: row.create_time,
    updateTimeMs: row.update_time,
  };
}

/** Where the sealed parts of a delivery stand. */
export function partsContext({ tenantId, id }: DeliveryKey): SealContext {
  return { tenantId, kind: "delivery", id };
}

function partsValue(delivery: NewDelivery, vault: Vault): SQLInputValue {
  if (delivery.parts.length === 0) return null;
  const text = JSON.stringify(delivery.parts);
  return delivery.isSecret ? vault.seal(Buffer.from(text, "utf8"), partsContext(delivery)) : text;
}

function partsOf({ tenant_id, id, parts }: DeliveryRow, vault: Vault): Part[] {
  if (parts === null) return [];
  const text =
    typeof parts === "string"
      ? parts
      : Buffer.from(vault.open(parts, partsContext({ tenantId: tenant_id, id }))).toString("utf8");
  return JSON.parse(text) as Part[];
}
