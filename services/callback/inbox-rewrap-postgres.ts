import { ALL_TENANTS, type Postgres } from "@hil/platform/storage/postgres.ts";
import type { InboundCodec } from "./inbound-codec.ts";

interface SealedRow {
  readonly seq: string;
  readonly channel_tenant_id: string;
  readonly id: string;
  readonly value: Uint8Array;
}

/** Wraps up to `limit` values that an older master key wraps with the newest. Returns how many; 0: all is. */
export async function rewrapSome({
  db,
  codec,
  limit,
}: {
  db: Postgres;
  codec: InboundCodec;
  limit: number;
}): Promise<number> {
  const contents = await rewrapColumn(db, "content", codec.newestPrefix, limit, (row) =>
    codec.rewrapContent({ channelTenantId: row.channel_tenant_id, id: row.id }, row.value),
  );
  const guidances = await rewrapColumn(db, "sealed_guidance", codec.newestPrefix, limit, (row) =>
    codec.rewrapGuidance({ channelTenantId: row.channel_tenant_id, id: row.id }, row.value),
  );
  return contents + guidances;
}

async function rewrapColumn(
  db: Postgres,
  column: "content" | "sealed_guidance",
  newest: Uint8Array,
  limit: number,
  rewrap: (row: SealedRow) => Uint8Array,
): Promise<number> {
  // Below and above the prefix, so that the index finds them; the length must be the index's own.
  const side = (sign: "<" | ">") =>
    `(SELECT seq, channel_tenant_id, id, ${column} AS value FROM inbound
      WHERE ${column} IS NOT NULL AND substr(${column}, 1, 9) ${sign} $1 LIMIT $2)`;
  const rows = await db.query<SealedRow>(ALL_TENANTS, `${side("<")} UNION ALL ${side(">")}`, [newest, limit]);
  if (rows.length === 0) return 0;
  // Only where it still is what was read: a decision may have sealed other words meanwhile, or another replica was first.
  await db.query(
    ALL_TENANTS,
    `UPDATE inbound SET ${column} = given.next
     FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS given (seq, value, next)
     WHERE inbound.seq = given.seq AND inbound.${column} = given.value`,
    [rows.map(({ seq }) => seq), rows.map(({ value }) => value), rows.map(rewrap)],
  );
  return rows.length;
}
