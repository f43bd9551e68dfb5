import { randomUUID } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelSettings,
  ChannelSettingsSchema,
  Delivery_State,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Sqlite } from "@hil/platform/storage/sqlite.ts";
import { settingsRecord } from "./channel-settings.ts";
import type { ChannelChange, ChannelStore, StoredChannel } from "./channel-store.ts";
import { END, WAITING } from "./delivery-rows.ts";

interface ChannelRow {
  tenant_id: string;
  id: string;
  name: string;
  settings: Uint8Array;
  secret: Uint8Array;
  revision: string;
  create_time: number;
  update_time: number;
}

const SELECT = "SELECT * FROM channel WHERE tenant_id = ? AND id = ?";

export function createSqliteChannelStore({
  db,
  vault,
  audit,
}: {
  db: Sqlite;
  vault: Vault;
  audit: SqliteAuditLog;
}): ChannelStore {
  const seal = (secret: string, tenantId: string, channelId: string) =>
    vault.seal(Buffer.from(secret, "utf8"), channelContext(tenantId, channelId));
  const channelOf = (row: ChannelRow): StoredChannel => ({
    tenantId: row.tenant_id,
    id: row.id,
    name: row.name,
    settings: fromBinary(ChannelSettingsSchema, row.settings),
    secret: () => Buffer.from(vault.open(row.secret, channelContext(row.tenant_id, row.id))).toString("utf8"),
    revision: row.revision,
    createTimeMs: row.create_time,
    updateTimeMs: row.update_time,
  });
  const read = (tenantId: string, channelId: string): StoredChannel | undefined => {
    const row = db.get<ChannelRow>(SELECT, tenantId, channelId);
    return row && channelOf(row);
  };
  const record = (
    { tenantId, channelId, principalId, nowMs }: ChannelChange,
    action: string,
    before: object | undefined,
    after: object | undefined,
  ) => {
    audit.append({
      tenantId,
      principalId,
      action,
      resource: `channel/${channelId}`,
      ...(before && { before }),
      ...(after && { after }),
      time: new Date(nowMs),
    });
  };

  return {
    channel: async (tenantId, channelId) => read(tenantId, channelId),

    channelIds: async (tenantId) =>
      db
        .all<{ id: string }>("SELECT id FROM channel WHERE tenant_id = ? ORDER BY id", tenantId)
        .map(({ id }) => id),

    createChannel: (change, { name, settings, secret }) =>
      db.write(() => {
        const { tenantId, channelId, nowMs } = change;
        const { changes } = db
          .sql(
            `INSERT INTO channel (tenant_id, id, name, settings, secret, revision, create_time, update_time)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, id) DO NOTHING`,
          )
          .run(
            tenantId,
            channelId,
            name,
            toBinary(ChannelSettingsSchema, settings),
            seal(secret, tenantId, channelId),
            randomUUID(),
            nowMs,
            nowMs,
          );
        if (changes === 0) return false;
        record(change, "channel.created", undefined, recordOf(name, settings));
        return true;
      }),

    updateChannel: (change, given) =>
      db.write(() => {
        const { tenantId, channelId, nowMs } = change;
        const known = db.get<ChannelRow>(SELECT, tenantId, channelId);
        if (!known) return false;
        const before = channelOf(known);
        const name = given.name ?? before.name;
        const settings = given.settings ?? before.settings;
        const secret = given.secret === undefined ? known.secret : seal(given.secret, tenantId, channelId);
        db.sql(
          "UPDATE channel SET name = ?, settings = ?, secret = ?, revision = ?, update_time = ? WHERE tenant_id = ? AND id = ?",
        ).run(
          name,
          toBinary(ChannelSettingsSchema, settings),
          secret,
          randomUUID(),
          nowMs,
          tenantId,
          channelId,
        );
        record(change, "channel.updated", recordOf(before.name, before.settings), {
          ...recordOf(name, settings),
          ...(given.secret !== undefined && { secret: "changed" }),
        });
        return true;
      }),

    deleteChannel: (change, reason) =>
      db.write(() => {
        const { tenantId, channelId, nowMs } = change;
        const before = read(tenantId, channelId);
        if (!before) return false;
        db.sql("DELETE FROM channel WHERE tenant_id = ? AND id = ?").run(tenantId, channelId);
        db.sql("DELETE FROM channel_health WHERE tenant_id = ? AND channel_id = ?").run(tenantId, channelId);
        db.sql(`${END} WHERE tenant_id = ? AND channel_id = ? AND ${WAITING}`).run(
          Delivery_State.FAILED,
          reason,
          nowMs,
          tenantId,
          channelId,
        );
        record(change, "channel.deleted", recordOf(before.name, before.settings), undefined);
        return true;
      }),
  };
}

/** Wraps the secrets of channels with the newest master key. Returns how many had another. */
export function rewrapChannels(db: Sqlite, vault: Vault): Promise<number> {
  return db.write(() => {
    const due = db.all<Pick<ChannelRow, "tenant_id" | "id" | "secret">>(
      "SELECT tenant_id, id, secret FROM channel WHERE substr(secret, 1, ?) <> ?",
      vault.newestPrefix.length,
      vault.newestPrefix,
    );
    for (const { tenant_id, id, secret } of due) {
      db.sql("UPDATE channel SET secret = ? WHERE tenant_id = ? AND id = ?").run(
        vault.rewrap(secret, channelContext(tenant_id, id)),
        tenant_id,
        id,
      );
    }
    return due.length;
  });
}

function channelContext(tenantId: string, channelId: string) {
  return { tenantId, kind: "channel", id: channelId };
}

function recordOf(name: string, settings: ChannelSettings): object {
  return { name, ...settingsRecord(settings) };
}
