// What must outlive this process: messages of vendors that the server does not have yet, and what became of its commands.
//
// S1. A message is on disk, with fsync, before the vendor gets its 200; it goes only when the server has committed it (I9).
// S2. A command that ended for good, DELIVERED or REFUSED, is on disk with that before the server is told. Nothing is kept of
//     any other: the server says it again where it got no answer, and that it may be a copy then is its decision (R4).
// S3. A full disk, or more waiting than is allowed, refuses new messages. Nothing that is in is given up for them.
// S4. The folder is for this user alone, and for one process at a time.

import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { lockDataDir } from "@hil/platform/storage/data-dir-lock.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { SPOOL_MIGRATIONS } from "./spool-schema.ts";

const FILE = "relay.db";
/** The server is promised a day. */
const COMMAND_LIFE_MS = 2 * 24 * 3_600_000;
const CLEAN_UP_EVERY_MS = 3_600_000;
const CLEAN_UP_ROWS = 1_000;
/** When it is noted on disk that a vendor has its yes. */
const NOTE_AFTER_MS = 100;
/** What a row costs besides its body. */
const ROW_BYTES = 200;

/** A message of a vendor. */
export interface SpooledInbound {
  readonly seq: number;
  readonly id: string;
  readonly channelId: string;
  readonly body: Uint8Array;
  readonly receiveTime: Date;
  /** When the vendor had its yes. Undefined: not known. */
  readonly ackTime: Date | undefined;
}

/** How a command ended. */
export interface CommandEnd {
  readonly outcome: Attempt_Outcome;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly broken: boolean;
}

export interface Spool {
  /** How many messages wait, and how large they are. */
  readonly size: number;
  readonly bytes: number;
  /**
   * Keeps a message, and holds it back until it is released, with all that came after it. Rejects with RESOURCE_EXHAUSTED
   * where there is no room.
   */
  add(inbound: Omit<SpooledInbound, "seq" | "ackTime">): Promise<void>;
  /** Notes that the vendor has its yes: known at once, and on disk soon, where the message has not left until then. */
  acknowledge(id: string, time: Date): void;
  /** Lets a message be handed on: nothing more is to be known of it. */
  release(id: string): void;
  /** The messages behind a place, oldest first, up to one that is held back. Those of some channels are left out. */
  after(seq: number, limit: number, exceptChannels?: readonly string[]): readonly SpooledInbound[];
  /** The time of arrival of the oldest. */
  oldestTime(): Date | undefined;
  /** Lets go of what the server has. */
  remove(seqs: readonly number[]): Promise<void>;
  /** How a command ended that ended for good. */
  ended(commandId: string): CommandEnd | undefined;
  /** Keeps how a command ended for good. */
  end(commandId: string, end: CommandEnd, now: Date): Promise<void>;
  close(): void;
}

interface InboundRow {
  readonly seq: number;
  readonly id: string;
  readonly channel_id: string;
  readonly body: Uint8Array;
  readonly receive_time: number;
  readonly ack_time: number | null;
}

interface CommandRow {
  readonly outcome: Attempt_Outcome;
  readonly reason: string;
  readonly broken: number;
}

