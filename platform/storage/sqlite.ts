// A service's own SQLite file.
//
// T1. synchronous=FULL: a commit that returned is on disk.
// T2. Writes of one event-loop turn share one commit (group commit), so that durability costs one fsync for
//     all of them. Measured: 5.7k commits/s one by one, 59k/s in groups.
// T3. A write that throws does not harm its neighbours: the turn is rolled back and run again without it.
//     A write must therefore do nothing but read and write the database.
// T4. After an I/O error nothing is acknowledged any more: the failed fsync is not tried again on this handle.
// T5. No more than so many writes wait at a time, for another process's lock; others are refused before they are begun.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import { failpoint } from "../failpoints/failpoint.ts";
import type { Log } from "../telemetry/log.ts";
import { MAX_PENDING, storageOverloaded } from "./storage-overloaded.ts";
import { storageUnavailable } from "./storage-unavailable.ts";

/** WAL-reset corruption with several connections was fixed in this version. */
const OLDEST_SQLITE = [3, 51, 3];

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;

/**
 * After how many pages of the write-ahead log they are copied into the file, which the commit that finds so many waits
 * for: 16 MB. With SQLite's own 1,000 every seventieth lone commit took five times as long, and 3 % more was written.
 */
const CHECKPOINT_PAGES = 4_000;

/** How long a write waits for another process's lock before it is refused. */
const LOCK_PATIENCE_MS = 2_000;
const LOCK_RETRY_MS = 20;

interface Write {
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  readonly since: number;
}

/** A step of a schema. Its name begins with its number: "0001_name". */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export interface SqliteOptions {
  /** The file. Its folder is made. ":memory:" for tests of pure SQL. */
  readonly path: string;
  /** The folder of numbered migrations, 0001_name.sql, 0002_…, or these themselves, for a program that is one file. */
  readonly migrations: string | readonly Migration[];
  readonly log: Log;
  /** How many writes may wait. Default: 10,000. */
  readonly maxPending?: number;
  /** Called once, on an I/O error or a corrupt file: the process must end. Default: it does, with exit code 70. */
  readonly onFatal?: (error: unknown) => void;
}

export class Sqlite {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #log: Log;
  readonly #onFatal: (error: unknown) => void;
  readonly #maxPending: number;
  readonly #listeners = new Set<() => void>();
  readonly #commitPreparers = new Set<() => void>();
  readonly #rollbackListeners = new Set<() => void>();
  #queue: Write[] = [];
  #scheduled = false;
  #failed: unknown;
  #closed = false;

