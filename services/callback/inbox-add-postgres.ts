import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { InboundCodec } from "./inbound-codec.ts";
import {
  type Added,
  chatKeyOf,
  dedupeKeyOf,
  isRepetition,
  type NewInbound,
  namelessKeyOf,
} from "./inbox-store.ts";

const INSERT = `INSERT INTO inbound (id, tenant_id, channel_tenant_id, channel_id, chat_id, chat_key, chat_type,
    sender_user_id, sender_name, sender_alias, kind, vendor_message_id, content, dedupe_key, body_digest, receive_time,
    ack_time, disposition)
  SELECT id, channel_tenant_id, channel_tenant_id, channel_id, chat_id, chat_key, chat_type, sender_user_id,
    sender_name, sender_alias, kind, vendor_message_id, content, dedupe_key, body_digest, receive_time, ack_time,
    disposition
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[],
      $9::text[], $10::integer[], $11::text[], $12::bytea[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
      $17::integer[])
    WITH ORDINALITY AS given (id, channel_tenant_id, channel_id, chat_id, chat_key, chat_type, sender_user_id,
      sender_name, sender_alias, kind, vendor_message_id, content, dedupe_key, body_digest, receive_time, ack_time,
      disposition, place)
  ORDER BY place ON CONFLICT DO NOTHING RETURNING id`;
const SELECT_KEPT =
  "SELECT id, dedupe_key FROM inbound WHERE id = ANY($1::text[]) OR dedupe_key = ANY($2::text[])";
/** One after the other, whichever replica they came to. */
const LOCK_DIGESTS = `SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT hashtextextended(digest, 1) AS number FROM unnest($1::text[]) AS given (digest) ORDER BY number
  ) AS ordered`;
const SELECT_EQUAL = `SELECT DISTINCT ON (body_digest) body_digest, id, receive_time, ack_time FROM inbound
  WHERE body_digest = ANY($1::text[]) ORDER BY body_digest, seq DESC`;
const ACKNOWLEDGE = `UPDATE inbound SET ack_time = given.time FROM unnest($1::text[], $2::bigint[]) AS given (id, time)
  WHERE inbound.id = given.id AND body_digest <> '' AND ack_time IS NULL`;

/** A message as it goes into the table. */
interface Prepared {
  readonly message: NewInbound;
  readonly content: Uint8Array;
  readonly dedupeKey: string;
  /** Empty for one with an id of the vendor. */
  readonly bodyDigest: string;
}

/** Makes what keeps several messages in one transaction, in their order. */
export function createAddAll({ db, codec }: { db: Postgres; codec: InboundCodec }) {
  const prepare = (message: NewInbound): Prepared => {
    const { inbound, channelTenantId, vendorMessage, bodyDigest } = message;
    const { id, text, quotedText, imageUrls } = inbound;
    const content = codec.sealContent(
      { channelTenantId, id },
      { text, quotedText, imageUrls, vendorMessage },
    );
    if (inbound.vendorMessageId) {
      return { message, content, dedupeKey: dedupeKeyOf(message), bodyDigest: "" };
    }
    const digest = codec.digest([channelTenantId, inbound.channelId, bodyDigest]);
    return { message, content, dedupeKey: namelessKeyOf(message, digest), bodyDigest: digest };
  };

  return async (messages: readonly NewInbound[]): Promise<Added[]> => {
    const prepared = messages.map(prepare);
    return db.transaction(ALL_TENANTS, async (transaction) => {
      const repetitions = await repetitionsOf(transaction, prepared);
      const own = prepared.filter(({ message }) => !repetitions.has(message.inbound.id));
      const inserted = await insert(transaction, own);
      const added = await resultsOf(transaction, own, inserted);
      const results = prepared.map(({ message: { inbound } }): Added => {
        const first = repetitions.get(inbound.id);
        return first === undefined ? added.get(inbound.id)! : { id: first, duplicate: true };
      });
      await acknowledge(transaction, prepared, results);
      return results;
    });
  };
}

/** Of the messages without an id, those that repeat another (X2), by the other's id. */
async function repetitionsOf(
  transaction: Transaction,
  prepared: readonly Prepared[],
): Promise<Map<string, string>> {
  const repetitions = new Map<string, string>();
  const nameless = prepared.filter(({ bodyDigest }) => bodyDigest !== "");
  if (nameless.length === 0) return repetitions;
  const digests = [...new Set(nameless.map(({ bodyDigest }) => bodyDigest))];
  await transaction.query(LOCK_DIGESTS, [digests]);
  const rows = await transaction.query<{
    body_digest: string;
    id: string;
    receive_time: string;
    ack_time: string | null;
  }>(SELECT_EQUAL, [digests]);
  const last = new Map(
    rows.map(({ body_digest, id, receive_time, ack_time }) => [
      body_digest,
      { id, receiveMs: Number(receive_time), isAcknowledged: ack_time !== null },
    ]),
  );
  for (const { message, bodyDigest } of nameless) {
    const { inbound, ackTime } = message;
    const one = {
      id: inbound.id,
      receiveMs: timestampMs(inbound.receiveTime!),
      isAcknowledged: ackTime !== undefined,
    };
    const before = last.get(bodyDigest);
    if (before && before.id !== one.id && isRepetition(before, one)) repetitions.set(one.id, before.id);
    else last.set(bodyDigest, one);
  }
  return repetitions;
}

async function insert(transaction: Transaction, own: readonly Prepared[]): Promise<Set<string>> {
  const columns = own.map(
    ({ message: { inbound, channelTenantId, ackTime }, content, dedupeKey, bodyDigest }) => [
      inbound.id,
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
      bodyDigest === "" ? null : (ackTime?.getTime() ?? null),
      inbound.disposition,
    ],
  );
  if (columns.length === 0) return new Set();
  const values = columns[0]!.map((_, index) => columns.map((row) => row[index]));
  const rows = await transaction.query<{ id: string }>(INSERT, values);
  return new Set(rows.map(({ id }) => id));
}

/** What became of each: kept now, kept before under its own id, or a duplicate of another. */
async function resultsOf(
  transaction: Transaction,
  own: readonly Prepared[],
  inserted: ReadonlySet<string>,
): Promise<Map<string, Added>> {
  const there = own.filter(({ message }) => !inserted.has(message.inbound.id));
  const kept =
    there.length === 0
      ? []
      : await transaction.query<{ id: string; dedupe_key: string }>(SELECT_KEPT, [
          there.map(({ message }) => message.inbound.id),
          there.map(({ dedupeKey }) => dedupeKey),
        ]);
  const ids = new Set(kept.map(({ id }) => id));
  const byKey = new Map(kept.map(({ id, dedupe_key }) => [dedupe_key, id]));
  return new Map(
    own.map(({ message: { inbound }, dedupeKey }): [string, Added] => {
      const { id } = inbound;
      if (inserted.has(id) || ids.has(id)) return [id, { id, duplicate: false }];
      return [id, { id: byKey.get(dedupeKey)!, duplicate: true }];
    }),
  );
}

/** What is known of our yes counts for the message that is kept, whichever of the repetitions it was said to. */
async function acknowledge(
  transaction: Transaction,
  prepared: readonly Prepared[],
  results: readonly Added[],
): Promise<void> {
  const known = prepared.flatMap(({ message: { ackTime }, bodyDigest }, index) =>
    bodyDigest === "" || !ackTime ? [] : [[results[index]!.id, ackTime.getTime()] as const],
  );
  if (known.length === 0) return;
  await transaction.query(ACKNOWLEDGE, [known.map(([id]) => id), known.map(([, time]) => time)]);
}
