// The inbox of the embedded form: one SQLite file.

import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Inbound_Disposition,
  type Inbound_Kind,
  InboundSchema,
} from "@hil/gen/hil/callback/v1/callback_pb.ts";
import type { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type Content, createInboundCodec, type InboundCodec } from "./inbound-codec.ts";
import { rewrapSome } from "./inbox-rewrap.ts";
import {
  type Added,
  chatKeyOf,
  dedupeKeyOf,
  type InboundKey,
  type InboxRow,
  type InboxStore,
  isRepetition,
  type NewInbound,
  namelessKeyOf,
} from "./inbox-store.ts";

interface Row {
  seq: number;
  id: string;
  tenant_id: string;
  channel_tenant_id: string;
  channel_id: string;
  chat_id: string;
  chat_key: string;
  chat_type: number;
  sender_user_id: string;
  sender_name: string;
  sender_alias: string;
  kind: number;
  vendor_message_id: string;
  text: string;
  quoted_text: string;
  image_urls: string;
  vendor_message: string;
  receive_time: number;
  disposition: number;
  session_id: string;
  settle_time: number | null;
  guidance: string;
  notice_attempt_count: number;
  attempt_count: number;
  last_error: string;
  content: Uint8Array | null;
  sealed_guidance: Uint8Array | null;
}

const INSERT = `INSERT INTO inbound
  (id, tenant_id, channel_tenant_id, channel_id, chat_id, chat_key, chat_type, sender_user_id, sender_name,
   sender_alias, kind, vendor_message_id, text, quoted_text, image_urls, vendor_message, content, dedupe_key,
   body_digest, receive_time, ack_time, disposition)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', '', ?, ?, ?, ?, ?, ?) ON CONFLICT (dedupe_key) DO NOTHING`;
const SELECT_BY_KEY = "SELECT id FROM inbound WHERE dedupe_key = ?";
const ACKNOWLEDGE = `UPDATE inbound SET ack_time = ?
  WHERE channel_tenant_id = ? AND id = ? AND body_digest <> '' AND ack_time IS NULL`;
const SELECT_EQUAL = `SELECT id, receive_time, ack_time FROM inbound
  WHERE body_digest = ? ORDER BY seq DESC LIMIT 1`;

