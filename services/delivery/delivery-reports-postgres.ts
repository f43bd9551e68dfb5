// Who tells the session service what: each change of a delivery by one process at a time, at least once.
//
// A process that takes on reports has them for longer than its call may last. When it died, or stands still, another one
// takes them on; what the first one marks then changes nothing.

import type { Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, type Postgres } from "@hil/platform/storage/postgres.ts";
import { type DeliveryRow, deliveryOf } from "./delivery-rows-postgres.ts";
import type { DeliveryStore, UnreportedDelivery } from "./delivery-store.ts";

/** A call may take 10 s: two leases of a line. */
const LEASES = 3;

const TAKE = `WITH due AS MATERIALIZED (
    SELECT sequence FROM delivery
    WHERE unreported AND report_until < clock_timestamp() AND tenant_id <> ALL($2::text[])
    ORDER BY sequence LIMIT $1 FOR UPDATE SKIP LOCKED)
  UPDATE delivery SET report_until = clock_timestamp() + $3 * interval '1 ms', report_fence = nextval('fence')
  FROM due WHERE delivery.sequence = due.sequence RETURNING delivery.*`;
const OWN = `FROM unnest($1::bigint[], $2::bigint[], $3::integer[]) AS own (sequence, fence, revision)
  WHERE delivery.sequence = own.sequence AND delivery.report_fence = own.fence`;
const MARK = `UPDATE delivery SET unreported = unreported AND delivery.revision <> own.revision,
    report_until = '-infinity' ${OWN}`;
const LEAVE = `UPDATE delivery SET report_until = '-infinity' ${OWN}`;

export function createPostgresReports({
  db,
  vault,
  leaseMs,
}: {
  db: Postgres;
  vault: Vault;
  leaseMs: number;
}): Pick<DeliveryStore, "takeReports" | "markReported" | "leaveReports"> {
  const write = async (text: string, deliveries: readonly UnreportedDelivery[]) => {
    for (const [tenantId, own] of Map.groupBy(deliveries, (delivery) => delivery.tenantId)) {
      await db.query(tenantId, text, [
        own.map(({ sequence }) => sequence),
        own.map(({ fence }) => fence),
        own.map(({ revision }) => revision),
      ]);
    }
  };
  return {
    async takeReports(limit, exceptTenants) {
      const values = [limit, exceptTenants, leaseMs * LEASES];
      const rows = await db.query<DeliveryRow>(ALL_TENANTS, TAKE, values);
      return rows
        .map((row) => ({
          ...deliveryOf(row, vault),
          revision: row.revision,
          fence: Number(row.report_fence),
        }))
        .sort((a, b) => a.sequence - b.sequence);
    },
    markReported: (deliveries) => write(MARK, deliveries),
    leaveReports: (deliveries) => write(LEAVE, deliveries),
  };
}
