// The inbox of the distributed form: a schema in PostgreSQL, which all replicas share.
//
// Vendors and those who work on messages are of no tenant and see all of them; a call of a tenant sees its own, whatever
// its statement says. Messages that come in one turn of the event loop are one transaction.

import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Inbound_Disposition,
  type Inbound_Kind,
  InboundSchema,
} from "@hil/gen/hil/callback/v1/callback_pb.ts";
import type { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { createGroup } from "@hil/platform/storage/group.ts";
import { ALL_TENANTS, Postgres } from "@hil/platform/storage/postgres.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { ChatClaims, type Head } from "./chat-claims.ts";
import { createInboundCodec, type InboundCodec } from "./inbound-codec.ts";
import { createAddAll } from "./inbox-add-postgres.ts";
import { rewrapSome } from "./inbox-rewrap-postgres.ts";
import {
  type Added,
  type InboundKey,
  type InboxRow,
  type InboxStore,
  type NewInbound,
  TAKEN,
} from "./inbox-store.ts";
import { isStorageUnavailable } from "./storage-away.ts";

/** A dead replica's chats go on in others this long after, and as long as these take to look. */
const LEASE_MS = 2_000;
/** How many chats are looked for at a time. */
const CHATS = 1_000;
const ADDED_AT_ONCE = 500;

/** A bigint comes as text. */
interface Row {
  readonly id: string;
  readonly tenant_id: string;
  readonly channel_tenant_id: string;
  readonly channel_id: string;
  readonly chat_id: string;
  readonly chat_key: string;
  readonly chat_type: number;
  readonly sender_user_id: string;
  readonly sender_name: string;
  readonly sender_alias: string;
  readonly kind: number;
  readonly vendor_message_id: string;
  readonly content: Uint8Array;
  readonly receive_time: string;
  readonly disposition: number;
  readonly session_id: string;
  readonly settle_time: string | null;
  readonly sealed_guidance: Uint8Array | null;
  readonly notice_attempt_count: number;
  readonly attempt_count: number;
  readonly last_error: string;
}

/** Before a change that names its claim: it holds until the change is made, or there is nothing to change (X6). */
const HELD = "WITH held AS (SELECT 1 FROM claim WHERE token = $1::bigint FOR UPDATE)";
const IS_HELD = "($1::bigint IS NULL OR EXISTS (SELECT 1 FROM held))";

/** Opens the store. Rejects where the database is not there. */
export async function openPostgresInboxStore({
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
  leaseMs?: number;
}): Promise<InboxStore> {
  const db = await Postgres.open({
    url,
    schema: "callback",
    migrations: join(import.meta.dirname, "migrations-postgres"),
    ...(connections === undefined ? {} : { connections }),
    log,
  });
  const audit = new PostgresAuditLog({ db, service: "callback", key: vault.auditKey, log });
  const codec = createInboundCodec(vault);
  const inboxRowOf = (row: Row, token?: string): InboxRow => ({ ...toInboxRow(row, codec), token });
  const claims = new ChatClaims<Row>({ db, leaseMs, log });
  const adding = createGroup<NewInbound, Added>({
    most: ADDED_AT_ONCE,
    isOfDatabase: isStorageUnavailable,
    runAll: createAddAll({ db, codec }),
  });

  const change = async (text: string, ...values: unknown[]): Promise<number> =>
    (await db.query(ALL_TENANTS, `${text} RETURNING 1`, values)).length;
  const changeHeld = ({ channelTenantId, id, token }: InboundKey, text: string, ...values: unknown[]) =>
    change(
      `${HELD} UPDATE inbound SET ${text} AND ${IS_HELD}`,
      token ?? null,
      channelTenantId,
      id,
      ...values,
    );

  let closing: Promise<void> | undefined;
  const close = async () => {
    await claims.close();
    await db.close();
  };

  return {
    isShared: true,
    add: (message) => adding.run(message),
    async acknowledge({ channelTenantId, id }, time) {
      await change(
        `UPDATE inbound SET ack_time = $1
         WHERE channel_tenant_id = $2 AND id = $3 AND body_digest <> '' AND ack_time IS NULL`,
        time.getTime(),
        channelTenantId,
        id,
      );
    },
    async get(tenantId, id) {
      const [row] = await db.query<Row>(tenantId, "SELECT * FROM inbound WHERE tenant_id = $1 AND id = $2", [
        tenantId,
        id,
      ]);
      return row && inboxRowOf(row);
    },
    async list({ tenantId, dispositions, chatId, limit, beforeId }) {
      const rows = await db.query<Row>(
        tenantId,
        `SELECT * FROM inbound WHERE tenant_id = $1 AND ($2 = '' OR id < $2) AND ($3 = '' OR chat_id = $3)
           AND (cardinality($4::integer[]) = 0 OR disposition = ANY($4)) ORDER BY id DESC LIMIT $5`,
        [tenantId, beforeId, chatId, dispositions, limit],
      );
      return rows.map((row) => inboxRowOf(row));
    },

    pendingChats: () => claims.idleChats("match", CHATS),
    async firstPending(chatKey) {
      return found(await claims.head("match", chatKey), inboxRowOf);
    },
    async recordMatch(key, { tenantId, sessionId }) {
      const text = "tenant_id = $4, session_id = $5 WHERE channel_tenant_id = $2 AND id = $3";
      return (await changeHeld(key, text, tenantId, sessionId)) > 0;
    },
    async settle(key, { disposition, tenantId, sessionId, guidance, text }, time) {
      const content =
        text === undefined
          ? null
          : codec.sealContent(key, { text, quotedText: "", imageUrls: [], vendorMessage: "{}" });
      const changes = await changeHeld(
        key,
        `disposition = $4, tenant_id = $5, session_id = $6, sealed_guidance = $7, notice_pending = $8,
           settle_time = $9, attempt_count = attempt_count + 1, last_error = '', content = coalesce($10, content)
         WHERE channel_tenant_id = $2 AND id = $3 AND disposition = 0`,
        disposition,
        tenantId,
        sessionId,
        guidance ? codec.sealGuidance(key, guidance) : null,
        guidance !== "",
        time.getTime(),
        content,
      );
      return changes > 0;
    },
    async recordFailure(key, { error, attemptCount, dead }) {
      await changeHeld(
        key,
        "last_error = $4, attempt_count = $5, disposition = $6 WHERE channel_tenant_id = $2 AND id = $3 AND disposition = 0",
        error,
        attemptCount,
        dead ? Inbound_Disposition.DEAD : Inbound_Disposition.UNSPECIFIED,
      );
    },
    redrive({ tenantId, id, principalId, time }) {
      return db.transaction(tenantId, async (transaction) => {
        const redriven = await transaction.query(
          `UPDATE inbound SET disposition = 0, attempt_count = 0
           WHERE tenant_id = $1 AND id = $2 AND disposition = ${Inbound_Disposition.DEAD} RETURNING 1`,
          [tenantId, id],
        );
        if (redriven.length === 0) return false;
        await audit.append(transaction, [
          {
            tenantId,
            principalId,
            action: "inbound.redriven",
            resource: `inbound/${id}`,
            before: { disposition: "DEAD" },
            after: { disposition: "UNSPECIFIED" },
            time,
          },
        ]);
        return true;
      });
    },

    noticeChats: () => claims.idleChats("notice", CHATS),
    async firstNotice(chatKey) {
      return found(await claims.head("notice", chatKey), (row, token) => ({
        ...inboxRowOf(row, token),
        settleTime: new Date(Number(row.settle_time ?? row.receive_time)),
        noticeAttemptCount: row.notice_attempt_count,
      }));
    },
    async settleNotice(key, error) {
      const text = "notice_pending = false, last_error = $4 WHERE channel_tenant_id = $2 AND id = $3";
      await changeHeld(key, text, error);
    },
    async recordNoticeFailure(key, { error, attemptCount }) {
      const text = "last_error = $4, notice_attempt_count = $5 WHERE channel_tenant_id = $2 AND id = $3";
      await changeHeld(key, text, error, attemptCount);
    },

    async backlog() {
      const [row] = await db.query<{ messages: string; oldest: string | null }>(
        ALL_TENANTS,
        "SELECT count(*) AS messages, min(receive_time) AS oldest FROM inbound WHERE disposition = 0",
      );
      const { messages, oldest } = row!;
      return { messages: Number(messages), oldestTimeMs: oldest === null ? undefined : Number(oldest) };
    },
    async tenantIds() {
      const rows = await db.query<{ tenant_id: string }>(
        ALL_TENANTS,
        "SELECT DISTINCT tenant_id FROM inbound",
      );
      return rows.map((row) => row.tenant_id);
    },
    async deleteSettledBefore(tenantId, time, limit) {
      const deleted = await db.query(
        tenantId,
        `DELETE FROM inbound WHERE seq IN (SELECT seq FROM inbound WHERE tenant_id = $1 AND receive_time < $2
           AND disposition <> ${Inbound_Disposition.UNSPECIFIED} AND NOT notice_pending
           ORDER BY receive_time LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING 1`,
        [tenantId, time.getTime(), limit],
      );
      return deleted.length;
    },

    rewrapSome: (limit) => rewrapSome({ db, codec, limit }),

    audit,
    close: () => (closing ??= close()),
  };
}

function found<Result>(
  head: Head<Row>,
  read: (row: Row, token: string) => Result,
): Result | typeof TAKEN | undefined {
  switch (head.kind) {
    case "claimed":
      return read(head.row, head.token);
    case "taken":
      return TAKEN;
    case "nothing":
      return undefined;
  }
}

function toInboxRow(row: Row, codec: InboundCodec): InboxRow {
  const key: InboundKey = { channelTenantId: row.channel_tenant_id, id: row.id };
  const { text, quotedText, imageUrls, vendorMessage } = codec.openContent(key, row.content);
  return {
    tenantId: row.tenant_id,
    channelTenantId: row.channel_tenant_id,
    chatKey: row.chat_key,
    vendorMessage,
    inbound: create(InboundSchema, {
      id: row.id,
      channelId: row.channel_id,
      chatId: row.chat_id,
      chatType: row.chat_type as ChatType,
      sender: { userId: row.sender_user_id, name: row.sender_name, alias: row.sender_alias },
      kind: row.kind as Inbound_Kind,
      vendorMessageId: row.vendor_message_id,
      text,
      quotedText,
      imageUrls: [...imageUrls],
      receiveTime: timestampFromMs(Number(row.receive_time)),
      disposition: row.disposition as Inbound_Disposition,
      sessionId: row.session_id,
      guidance: row.sealed_guidance ? codec.openGuidance(key, row.sealed_guidance) : "",
      attemptCount: row.attempt_count,
      lastError: row.last_error,
    }),
  };
}