/** Opens the database of a data folder. Throws a ConfigurationError where another process has it. */
export function openSpool({
  dataDir,
  mostBytes,
  log,
  now,
}: {
  dataDir: string;
  mostBytes: number;
  log: Log;
  now: () => Date;
}): Spool {
  const release = lockDataDir(dataDir);
  let db: Sqlite;
  try {
    db = new Sqlite({ path: join(dataDir, FILE), migrations: SPOOL_MIGRATIONS, log });
  } catch (error) {
    release();
    throw error;
  }
  const sums = db.get<{ count: number; bytes: number }>(
    "SELECT count(*) AS count, coalesce(sum(length(body)), 0) AS bytes FROM inbound",
  )!;
  let size = sums.count;
  let bytes = sums.bytes + size * ROW_BYTES;
  const held = new Set<string>();
  /** When vendors had their yes, for what has not left: the disk may not know yet. */
  const acknowledged = new Map<string, Date>();

  let noting: NodeJS.Timeout | undefined;
  /** Brings to disk when vendors had their yes, for what is still here: most of it has left by then. */
  const note = () => {
    const due = [...acknowledged];
    if (due.length === 0) return;
    db.write(() => {
      for (const [id, time] of due) {
        db.sql("UPDATE inbound SET ack_time = ? WHERE id = ?").run(time.getTime(), id);
      }
    }).then(
      () => {
        for (const [id] of due) acknowledged.delete(id);
      },
      (error: unknown) => log.warn({ err: error }, "it could not be noted that vendors have their yes"),
    );
  };
  const cleanUp = () => {
    const before = now().getTime() - COMMAND_LIFE_MS;
    db.write(() =>
      db
        .sql(
          "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE end_time < ? ORDER BY end_time LIMIT ?)",
        )
        .run(before, CLEAN_UP_ROWS),
    ).catch((error: unknown) =>
      log.warn({ err: error }, "old commands could not be forgotten; trying again later"),
    );
  };
  const cleaning = setInterval(cleanUp, CLEAN_UP_EVERY_MS).unref();
  cleanUp();

  return {
    get size() {
      return size;
    },
    get bytes() {
      return bytes;
    },
    async add({ id, channelId, body, receiveTime }) {
      const cost = body.length + ROW_BYTES;
      if (bytes + cost > mostBytes) throw full(mostBytes);
      bytes += cost; // before it is there, so that many at once do not go beyond
      held.add(id);
      try {
        await db.write(() =>
          db
            .sql("INSERT INTO inbound (id, channel_id, body, receive_time) VALUES (?, ?, ?, ?)")
            .run(id, channelId, body, receiveTime.getTime()),
        );
        size += 1;
      } catch (error) {
        bytes -= cost;
        held.delete(id);
        throw error;
      }
    },
    acknowledge(id, time) {
      acknowledged.set(id, time);
      noting ??= setTimeout(() => {
        noting = undefined;
        note();
      }, NOTE_AFTER_MS).unref();
    },
    release(id) {
      held.delete(id);
    },
    after(seq, limit, exceptChannels = []) {
      const rows = db.all<InboundRow>(
        `SELECT * FROM inbound WHERE seq > ? AND channel_id NOT IN (SELECT value FROM json_each(?))
         ORDER BY seq LIMIT ?`,
        seq,
        JSON.stringify(exceptChannels),
        limit,
      );
      const firstHeld = rows.findIndex(({ id }) => held.has(id));
      return (firstHeld < 0 ? rows : rows.slice(0, firstHeld)).map((row) => ({
        seq: row.seq,
        id: row.id,
        channelId: row.channel_id,
        body: row.body,
        receiveTime: new Date(row.receive_time),
        ackTime: acknowledged.get(row.id) ?? (row.ack_time === null ? undefined : new Date(row.ack_time)),
      }));
    },
    oldestTime() {
      const row = db.get<{ receive_time: number }>("SELECT receive_time FROM inbound ORDER BY seq LIMIT 1");
      return row && new Date(row.receive_time);
    },
    async remove(seqs) {
      const removed = await db.write(() =>
        seqs.flatMap((seq) => {
          const row = db
            .sql("DELETE FROM inbound WHERE seq = ? RETURNING id, length(body) AS length")
            .get(seq);
          return row === undefined ? [] : [{ id: String(row.id), length: Number(row.length) }];
        }),
      );
      size -= removed.length;
      for (const { id, length } of removed) {
        bytes -= length + ROW_BYTES;
        acknowledged.delete(id);
      }
    },
    ended(commandId) {
      const row = db.get<CommandRow>("SELECT * FROM command WHERE id = ?", commandId);
      if (!row) return undefined;
      const { outcome, reason, broken } = row;
      return { outcome, reason, retryAfterMs: undefined, broken: broken === 1 };
    },
    end: (commandId, { outcome, reason, broken }, time) =>
      db.write(() => {
        db.sql(
          `INSERT INTO command (id, end_time, outcome, reason, broken) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (id) DO NOTHING`,
        ).run(commandId, time.getTime(), outcome, reason, broken ? 1 : 0);
      }),
    close() {
      clearInterval(cleaning);
      clearTimeout(noting);
      note();
      db.close();
      release();
    },
  };
}

/** Whether nothing that comes later changes an end: a repetition is answered with it, and not sent. */
export function isForGood(outcome: Attempt_Outcome): boolean {
  return outcome === Attempt_Outcome.DELIVERED || outcome === Attempt_Outcome.REFUSED;
}

function full(mostBytes: number) {
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.STORAGE_UNAVAILABLE,
    `more than ${Math.round(mostBytes / 1024 / 1024)} MiB wait for the server already; nothing more is taken until it has some of them`,
    { retry_after_ms: "5000" },
  );
}
