// What came while the database was away, in a file of this process.
//
// G1. A message is on disk here before anybody says yes to the vendor, and goes from here only once the database has it
//     (I1). What becomes a duplicate is decided there.
// G2. Processes may share the data folder: each takes a folder of its own in it, which the system gives back when it ends.
//     What a dead process left is brought on by whichever finds it.
// G3. It is sealed as in the inbox (X5), and of no tenant's concern until it is there.

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { InboundSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { lockDataDir } from "@hil/platform/storage/data-dir-lock.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type Added, dedupeKeyOf, type InboundKey, type NewInbound } from "./inbox-store.ts";

const FOLDER = "callback-spool";
const FILE = "spool.db";
const MOST_SPOOLS = 1_000;

interface SpooledRow {
  readonly seq: number;
  readonly id: string;
  readonly channel_tenant_id: string;
  readonly message: Uint8Array;
  readonly ack_time: number | null;
}

/** A message that is in a spool. */
export interface Spooled {
  readonly seq: number;
  readonly message: NewInbound;
}

export interface Spool {
  /** How many messages are in it. */
  readonly size: number;
  /** Keeps a message, unless one with the same id of the vendor is there. */
  add(message: NewInbound): Promise<Added>;
  /** Remembers that our yes was written out. False: the message is not here, or not any more. */
  acknowledge(key: InboundKey, time: Date): Promise<boolean>;
  /** Oldest first. */
  oldest(limit: number): readonly Spooled[];
  /** Returns those whose yes had been written out by then. */
  remove(seqs: readonly number[]): Promise<readonly { readonly seq: number; readonly ackTime: Date }[]>;
  /** Leaves no file behind where nothing is in it. */
  close(): void;
}

export interface SpoolOptions {
  readonly dataDir: string;
  readonly vault: Vault;
  readonly log: Log;
}

/** Takes the first spool of a data folder that no other process has. */
export function openSpool(options: SpoolOptions): Spool {
  for (let number = 1; ; number++) {
    try {
      return openAt(join(options.dataDir, FOLDER, `${number}`), options);
    } catch (error) {
      if (!(error instanceof ConfigurationError) || number === MOST_SPOOLS) throw error;
    }
  }
}

/** Opens a spool that somebody left with something in it; undefined where there is none. */
export function openLeftSpool(options: SpoolOptions): Spool | undefined {
  const folder = join(options.dataDir, FOLDER);
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name);
    if (!existsSync(join(path, FILE))) continue;
    try {
      return openAt(path, options);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error; // otherwise its process lives
    }
  }
  return undefined;
}

function openAt(folder: string, { vault, log }: SpoolOptions): Spool {
  const release = lockDataDir(folder);
  const path = join(folder, FILE);
  let db: Sqlite;
  try {
    db = new Sqlite({ path, migrations: join(import.meta.dirname, "migrations-spool"), log });
  } catch (error) {
    release();
    throw error;
  }
  let size = db.get<{ count: number }>("SELECT count(*) AS count FROM spooled")!.count;
  return {
    get size() {
      return size;
    },
    async add(message) {
      const { inbound, channelTenantId, ackTime } = message;
      const { id } = inbound;
      const key = inbound.vendorMessageId ? dedupeKeyOf(message) : null;
      const sealed = vault.seal(encode(message), contextOf({ channelTenantId, id }));
      const added = await db.write((): Added => {
        const { changes } = db
          .sql(
            `INSERT INTO spooled (id, channel_tenant_id, dedupe_key, message, ack_time) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (dedupe_key) DO NOTHING`,
          )
          .run(id, channelTenantId, key, sealed, ackTime?.getTime() ?? null);
        if (changes === 1) return { id, duplicate: false };
        const first = db.sql("SELECT id FROM spooled WHERE dedupe_key = ?").get(key) as { id: string };
        return { id: first.id, duplicate: true };
      });
      if (!added.duplicate) size += 1;
      return added;
    },
    async acknowledge({ channelTenantId, id }, time) {
      const changes = await db.write(
        () =>
          db
            .sql("UPDATE spooled SET ack_time = ? WHERE channel_tenant_id = ? AND id = ?")
            .run(time.getTime(), channelTenantId, id).changes,
      );
      return Number(changes) > 0;
    },
    oldest(limit) {
      return db.all<SpooledRow>("SELECT * FROM spooled ORDER BY seq LIMIT ?", limit).map((row) => {
        const key = { channelTenantId: row.channel_tenant_id, id: row.id };
        const message = decode(vault.open(row.message, contextOf(key)), key.channelTenantId);
        const ackTime = row.ack_time === null ? undefined : new Date(row.ack_time);
        return { seq: row.seq, message: { ...message, ackTime } };
      });
    },
    async remove(seqs) {
      const removed = await db.write(() =>
        seqs.flatMap((seq) => {
          const row = db.sql("DELETE FROM spooled WHERE seq = ? RETURNING seq, ack_time").get(seq);
          return row === undefined ? [] : [row as unknown as Pick<SpooledRow, "seq" | "ack_time">];
        }),
      );
      size -= removed.length;
      return removed.flatMap(({ seq, ack_time }) =>
        ack_time === null ? [] : [{ seq, ackTime: new Date(ack_time) }],
      );
    },
    close() {
      db.close();
      if (size === 0) for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
      release();
    },
  };
}

function encode({ inbound, vendorMessage, bodyDigest, relayInboundId }: NewInbound): Uint8Array {
  const message = Buffer.from(toBinary(InboundSchema, inbound)).toString("base64");
  return new TextEncoder().encode(
    JSON.stringify({ inbound: message, vendorMessage, bodyDigest, relayInboundId }),
  );
}

function decode(bytes: Uint8Array, channelTenantId: string): NewInbound {
  const { inbound, vendorMessage, bodyDigest, relayInboundId } = JSON.parse(new TextDecoder().decode(bytes));
  const message = fromBinary(InboundSchema, Buffer.from(inbound, "base64"));
  return {
    channelTenantId,
    inbound: message,
    vendorMessage,
    bodyDigest,
    ...(relayInboundId === undefined ? {} : { relayInboundId }),
  };
}

function contextOf({ channelTenantId, id }: InboundKey) {
  return { tenantId: channelTenantId, kind: "inbound_spooled", id };
}