  constructor({ path, migrations, log, maxPending = MAX_PENDING, onFatal }: SqliteOptions) {
    assertSqliteVersion();
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#log = log;
    this.#maxPending = maxPending;
    this.#onFatal =
      onFatal ??
      ((error) => {
        log.fatal(
          { err: error, path },
          "the database failed; stopping, because nothing can be kept safe now",
        );
        process.exit(70);
      });
    this.#db = new DatabaseSync(path);
    this.#db.exec(`PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768; PRAGMA trusted_schema = OFF;`);
    migrate(this.#db, migrations);
  }

  /** A prepared statement, kept for the life of the file. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** Throws STORAGE_UNAVAILABLE where nothing can be read or written any more. */
  assertUsable(): void {
    if (this.#failed !== undefined || this.#closed) {
      throw storageUnavailable("the database is closed", this.#failed);
    }
  }

  /** The first row, or undefined. Reads see everything that was committed. */
  get<Row>(text: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#read(() => this.sql(text).get(...values)) as Row | undefined;
  }

  /** All rows. */
  all<Row>(text: string, ...values: SQLInputValue[]): Row[] {
    return this.#read(() => this.sql(text).all(...values)) as Row[];
  }

  /**
   * Runs `work` in the next commit and resolves with what it returned once that is on disk. `work` runs
   * synchronously, may run twice (T3), and must only read and write this database.
   *
   * Rejects with what `work` threw, with STORAGE_UNAVAILABLE, or with OVERLOADED (T5); then nothing was kept.
   */
  write<T>(work: (db: this) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failed !== undefined || this.#closed) {
        reject(storageUnavailable("the database is closed", this.#failed));
        return;
      }
      if (this.#queue.length >= this.#maxPending) {
        reject(storageOverloaded(this.#maxPending));
        return;
      }
      this.#queue.push({ run: () => work(this), resolve, reject, since: performance.now() });
      this.#schedule();
    });
  }

  /** True while a write runs: what is written now is committed or rolled back with it. */
  get inWrite(): boolean {
    return this.#db.isTransaction;
  }

  /**
   * Calls `listener` before each commit, inside its transaction, so that what a whole group changes is written once.
   * Where it throws, nothing of the group is kept. Returns what stops it.
   */
  beforeCommit(listener: () => void): () => void {
    this.#commitPreparers.add(listener);
    return () => this.#commitPreparers.delete(listener);
  }

  /** Calls `listener` after each commit that wrote something. Returns what stops it. */
  afterCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` after each rollback, before a write of the group runs again. Returns what stops it. */
  afterRollback(listener: () => void): () => void {
    this.#rollbackListeners.add(listener);
    return () => this.#rollbackListeners.delete(listener);
  }

  /** Commits what waits and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    for (const write of this.#queue.splice(0)) write.reject(storageUnavailable("the database is closed"));
    this.#statements.clear();
    this.#db.close();
  }

  #read<T>(read: () => T): T {
    this.assertUsable();
    try {
      return read();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #schedule(delayMs = 0): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const run = () => {
      this.#scheduled = false;
      this.#flush();
    };
    // setImmediate runs after the sockets of this turn were read, so the whole turn is in the group.
    if (delayMs === 0) setImmediate(run);
    else setTimeout(run, delayMs);
  }

  #flush(): void {
    if (this.#queue.length === 0 || this.#closed) return;
    let group = this.#queue;
    this.#queue = [];
    while (group.length > 0) {
      const results: unknown[] = [];
      let failedAt = -1;
      let failure: unknown;
      try {
        this.sql("BEGIN IMMEDIATE").run();
      } catch (error) {
        this.#refuseOrWait(group, error);
        return;
      }
      for (const [index, write] of group.entries()) {
        try {
          results.push(write.run());
        } catch (error) {
          failedAt = index;
          failure = error;
          break;
        }
      }
      if (failedAt >= 0) {
        this.#rollback();
        group[failedAt]!.reject(this.#translate(failure));
        group = group.filter((_, index) => index !== failedAt);
        continue;
      }
      try {
        for (const prepare of this.#commitPreparers) prepare();
        failpoint("sqlite.before_commit");
        this.sql("COMMIT").run();
      } catch (error) {
        this.#rollback();
        const refusal = this.#translate(error);
        for (const write of group) write.reject(refusal);
        return;
      }
      failpoint("sqlite.after_commit");
      for (const [index, write] of group.entries()) write.resolve(results[index] as never);
      for (const listener of this.#listeners) listener();
      return;
    }
  }

  #refuseOrWait(group: Write[], error: unknown): void {
    if (sqliteCode(error) === SQLITE_BUSY) {
      const now = performance.now();
      const expired = group.filter((write) => now - write.since > LOCK_PATIENCE_MS);
      for (const write of expired) {
        write.reject(storageUnavailable("another process holds the database's lock", error));
      }
      this.#queue = [...group.filter((write) => !expired.includes(write)), ...this.#queue];
      if (this.#queue.length > 0) this.#schedule(LOCK_RETRY_MS);
      return;
    }
    const refusal = this.#translate(error);
    for (const write of group) write.reject(refusal);
  }

  #rollback(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch (error) {
      this.#fail(error);
    }
    for (const listener of this.#rollbackListeners) listener();
  }

  #fail(error: unknown): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#onFatal(error);
  }

  /** Errors of the disk become STORAGE_UNAVAILABLE; what the work itself threw passes. */
  #translate(error: unknown): unknown {
    const code = sqliteCode(error);
    if (code === undefined) return error;
    const primary = code & 0xff;
    if (primary === SQLITE_FULL) {
      this.#log.error({ err: error }, "the disk is full");
      return hilError(
        Code.ResourceExhausted,
        ErrorReason.STORAGE_UNAVAILABLE,
        "the server's disk is full; nothing was accepted, try again when there is room",
        { retry_after_ms: "5000" },
        [],
        error,
      );
    }
    if (primary === SQLITE_IOERR || primary === SQLITE_CORRUPT) {
      this.#fail(error);
      return storageUnavailable("the database failed", error);
    }
    if (primary === SQLITE_BUSY) return storageUnavailable("the database is locked", error);
    return error;
  }
}

/** True for the breach of a UNIQUE or PRIMARY KEY rule. */
export function isUniqueViolation(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 2067 || code === 1555;
}

function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" ? code : undefined;
}

function assertSqliteVersion(): void {
  const version = (process.versions.sqlite ?? "0").split(".").map(Number);
  for (const [index, least] of OLDEST_SQLITE.entries()) {
    const part = version[index] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new Error(
        `this Node.js carries SQLite ${process.versions.sqlite}; ${OLDEST_SQLITE.join(".")} or later is needed, because earlier ones can damage a database. Start HIL with \`npm start\`, which brings the right Node.js`,
      );
    }
  }
}

/** Applies the migrations that the file has not seen, each in a transaction of its own. */
function migrate(db: DatabaseSync, given: string | readonly Migration[]): void {
  db.exec(
    "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, time INTEGER NOT NULL)",
  );
  const done = (
    db.prepare("SELECT coalesce(max(number), 0) AS number FROM migration").get() as { number: number }
  ).number;
  const migrations = typeof given === "string" ? readMigrations(given) : given;
  const newest = numberOf(migrations.at(-1)?.name ?? "0");
  if (done > newest) {
    throw new Error(
      `the database was written by a newer HIL (migration ${done}, this one knows ${newest}): start the newer version, or restore the backup you made before upgrading`,
    );
  }
  for (const { name, sql } of migrations) {
    const number = numberOf(name);
    if (number <= done) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(sql);
      db.prepare("INSERT INTO migration (number, name, time) VALUES (?, ?, ?)").run(number, name, Date.now());
      failpoint("migration.before_commit");
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
    failpoint("migration.after_commit");
  }
}

function readMigrations(folder: string): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(folder, name), "utf8") }));
}

function numberOf(name: string): number {
  return Number(name.slice(0, 4));
}
