import { randomUUID } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelSettings,
  ChannelSettingsSchema,
  Delivery_State,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { AuditEntry } from "@hil/platform/audit/audit-log.ts";
import type { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, type Postgres } from "@hil/platform/storage/postgres.ts";
import { settingsRecord } from "./channel-settings.ts";
import type { ChannelChange, ChannelStore, StoredChannel } from "./channel-store.ts";
import { WAITING } from "./delivery-rows.ts";

interface ChannelRow {
  tenant_id: string;
  id: string;
  name: string;
  settings: Uint8Array;
  secret: Uint8Array;
  revision: string;
  create_time: string;
  update_time: string;
}

const BY_KEY = "tenant_id = $1 AND id = $2";
const SELECT = `SELECT * FROM channel WHERE ${BY_KEY}`;
const LOCK = `${SELECT} FOR UPDATE`;
const INSERT = `INSERT INTO channel (tenant_id, id, name, settings, secret, revision, create_time, update_time)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (tenant_id, id) DO NOTHING RETURNING id`;
const UPDATE = `UPDATE channel SET name = $3, settings = $4, secret = $5, revision = $6, update_time = $7 WHERE ${BY_KEY}`;
const FAIL_WAITING = `UPDATE delivery SET state = ${Delivery_State.FAILED}, reason = $3, next_time = NULL, parts = NULL,
    sealed_parts = NULL, update_time = $4, revision = revision + 1, unreported = (session_id <> '')
  WHERE tenant_id = $1 AND channel_id = $2 AND ${WAITING}`;
const OLD_KEYS = "SELECT tenant_id, id FROM channel WHERE substring(secret FROM 1 FOR $2) <> $1";

export function createPostgresChannelStore({
  db,
  vault,
  audit,
}: {
  db: Postgres;
  vault: Vault;
  audit: PostgresAuditLog;
}): ChannelStore {
  const seal = (secret: string, tenantId: string, channelId: string) =>
    Buffer.from(vault.seal(Buffer.from(secret, "utf8"), channelContext(tenantId, channelId)));
  const channelOf = (row: ChannelRow): StoredChannel => ({
    tenantId: row.tenant_id,
    id: row.id,
    name: row.name,
    settings: fromBinary(ChannelSettingsSchema, row.settings),
    secret: () => Buffer.from(vault.open(row.secret, channelContext(row.tenant_id, row.id))).toString("utf8"),
    revision: row.revision,
    createTimeMs: Number(row.create_time),
    updateTimeMs: Number(row.update_time),
  });

  return {
    async channel(tenantId, channelId) {
      const [row] = await db.query<ChannelRow>(tenantId, SELECT, [tenantId, channelId]);
      return row && channelOf(row);
    },

    async channelIds(tenantId) {
      const rows = await db.query<{ id: string }>(
        tenantId,
        "SELECT id FROM channel WHERE tenant_id = $1 ORDER BY id",
        [tenantId],
      );
      return rows.map(({ id }) => id);
    },

    createChannel: (change, { name, settings, secret }) =>
      db.transaction(change.tenantId, async (transaction) => {
        const { tenantId, channelId, nowMs } = change;
        const inserted = await transaction.query(INSERT, [
          tenantId,
          channelId,
          name,
          bytesOf(settings),
          seal(secret, tenantId, channelId),
          randomUUID(),
          nowMs,
        ]);
        if (inserted.length === 0) return false;
        await audit.append(transaction, [
          entryOf(change, "channel.created", { after: recordOf(name, settings) }),
        ]);
        return true;
      }),

    updateChannel: (change, given) =>
      db.transaction(change.tenantId, async (transaction) => {
        const { tenantId, channelId, nowMs } = change;
        const [known] = await transaction.query<ChannelRow>(LOCK, [tenantId, channelId]);
        if (!known) return false;
        const before = channelOf(known);
        const name = given.name ?? before.name;
        const settings = given.settings ?? before.settings;
        const secret = given.secret === undefined ? known.secret : seal(given.secret, tenantId, channelId);
        const values = [tenantId, channelId, name, bytesOf(settings), secret, randomUUID(), nowMs];
        await transaction.query(UPDATE, values);
        await audit.append(transaction, [
          entryOf(change, "channel.updated", {
            before: recordOf(before.name, before.settings),
            after: {
              ...recordOf(name, settings),
              ...(given.secret !== undefined && { secret: "changed" }),
            },
          }),
        ]);
        return true;
      }),

    deleteChannel: (change, reason) =>
      db.transaction(change.tenantId, async (transaction) => {
        const { tenantId, channelId, nowMs } = change;
        const [known] = await transaction.query<ChannelRow>(LOCK, [tenantId, channelId]);
        if (!known) return false;
        const before = channelOf(known);
        for (const table of ["channel_health", "turns"]) {
          await transaction.query(`DELETE FROM ${table} WHERE tenant_id = $1 AND channel_id = $2`, [
            tenantId,
            channelId,
          ]);
        }
        await transaction.query(`DELETE FROM channel WHERE ${BY_KEY}`, [tenantId, channelId]);
        await transaction.query(FAIL_WAITING, [tenantId, channelId, reason, nowMs]);
        await audit.append(transaction, [
          entryOf(change, "channel.deleted", { before: recordOf(before.name, before.settings) }),
        ]);
        return true;
      }),
  };
}

/** Wraps the secrets of channels with the newest master key. Returns how many had another. */
export async function rewrapChannels(db: Postgres, vault: Vault): Promise<number> {
  const prefix = Buffer.from(vault.newestPrefix);
  const due = await db.query<{ tenant_id: string; id: string }>(ALL_TENANTS, OLD_KEYS, [
    prefix,
    prefix.length,
  ]);
  for (const { tenant_id, id } of due) {
    await db.transaction(tenant_id, async (transaction) => {
      const [row] = await transaction.query<ChannelRow>(LOCK, [tenant_id, id]);
      if (!row) return; // it was taken away meanwhile
      const secret = Buffer.from(vault.rewrap(row.secret, channelContext(tenant_id, id)));
      await transaction.query(`UPDATE channel SET secret = $3 WHERE ${BY_KEY}`, [tenant_id, id, secret]);
    });
  }
  return due.length;
}

function channelContext(tenantId: string, channelId: string) {
  return { tenantId, kind: "channel", id: channelId };
}

function bytesOf(settings: ChannelSettings): Buffer {
  return Buffer.from(toBinary(ChannelSettingsSchema, settings));
}

function recordOf(name: string, settings: ChannelSettings): object {
  return { name, ...settingsRecord(settings) };
}

function entryOf(
  { tenantId, channelId, principalId, nowMs }: ChannelChange,
  action: string,
  changes: Pick<AuditEntry, "before" | "after">,
): AuditEntry {
  return {
    tenantId,
    principalId,
    action,
    resource: `channel/${channelId}`,
    ...changes,
    time: new Date(nowMs),
  };
}
