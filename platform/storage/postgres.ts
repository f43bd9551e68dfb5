// A service's own schema in PostgreSQL.
//
// P1. A transaction that returned is on disk: synchronous_commit is on, whatever the server's default.
// P2. Every transaction says whose rows it may touch, and row-level security holds it to that, whatever its statements
//     say. Only the workers of a service see the rows of all tenants. Superusers would pass by row-level security, so
//     their connections step down to a role of ours first.
// P3. A transaction that lost against another (deadlock, serialization) runs again. One whose connection broke is not:
//     it may have happened, and the caller's idempotency key tells.
// P4. Nothing waits for ever: statements, locks, connections and answers all have their time.
// P5. PostgreSQL has no text with a NUL in it. One that somebody sent is kept as U+FFFD, so that it fails nothing.
// P6. Statements go out without waiting for the answers to those before (pipelining); the server runs them in the order
//     in which they were asked for. Once one fails, those behind it do nothing: the transaction is over.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { failpoint } from "../failpoints/failpoint.ts";
import { backoffMs } from "../retry/backoff.ts";
import type { Log } from "../telemetry/log.ts";
import { MAX_PENDING, storageOverloaded } from "./storage-overloaded.ts";
import { storageUnavailable } from "./storage-unavailable.ts";

/** Lets a transaction see the rows of every tenant. For workers, never for a call of one. */
export const ALL_TENANTS = "*";

const SERVICE_ROLE = "hil_service";
const STATEMENT_PATIENCE_MS = 10_000;
const LOCK_PATIENCE_MS = 5_000;
const CONNECT_PATIENCE_MS = 2_000;
/** Beyond the server's own patience: for a server that says nothing at all. */
const ANSWER_PATIENCE_MS = 12_000;
const CONFLICT_TRIES = 8;
const CONFLICT_RETRY = { baseMs: 5, maxMs: 200 };
/** Any number that is ours: migrations of one database run one after the other. */
const MIGRATION_LOCK = 4_851_001;

const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";
const UNIQUE_VIOLATION = "23505";
const DISK_FULL = "53100";

/** What a transaction is run with. Values are bound, never pasted. */
export interface Transaction {
  /** Sends a statement at once, also while others are under way (P6). Throws once the transaction has ended. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** As query, and commits right behind it. Nothing may be under way or come after. */
  last<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Calls `listener` once what was written is on disk, before the caller hears of it. */
  onCommit(listener: () => void): void;
}

export interface PostgresOptions {
  /** postgres://user:password@host:5432/database */
  readonly url: string;
  /** The service's schema. Made where it is missing. */
  readonly schema: string;
  /** The folder of numbered migrations. */
  readonly migrations: string;
  /** How many connections at most. */
  readonly connections?: number;
  /** How many transactions may wait for one of them. Default: 10,000. */
  readonly maxPending?: number;
  readonly log: Log;
}

export class Postgres {
  readonly #pool: pg.Pool;
  readonly #maxPending: number;
  #underWay = 0;

  private constructor(pool: pg.Pool, maxPending: number) {
    this.#pool = pool;
    this.#maxPending = maxPending;
  }

  /** Connects, brings the schema up to date, and steps down from superuser. Rejects where it cannot. */
  static async open({
    url,
    schema,
    migrations,
    connections = 10,
    maxPending = MAX_PENDING,
    log,
  }: PostgresOptions): Promise<Postgres> {
    const role = await prepare({ url, schema, migrations });
    const pool = new pg.Pool({
      ...settings(url),
      max: connections,
      pipeline: true,
      options: `-c search_path=${schema} -c synchronous_commit=on -c statement_timeout=${STATEMENT_PATIENCE_MS} -c lock_timeout=${LOCK_PATIENCE_MS} -c idle_in_transaction_session_timeout=${ANSWER_PATIENCE_MS}${role ? ` -c role=${role}` : ""}`,
    });
    // Of a connection that lies idle in the pool; the next query opens another.
    pool.on("error", (error) => log.warn({ err: error }, "a connection to PostgreSQL broke"));
    return new Postgres(pool, maxPending);
  }

