import type { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import type { Sqlite } from "@hil/platform/storage/sqlite.ts";
import { drainEntry } from "./drain-entry.ts";
import {
  GONE_AFTER_MS,
  type OfferedChannel,
  type RelayFence,
  type RelayStore,
  type RelayWord,
  type StoredRelay,
} from "./relay-store.ts";

interface RelayRow {
  tenant_id: string;
  name: string;
  epoch: number;
  instance_id: string;
  software_version: string;
  address: string;
  channels: string;
  attach_time: number;
  heard_time: number;
  detach_time: number | null;
  detach_reason: string;
  waiting_inbounds: number;
  drain_epoch: number;
  drain_reason: string;
}

const BY_NAME = "tenant_id = ? AND name = ?";
const SELECT = `SELECT * FROM relay WHERE ${BY_NAME}`;
const ATTACH = `INSERT INTO relay (tenant_id, name, epoch, instance_id, software_version, address, channels, attach_time,
    heard_time, detach_reason, waiting_inbounds)
  VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, '', 0)
  ON CONFLICT (tenant_id, name) DO UPDATE SET epoch = epoch + 1, instance_id = excluded.instance_id,
    software_version = excluded.software_version, address = excluded.address, channels = excluded.channels,
    attach_time = excluded.attach_time, heard_time = excluded.heard_time, detach_time = NULL, detach_reason = ''
  RETURNING epoch`;
const HEARD = `UPDATE relay SET heard_time = ?, waiting_inbounds = ? WHERE ${BY_NAME} AND epoch = ?`;
const DETACH = `UPDATE relay SET detach_time = ?, detach_reason = ? WHERE ${BY_NAME} AND epoch = ?`;
const DRAIN = `UPDATE relay SET drain_epoch = epoch, drain_reason = ? WHERE ${BY_NAME}`;
/** The folder belongs to one process: what an earlier one held ended with it. */
const RECOVER = `UPDATE relay SET detach_time = heard_time, detach_reason = 'the process that held its stream ended'
  WHERE detach_time IS NULL`;

/** The relays of the embedded form. */
export interface SqliteRelays extends RelayStore {
  /** The same as isCurrent, within a write. */
  readonly isCurrentNow: (fence: RelayFence) => boolean;
  /** Notes within a write that no stream of an earlier process is open. */
  readonly recover: () => void;
}

export function createSqliteRelayStore({ db, audit }: { db: Sqlite; audit: SqliteAuditLog }): SqliteRelays {
  const isCurrentNow = ({ tenantId, name, epoch }: RelayFence): boolean =>
    db.get<RelayRow>(SELECT, tenantId, name)?.epoch === epoch;

  return {
    isCurrentNow,
    recover: () => void db.sql(RECOVER).run(),

    attachRelay: ({ tenantId, name, ...attachment }, nowMs) =>
      db.write(() => {
        const { instanceId, softwareVersion, address, channels } = attachment;
        const row = db
          .sql(ATTACH)
          .get(tenantId, name, instanceId, softwareVersion, address, JSON.stringify(channels), nowMs, nowMs);
        return { tenantId, name, epoch: Number(row!.epoch) };
      }),

    isCurrent: async (fence) => isCurrentNow(fence),

    heardRelays: (heard, nowMs) =>
      db.write(() =>
        heard.map(({ fence: { tenantId, name, epoch }, waitingInbounds }): RelayWord => {
          const { changes } = db.sql(HEARD).run(nowMs, waitingInbounds, tenantId, name, epoch);
          if (changes === 0) return { kind: "stale" };
          const row = db.get<RelayRow>(SELECT, tenantId, name)!;
          return row.drain_epoch === epoch
            ? { kind: "draining", reason: row.drain_reason }
            : { kind: "current" };
        }),
      ),

    detachRelay: ({ tenantId, name, epoch }, reason, nowMs) =>
      db.write(() => {
        db.sql(DETACH).run(nowMs, reason, tenantId, name, epoch);
      }),

    drainRelay: (drain) =>
      db.write(() => {
        const { tenantId, name, reason, nowMs } = drain;
        const row = db.get<RelayRow>(SELECT, tenantId, name);
        if (!row) return undefined;
        const relay = relayOf(row, nowMs);
        if (relay.attached) {
          db.sql(DRAIN).run(reason, tenantId, name);
          audit.append(drainEntry(drain, relay.epoch));
        }
        return relay;
      }),

    listRelays: async ({ tenantId, attachedOnly, afterName, limit }, nowMs) =>
      db
        .all<RelayRow>(
          `SELECT * FROM relay WHERE tenant_id = ? AND name > ? AND (? = 0 OR (detach_time IS NULL AND heard_time > ?))
             ORDER BY name LIMIT ?`,
          tenantId,
          afterName,
          attachedOnly ? 1 : 0,
          nowMs - GONE_AFTER_MS,
          limit,
        )
        .map((row) => relayOf(row, nowMs)),
  };
}

function relayOf(row: RelayRow, nowMs: number): StoredRelay {
  const attached = row.detach_time === null && row.heard_time > nowMs - GONE_AFTER_MS;
  return {
    tenantId: row.tenant_id,
    name: row.name,
    epoch: row.epoch,
    instanceId: row.instance_id,
    softwareVersion: row.software_version,
    address: row.address,
    channels: JSON.parse(row.channels) as OfferedChannel[],
    attached,
    attachTimeMs: row.attach_time,
    heardTimeMs: row.heard_time,
    detachTimeMs: attached ? undefined : (row.detach_time ?? row.heard_time),
    detachReason: attached ? "" : row.detach_reason || "it was not heard of any more",
    waitingInbounds: row.waiting_inbounds,
  };
}
