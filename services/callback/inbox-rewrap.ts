import type { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { InboundCodec } from "./inbound-codec.ts";

interface SealedRow {
  readonly seq: number;
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
  db: Sqlite;
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
  db: Sqlite,
  column: "content" | "sealed_guidance",
  newest: Uint8Array,
  limit: number,
  rewrap: (row: SealedRow) => Uint8Array,
): Promise<number> {
  // Below and above the prefix, so that the index finds them; the length must be the index's own.
  const rows = [..."<>"].flatMap((side) =>
    db.all<SealedRow>(
      `SELECT seq, channel_tenant_id, id, ${column} AS value FROM inbound
       WHERE ${column} IS NOT NULL AND substr(${column}, 1, 9) ${side} ? LIMIT ?`,
      newest,
      limit,
    ),
  );
  const rewrapped = rows.map((row) => ({ ...row, next: rewrap(row) }));
  await db.write(() => {
    for (const { seq, value, next } of rewrapped) {
      // Only where it still is what was read: a decision may have sealed other words meanwhile.
      db.sql(`UPDATE inbound SET ${column} = ? WHERE seq = ? AND ${column} = ?`).run(next, seq, value);
    }
  });
  return rows.length;
}
