import type { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import { drainEntry } from "./drain-entry.ts";
import {
  GONE_AFTER_MS,
  type OfferedChannel,
  type RelayFence,
  type RelayStore,
  type RelayWord,
  type StoredRelay,
} from "./relay-store.ts";

/** As the driver gives it: a bigint comes as text. */
interface RelayRow {
  readonly tenant_id: string;
  readonly name: string;
  readonly epoch: string;
  readonly instance_id: string;
  readonly software_version: string;
  readonly address: string;
  readonly channels: OfferedChannel[];
  readonly attached: boolean;
  readonly attach_time: string;
  readonly heard_ms: string;
  readonly detach_time: string | null;
  readonly detach_reason: string;
  readonly waiting_inbounds: string;
}

const BY_NAME = "tenant_id = $1 AND name = $2";
const ATTACHED = `(detach_time IS NULL AND heard_time > clock_timestamp() - ${GONE_AFTER_MS} * interval '1 ms')`;
const COLUMNS = `*, ${ATTACHED} AS attached, floor(extract(epoch FROM heard_time) * 1000)::bigint AS heard_ms`;
const ATTACH = `INSERT INTO relay AS known (tenant_id, name, epoch, instance_id, software_version, address, channels,
    attach_time, heard_time, detach_reason, waiting_inbounds)
  VALUES ($1, $2, 1, $3, $4, $5, $6, $7, clock_timestamp(), '', 0)
  ON CONFLICT (tenant_id, name) DO UPDATE SET epoch = known.epoch + 1, instance_id = excluded.instance_id,
    software_version = excluded.software_version, address = excluded.address, channels = excluded.channels,
    attach_time = excluded.attach_time, heard_time = excluded.heard_time, detach_time = NULL, detach_reason = ''
  RETURNING epoch`;
const IS_CURRENT = `SELECT 1 FROM relay WHERE ${BY_NAME} AND epoch = $3`;
/** In one order for all processes. */
const HEARD = `WITH own AS (
    SELECT relay.tenant_id, relay.name, given.waiting, given.place FROM relay
    JOIN unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
        AS given (tenant_id, name, epoch, waiting, place)
      ON relay.tenant_id = given.tenant_id AND relay.name = given.name AND relay.epoch = given.epoch
    ORDER BY relay.tenant_id, relay.name FOR UPDATE OF relay)
  UPDATE relay SET heard_time = clock_timestamp(), waiting_inbounds = own.waiting FROM own
  WHERE relay.tenant_id = own.tenant_id AND relay.name = own.name
  RETURNING own.place, CASE WHEN drain_epoch = epoch THEN drain_reason END AS drain_reason`;
const DETACH = `UPDATE relay SET detach_time = $4, detach_reason = $5 WHERE ${BY_NAME} AND epoch = $3`;
const LOCK = `SELECT ${COLUMNS} FROM relay WHERE ${BY_NAME} FOR UPDATE`;
const DRAIN = `UPDATE relay SET drain_epoch = epoch, drain_reason = $3 WHERE ${BY_NAME}`;
const LIST = `SELECT ${COLUMNS} FROM relay WHERE tenant_id = $1 AND name > $2 AND (NOT $3 OR ${ATTACHED})
  ORDER BY name LIMIT $4`;

/** The relays of the distributed form. */
export function createPostgresRelayStore({
  db,
  audit,
}: {
  db: Postgres;
  audit: PostgresAuditLog;
}): RelayStore {
  return {
    async attachRelay({ tenantId, name, ...attachment }, nowMs) {
      const { instanceId, softwareVersion, address, channels } = attachment;
      const values = [tenantId, name, instanceId, softwareVersion, address, JSON.stringify(channels), nowMs];
      const [row] = await db.query<{ epoch: string }>(tenantId, ATTACH, values);
      return { tenantId, name, epoch: Number(row!.epoch) };
    },

    async isCurrent({ tenantId, name, epoch }) {
      return (await db.query(tenantId, IS_CURRENT, [tenantId, name, epoch])).length > 0;
    },

    async heardRelays(heard) {
      const rows = await db.query<{ place: string; drain_reason: string | null }>(ALL_TENANTS, HEARD, [
        heard.map(({ fence }) => fence.tenantId),
        heard.map(({ fence }) => fence.name),
        heard.map(({ fence }) => fence.epoch),
        heard.map(({ waitingInbounds }) => waitingInbounds),
      ]);
      const known = new Map(rows.map(({ place, drain_reason }) => [Number(place) - 1, drain_reason]));
      return heard.map((_, index): RelayWord => {
        const reason = known.get(index);
        if (reason === undefined) return { kind: "stale" };
        return reason === null ? { kind: "current" } : { kind: "draining", reason };
      });
    },

    async detachRelay({ tenantId, name, epoch }, reason, nowMs) {
      await db.query(tenantId, DETACH, [tenantId, name, epoch, nowMs, reason]);
    },

    drainRelay: (drain) =>
      db.transaction(drain.tenantId, async (transaction) => {
        const { tenantId, name, reason } = drain;
        const [row] = await transaction.query<RelayRow>(LOCK, [tenantId, name]);
        if (!row) return undefined;
        const relay = relayOf(row);
        if (relay.attached) {
          await transaction.query(DRAIN, [tenantId, name, reason]);
          await audit.append(transaction, [drainEntry(drain, relay.epoch)]);
        }
        return relay;
      }),

    async listRelays({ tenantId, attachedOnly, afterName, limit }) {
      const rows = await db.query<RelayRow>(tenantId, LIST, [tenantId, afterName, attachedOnly, limit]);
      return rows.map(relayOf);
    },
  };
}

/**
 * Whether a stream is still its relay's newest, for what a transaction writes in its name: no newer one begins before it has
 * ended (E1).
 */
export async function holdEpoch(
  transaction: Transaction,
  { tenantId, name, epoch }: RelayFence,
): Promise<boolean> {
  return (await transaction.query(`${IS_CURRENT} FOR SHARE`, [tenantId, name, epoch])).length > 0;
}

function relayOf(row: RelayRow): StoredRelay {
  const { attached } = row;
  const heardTimeMs = Number(row.heard_ms);
  return {
    tenantId: row.tenant_id,
    name: row.name,
    epoch: Number(row.epoch),
    instanceId: row.instance_id,
    softwareVersion: row.software_version,
    address: row.address,
    channels: row.channels,
    attached,
    attachTimeMs: Number(row.attach_time),
    heardTimeMs,
    detachTimeMs: attached ? undefined : Number(row.detach_time ?? heardTimeMs),
    detachReason: attached ? "" : row.detach_reason || "it was not heard of any more",
    waitingInbounds: Number(row.waiting_inbounds),
  };
}
