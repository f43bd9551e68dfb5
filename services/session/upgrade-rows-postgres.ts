// Brings rows up to date that older master keys sealed, a few of one tenant at a time.

import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import { unnest } from "@hil/platform/storage/unnest.ts";
import type { SessionCodec } from "./session-codec.ts";
import { lockTenant } from "./session-writes-postgres.ts";

interface SealedRow {
  readonly tenant_id: string;
  readonly value: Uint8Array;
  /** The session, or the inbound message. */
  readonly id: string;
  /** The number of an attachment. */
  readonly number: number;
}

/** One kind of what is sealed: where it stands, and how it is wrapped anew. */
interface Sealed {
  readonly table: string;
  readonly value: string;
  readonly id: string;
  readonly number?: string;
  readonly rewrap: (codec: SessionCodec, row: SealedRow) => Uint8Array;
}

const KINDS: readonly Sealed[] = [
  {
    table: "session",
    value: "resource",
    id: "id",
    rewrap: (codec, row) =>
      codec.rewrapSession({ tenant_id: row.tenant_id, id: row.id, resource: row.value }),
  },
  {
    table: "attachment",
    value: "data",
    id: "session_id",
    number: "number",
    rewrap: (codec, row) => codec.rewrapAttachment(row.value, row.tenant_id, row.id, row.number),
  },
  {
    table: "submitted_reply",
    value: "sealed_guidance",
    id: "inbound_id",
    rewrap: (codec, row) => codec.rewrapGuidance(row.value, row.tenant_id, row.id),
  },
];

/** Changes up to `limit` rows. Returns how many there were; 0: none is left. */
export async function upgradeRows(db: Postgres, codec: SessionCodec, limit: number): Promise<number> {
  for (const kind of KINDS) {
    const [row] = await db.transaction(ALL_TENANTS, (transaction) =>
      select(transaction, kind, codec.newestPrefix, 1),
    );
    if (!row) continue;
    return db.transaction(row.tenant_id, async (transaction) => {
      await lockTenant(transaction, row.tenant_id);
      const rows = await select(transaction, kind, codec.newestPrefix, limit);
      if (rows.length > 0) await store(transaction, kind, row.tenant_id, rows, codec);
      return Math.max(rows.length, 1); // 1: another replica has just done it, and there may be more
    });
  }
  return 0;
}

/** Sealed rows that do not begin as the newest key has them begin. */
function select(
  transaction: Transaction,
  { table, value, id, number = "0" }: Sealed,
  prefix: Uint8Array,
  limit: number,
): Promise<SealedRow[]> {
  const session = table === "session" ? "session.id" : `${table}.session_id`;
  return transaction.query<SealedRow>(
    `SELECT ${table}.tenant_id, ${table}.${value} AS value, ${table}.${id} AS id, ${number} AS number
     FROM ${table === "session" ? "session" : `session JOIN ${table} ON ${table}.tenant_id = session.tenant_id AND ${session} = session.id`}
     WHERE sealed = 1 AND ${table}.${value} IS NOT NULL AND substr(${table}.${value}, 1, $1) <> $2 LIMIT $3`,
    [prefix.length, prefix, limit],
  );
}

async function store(
  transaction: Transaction,
  { table, value, id, number, rewrap }: Sealed,
  tenantId: string,
  rows: readonly SealedRow[],
  codec: SessionCodec,
): Promise<void> {
  const { from, values } = unnest(
    rows.map((row) => ({ tenant_id: tenantId, id: row.id, number: row.number, value: rewrap(codec, row) })),
    { tenant_id: "text", id: "text", number: "integer", value: "bytea" },
  );
  await transaction.query(
    `UPDATE ${table} SET ${value} = given.value FROM ${from}
     WHERE ${table}.tenant_id = given.tenant_id AND ${table}.${id} = given.id${number ? ` AND ${table}.${number} = given.number` : ""}`,
    values,
  );
  if (table === "attachment") {
    // What is wrapped anew may be longer.
    await transaction.query(
      `UPDATE tenant SET attachment_bytes = (SELECT coalesce(sum(length(data)), 0) FROM attachment WHERE tenant_id = $1)
       WHERE tenant_id = $1`,
      [tenantId],
    );
  }
}
