// What must outlive this process: messages of vendors that the server does not have yet, and what became of its commands.
//
// S1. A message is on disk, with fsync, before the vendor gets its 200; it goes only when the server has committed it (I9).
// S2. A command goes to disk as begun while the vendor is called, and is there with its end before the server is told. One that
//     is found begun and not ended at a start was cut in between: whether the vendor has it is not known, and is said so once.
//     So is an end of UNKNOWN that an earlier process may not have told any more. A process that dies before the disk has it
//     leaves nothing: the server, which knows no end either, says the command again, and it is sent again in both cases (R4).
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

/** What is known of a command before it is begun (again). */
export type KnownCommand =
  /** It was never begun, or ended in a way that lets it be sent again. */
  | { readonly kind: "begun" }
  /** It ended for good, or an earlier process ended it as UNKNOWN: that is said once before it is sent again. */
  | { readonly kind: "ended"; readonly end: CommandEnd }
  /** A process that was killed had begun it. */
  | { readonly kind: "interrupted" };

export interface Spool {
  /** How many messages wait, and how large they are. */
  readonly size: number;
  readonly bytes: number;
  /**
   * Keeps a message, and holds it back until it is released, with all that came after it. Rejects with RESOURCE_EXHAUSTED
   * where there is no room.
   */
  add(inbound: Omit<SpooledInbound, "seq" | "ackTime">): Promise<void>;
  /** Notes that the vendor has its yes: known at once, on disk when it resolves. */
  acknowledge(id: string, time: Date): Promise<void>;
  /** Lets a message be handed on: nothing more is to be known of it. */
  release(id: string): void;
  /** The messages behind a place, oldest first, up to one that is held back. Those of some channels are left out. */
  after(seq: number, limit: number, exceptChannels?: readonly string[]): readonly SpooledInbound[];
  /** The time of arrival of the oldest. */
  oldestTime(): Date | undefined;
  /** Lets go of what the server has. */
  remove(seqs: readonly number[]): Promise<void>;
  /**
   * Begins a command, unless it ended for good or an earlier process was at it. Says what is known of it; `kept` resolves when
   * that it was begun is on disk.
   */
  begin(commandId: string, now: Date): { readonly known: KnownCommand; readonly kept: Promise<void> };
  end(commandId: string, end: CommandEnd): Promise<void>;
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
  readonly outcome: Attempt_Outcome | null;
  readonly reason: string;
  readonly retry_after_ms: number | null;
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
  /** Those of which earlier processes left it open whether the vendor has them, and that were not asked for since. */
  const leftOpen = new Set(
    db
      .all<{ id: string }>(
        "SELECT id FROM command WHERE outcome IS NULL OR outcome = ?",
        Attempt_Outcome.UNKNOWN,
      )
      .map(({ id }) => id),
  );

  const cleanUp = () => {
    const before = now().getTime() - COMMAND_LIFE_MS;
    db.write(() =>
      db
        .sql(
          "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE begin_time < ? ORDER BY begin_time LIMIT ?)",
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
    async acknowledge(id, time) {
      acknowledged.set(id, time);
      await db.write(() => db.sql("UPDATE inbound SET ack_time = ? WHERE id = ?").run(time.getTime(), id));
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
    begin(commandId, time) {
      const wasLeftOpen = leftOpen.delete(commandId);
      const row = db.get<CommandRow>("SELECT * FROM command WHERE id = ?", commandId);
      if (row && (isForGood(row.outcome) || (wasLeftOpen && row.outcome !== null))) {
        return { known: { kind: "ended", end: endOf(row) }, kept: Promise.resolve() };
      }
      if (row && wasLeftOpen) return { known: { kind: "interrupted" }, kept: Promise.resolve() };
      const kept = db.write(() => {
        db.sql(
          `INSERT INTO command (id, begin_time) VALUES (?, ?)
           ON CONFLICT (id) DO UPDATE SET begin_time = excluded.begin_time, outcome = NULL`,
        ).run(commandId, time.getTime());
      });
      return { known: { kind: "begun" }, kept };
    },
    async end(commandId, { outcome, reason, retryAfterMs, broken }) {
      await db.write(() =>
        db
          .sql("UPDATE command SET outcome = ?, reason = ?, retry_after_ms = ?, broken = ? WHERE id = ?")
          .run(outcome, reason, retryAfterMs ?? null, broken ? 1 : 0, commandId),
      );
    },
    close() {
      clearInterval(cleaning);
      db.close();
      release();
    },
  };
}

/** Whether nothing that comes later changes an end: a repetition is answered with it, and not sent. */
export function isForGood(outcome: Attempt_Outcome | null): boolean {
  return outcome === Attempt_Outcome.DELIVERED || outcome === Attempt_Outcome.REFUSED;
}

function endOf({ outcome, reason, retry_after_ms, broken }: CommandRow): CommandEnd {
  return { outcome: outcome!, reason, retryAfterMs: retry_after_ms ?? undefined, broken: broken === 1 };
}

function full(mostBytes: number) {
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.STORAGE_UNAVAILABLE,
    `more than ${Math.round(mostBytes / 1024 / 1024)} MiB wait for the server already; nothing more is taken until it has some of them`,
    { retry_after_ms: "5000" },
  );
}