/** The store of the embedded form: one SQLite file. */
export function openSqliteInboxStore({
  dataDir,
  vault,
  log,
}: {
  dataDir: string;
  vault: Vault;
  log: Log;
}): InboxStore {
  const db = new Sqlite({
    path: join(dataDir, "callback.db"),
    migrations: join(import.meta.dirname, "migrations"),
    log,
  });
  const audit = new SqliteAuditLog({ db, service: "callback", key: vault.auditKey, log });
  const codec = createInboundCodec(vault);
  const inboxRowOf = (row: Row) => toInboxRow(row, codec);

  /** Runs inside a write. `content` was sealed before it. */
  const insert = (message: NewInbound, content: Uint8Array, dedupeKey: string, bodyDigest: string): Added => {
    const { inbound, channelTenantId } = message;
    const { changes } = db
      .sql(INSERT)
      .run(
        inbound.id,
        channelTenantId,
        channelTenantId,
        inbound.channelId,
        inbound.chatId,
        chatKeyOf(channelTenantId, inbound.channelId, inbound.chatId),
        inbound.chatType,
        inbound.sender?.userId ?? "",
        inbound.sender?.name ?? "",
        inbound.sender?.alias ?? "",
        inbound.kind,
        inbound.vendorMessageId,
        content,
        dedupeKey,
        bodyDigest,
        timestampMs(inbound.receiveTime!),
        bodyDigest === "" ? null : (message.ackTime?.getTime() ?? null),
        inbound.disposition,
      );
    if (changes === 1) return { id: inbound.id, duplicate: false };
    return { id: (db.sql(SELECT_BY_KEY).get(dedupeKey) as { id: string }).id, duplicate: true };
  };

  /** Runs inside a write. */
  const insertWithoutId = (message: NewInbound, content: Uint8Array): Added => {
    const { inbound, channelTenantId, ackTime } = message;
    const digest = codec.digest([channelTenantId, inbound.channelId, message.bodyDigest]);
    const last = db.sql(SELECT_EQUAL).get(digest) as
      | { id: string; receive_time: number; ack_time: number | null }
      | undefined;
    const come = { receiveMs: timestampMs(inbound.receiveTime!), isAcknowledged: ackTime !== undefined };
    const kept = last && { receiveMs: last.receive_time, isAcknowledged: last.ack_time !== null };
    const added =
      kept && isRepetition(kept, come)
        ? { id: last.id, duplicate: true }
        : insert(message, content, namelessKeyOf(message, digest), digest);
    // What is known of our yes counts for the message that is kept, whichever of the repetitions it was said to.
    if (added.duplicate && ackTime) db.sql(ACKNOWLEDGE).run(ackTime.getTime(), channelTenantId, added.id);
    return added;
  };

  const firstOf = (condition: string) => {
    const text = `SELECT * FROM inbound WHERE chat_key = ? AND ${condition} ORDER BY seq LIMIT 1`;
    return (chatKey: string): Row | undefined => db.get<Row>(text, chatKey);
  };
  const firstPending = firstOf("disposition = 0");
  const firstNotice = firstOf("notice_pending = 1");

  const chatsOf = (condition: string): string[] =>
    db
      .all<{ chat_key: string }>(
        `SELECT chat_key FROM inbound WHERE ${condition} GROUP BY chat_key ORDER BY min(seq)`,
      )
      .map((row) => row.chat_key);

  const change = async (text: string, ...values: SQLInputValue[]): Promise<number> =>
    db.write(() => Number(db.sql(text).run(...values).changes));

  return {
    isShared: false,
    add(message) {
      const { inbound, channelTenantId, vendorMessage } = message;
      const { text, quotedText, imageUrls } = inbound;
      const content = codec.sealContent(
        { channelTenantId, id: inbound.id },
        { text, quotedText, imageUrls, vendorMessage },
      );
      return db.write(() =>
        inbound.vendorMessageId
          ? insert(message, content, dedupeKeyOf(message), "")
          : insertWithoutId(message, content),
      );
    },
    async acknowledge({ channelTenantId, id }, time) {
      await change(ACKNOWLEDGE, time.getTime(), channelTenantId, id);
    },
    async get(tenantId, id) {
      const row = db.get<Row>("SELECT * FROM inbound WHERE tenant_id = ? AND id = ?", tenantId, id);
      return row && inboxRowOf(row);
    },
    async list({ tenantId, dispositions, chatId, limit, beforeId }) {
      const conditions = ["tenant_id = ?"];
      const values: (string | number)[] = [tenantId];
      if (beforeId) {
        conditions.push("id < ?");
        values.push(beforeId);
      }
      if (chatId) {
        conditions.push("chat_id = ?");
        values.push(chatId);
      }
      if (dispositions.length > 0) {
        conditions.push(`disposition IN (${dispositions.map(() => "?").join(", ")})`);
        values.push(...dispositions);
      }
      return db
        .all<Row>(
          `SELECT * FROM inbound WHERE ${conditions.join(" AND ")} ORDER BY id DESC LIMIT ?`,
          ...values,
          limit,
        )
        .map(inboxRowOf);
    },

    async backlog() {
      const { messages, oldest } = db.get<{ messages: number; oldest: number | null }>(
        "SELECT count(*) AS messages, min(receive_time) AS oldest FROM inbound WHERE disposition = 0",
      )!;
      return { messages, oldestTimeMs: oldest ?? undefined };
    },

    async pendingChats() {
      return chatsOf("disposition = 0");
    },
    async firstPending(chatKey) {
      const row = firstPending(chatKey);
      return row && inboxRowOf(row);
    },
    async recordMatch({ channelTenantId, id }, { tenantId, sessionId }) {
      const changes = await change(
        "UPDATE inbound SET tenant_id = ?, session_id = ? WHERE channel_tenant_id = ? AND id = ?",
        tenantId,
        sessionId,
        channelTenantId,
        id,
      );
      return changes > 0;
    },
    async settle(key, { disposition, tenantId, sessionId, guidance, text }, time) {
      const content =
        text === undefined
          ? null
          : codec.sealContent(key, { text, quotedText: "", imageUrls: [], vendorMessage: "{}" });
      const changes = await change(
        `UPDATE inbound SET disposition = ?, tenant_id = ?, session_id = ?, sealed_guidance = ?, notice_pending = ?,
           settle_time = ?, attempt_count = attempt_count + 1, last_error = '', content = coalesce(?, content)
         WHERE channel_tenant_id = ? AND id = ? AND disposition = 0`,
        disposition,
        tenantId,
        sessionId,
        guidance ? codec.sealGuidance(key, guidance) : null,
        guidance ? 1 : 0,
        time.getTime(),
        content,
        key.channelTenantId,
        key.id,
      );
      return changes > 0;
    },
    async recordFailure({ channelTenantId, id }, { error, attemptCount, dead }) {
      await change(
        `UPDATE inbound SET last_error = ?, attempt_count = ?, disposition = ?
         WHERE channel_tenant_id = ? AND id = ? AND disposition = 0`,
        error,
        attemptCount,
        dead ? Inbound_Disposition.DEAD : Inbound_Disposition.UNSPECIFIED,
        channelTenantId,
        id,
      );
    },
    redrive({ tenantId, id, principalId, time }) {
      return db.write(() => {
        const { changes } = db
          .sql(
            `UPDATE inbound SET disposition = 0, attempt_count = 0
             WHERE tenant_id = ? AND id = ? AND disposition = ${Inbound_Disposition.DEAD}`,
          )
          .run(tenantId, id);
        if (changes === 0) return false;
        audit.append({
          tenantId,
          principalId,
          action: "inbound.redriven",
          resource: `inbound/${id}`,
          before: { disposition: "DEAD" },
          after: { disposition: "UNSPECIFIED" },
          time,
        });
        return true;
      });
    },

    async noticeChats() {
      return chatsOf("notice_pending = 1");
    },
    async firstNotice(chatKey) {
      const row = firstNotice(chatKey);
      if (!row) return undefined;
      return {
        ...inboxRowOf(row),
        settleTime: new Date(row.settle_time ?? row.receive_time),
        noticeAttemptCount: row.notice_attempt_count,
      };
    },
    async settleNotice({ channelTenantId, id }, error) {
      await change(
        "UPDATE inbound SET notice_pending = 0, last_error = ? WHERE channel_tenant_id = ? AND id = ?",
        error,
        channelTenantId,
        id,
      );
    },
    async recordNoticeFailure({ channelTenantId, id }, { error, attemptCount }) {
      await change(
        "UPDATE inbound SET last_error = ?, notice_attempt_count = ? WHERE channel_tenant_id = ? AND id = ?",
        error,
        attemptCount,
        channelTenantId,
        id,
      );
    },

    async tenantIds() {
      return db
        .all<{ tenant_id: string }>("SELECT DISTINCT tenant_id FROM inbound")
        .map((row) => row.tenant_id);
    },
    deleteSettledBefore(tenantId, time, limit) {
      return db.write(() =>
        Number(
          db
            .sql(
              `DELETE FROM inbound WHERE seq IN (SELECT seq FROM inbound WHERE tenant_id = ? AND receive_time < ?
               AND disposition <> ${Inbound_Disposition.UNSPECIFIED} AND notice_pending = 0
               ORDER BY receive_time LIMIT ?)`,
            )
            .run(tenantId, time.getTime(), limit).changes,
        ),
      );
    },

    rewrapSome(limit) {
      return rewrapSome({ db, codec, limit });
    },

    audit,
    close: async () => db.close(),
  };
}

function contentOf(row: Row, codec: InboundCodec): Content {
  if (row.content)
    return codec.openContent({ channelTenantId: row.channel_tenant_id, id: row.id }, row.content);
  return {
    text: row.text,
    quotedText: row.quoted_text,
    imageUrls: JSON.parse(row.image_urls) as string[],
    vendorMessage: row.vendor_message,
  };
}

function toInboxRow(row: Row, codec: InboundCodec): InboxRow {
  const key: InboundKey = { channelTenantId: row.channel_tenant_id, id: row.id };
  const { text, quotedText, imageUrls, vendorMessage } = contentOf(row, codec);
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
      receiveTime: timestampFromMs(row.receive_time),
      disposition: row.disposition as Inbound_Disposition,
      sessionId: row.session_id,
      guidance: row.sealed_guidance ? codec.openGuidance(key, row.sealed_guidance) : row.guidance,
      attemptCount: row.attempt_count,
      lastError: row.last_error,
    }),
  };
}