  /**
   * Runs `work` in one transaction that sees the rows of one tenant, or of all (ALL_TENANTS). `work` may run more than
   * once (P3). Rejects with what `work` threw, with STORAGE_UNAVAILABLE, or with OVERLOADED where too many transactions
   * wait for a connection.
   */
  async transaction<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#maxPending) throw storageOverloaded(this.#maxPending);
    this.#underWay += 1;
    try {
      return await this.#retried(tenantId, work);
    } finally {
      this.#underWay -= 1;
    }
  }

  async #retried<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(tenantId, work);
      } catch (error) {
        const code = codeOf(error);
        if ((code !== SERIALIZATION_FAILURE && code !== DEADLOCK) || tries === CONFLICT_TRIES) {
          throw translate(error);
        }
        await pause(backoffMs(tries, CONFLICT_RETRY));
      }
    }
  }

  /** One statement in a transaction of its own; all of it goes out at once. */
  query<Row>(tenantId: string, text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.transaction(tenantId, (transaction) => transaction.last<Row>(text, values));
  }

  /** Whether the database answers. */
  async isUsable(): Promise<boolean> {
    try {
      await this.#pool.query("SELECT 1");
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #once<T>(tenantId: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    // The pool listens to idle connections only: one that breaks between two statements would end the process.
    const breaks = (error: Error) => {
      broken = error;
    };
    client.on("error", breaks);
    const listeners: (() => void)[] = [];
    let ending: Promise<pg.QueryResult> | undefined;
    const query = async <Row>(text: string, values: readonly unknown[] = []) => {
      if (ending) throw new Error("the transaction has ended: this statement would run outside of it");
      return (await client.query(text, values.map(storable))).rows as Row[];
    };
    const commit = () => {
      failpoint("postgres.before_commit");
      ending = client.query("COMMIT");
      return ending;
    };
    let result: T;
    try {
      // In one message, for every transaction pays for it; such a message binds no values.
      const tenant = client.escapeLiteral(postgresText(tenantId));
      const begun = client.query(`BEGIN; SELECT set_config('hil.tenant', ${tenant}, true)`);
      begun.catch(() => {}); // awaited below; what goes out behind it fails with it
      result = await work({
        query,
        async last<Row>(text: string, values?: readonly unknown[]) {
          const [rows] = await Promise.all([query<Row>(text, values), commit()]);
          return rows;
        },
        onCommit: (listener) => void listeners.push(listener),
      });
      await begun;
      const { command } = await (ending ?? commit());
      // What PostgreSQL answers to COMMIT where a statement had failed.
      if (command !== "COMMIT")
        throw new Error("a statement of the transaction had failed; nothing of it is kept");
      failpoint("postgres.after_commit");
    } catch (error) {
      ending ??= client.query("ROLLBACK");
      await ending.catch((failure: Error) => {
        broken = failure; // the connection is of no use any more
      });
      throw error;
    } finally {
      client.removeListener("error", breaks);
      client.release(broken);
    }
    for (const listener of listeners) listener();
    return result;
  }
}

/** Text as PostgreSQL keeps it (P5). */
export function postgresText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

function storable(value: unknown): unknown {
  if (typeof value === "string") return value.includes("\0") ? postgresText(value) : value;
  return Array.isArray(value) ? value.map(storable) : value;
}

/** True for the breach of a UNIQUE or PRIMARY KEY rule; with a name, of that one. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    codeOf(error) === UNIQUE_VIOLATION &&
    (constraint === undefined || (error as { constraint?: string }).constraint === constraint)
  );
}

function settings(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_PATIENCE_MS,
    query_timeout: ANSWER_PATIENCE_MS,
    keepAlive: true,
    application_name: "hil",
  };
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Breaches of rules and errors of the work itself pass; the database's absence becomes STORAGE_UNAVAILABLE. */
function translate(error: unknown): unknown {
  const code = codeOf(error);
  if (code === DISK_FULL) return storageUnavailable("the database's disk is full", error);
  const isOfDatabase = code !== undefined && /^(08|53|55|57|58|XX|25|40)/.test(code);
  const isOfNetwork = code !== undefined && /^E[A-Z]{3,}/.test(code);
  const isOfClient =
    error instanceof Error &&
    /^(Connection terminated|Client has encountered a connection error|Query read timeout|timeout expired|timeout exceeded)/.test(
      error.message,
    );
  return isOfDatabase || isOfNetwork || isOfClient
    ? storageUnavailable("the database cannot be reached", error)
    : error;
}

/** Makes the schema, applies the migrations it has not seen, and gives the role to step down to, if one is needed. */
async function prepare({
  url,
  schema,
  migrations,
}: Pick<PostgresOptions, "url" | "schema" | "migrations">): Promise<string | undefined> {
  if (!/^[a-z][a-z0-9_]*$/.test(schema)) throw new Error(`${schema} cannot be the name of a schema`);
  const client = new pg.Client({ ...settings(url), query_timeout: 600_000 });
  client.on("error", () => {}); // the statement under way, or the next one, fails with it
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    const { rows } = await client.query(
      "SELECT rolsuper OR rolbypassrls AS passes_by FROM pg_roles WHERE rolname = current_user",
    );
    const role = rows[0].passes_by ? SERVICE_ROLE : undefined;
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query(`SET search_path = ${schema}`);
    await migrate(client, migrations);
    if (role) await grant(client, schema, role);
    return role;
  } finally {
    await client.end();
  }
}

async function migrate(client: pg.Client, folder: string): Promise<void> {
  await client.query(
    "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL, time timestamptz NOT NULL DEFAULT now())",
  );
  const { rows } = await client.query("SELECT coalesce(max(number), 0) AS number FROM migration");
  const done = rows[0].number as number;
  const files = readdirSync(folder)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort();
  const newest = Number(files.at(-1)?.slice(0, 4) ?? 0);
  if (done > newest) {
    throw new Error(
      `the database was written by a newer HIL (migration ${done}, this one knows ${newest}): start the newer version, or restore the backup you made before upgrading`,
    );
  }
  for (const name of files) {
    const number = Number(name.slice(0, 4));
    if (number <= done) continue;
    await client.query("BEGIN");
    await client.query(readFileSync(join(folder, name), "utf8"));
    await client.query("INSERT INTO migration (number, name) VALUES ($1, $2)", [number, name]);
    failpoint("migration.before_commit");
    await client.query("COMMIT");
    failpoint("migration.after_commit");
  }
}

async function grant(client: pg.Client, schema: string, role: string): Promise<void> {
  const { rowCount } = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [role]);
  if (rowCount === 0) await client.query(`CREATE ROLE ${role} NOLOGIN NOBYPASSRLS`);
  await client.query(`GRANT ${role} TO CURRENT_USER`);
  await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
  await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
  await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`);
}
