import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { AuditDatabase, KnownRow, StoredHead, StoredRecord } from "./audit-database.ts";

const SCHEMA =
  "SELECT name, sql FROM sqlite_schema WHERE tbl_name LIKE 'audit\\_%' ESCAPE '\\' AND sql IS NOT NULL";
/** Records that are handed over together. */
const SOME = 1_000;
/** Invalid bytes and a leading mark are seen for what they are, and not read as other characters. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The audit tables of a service's database as they stood when it was opened, read-only. */
export class SqliteAuditDatabase implements AuditDatabase {
  readonly #db: DatabaseSync;
  #sealAt: StatementSync | undefined;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Undefined for a database from before there was an audit log. */
  static open(path: string): SqliteAuditDatabase | undefined {
    const db = new DatabaseSync(path, { readOnly: true });
    db.exec("PRAGMA trusted_schema = OFF; BEGIN");
    if (db.prepare(SCHEMA).all().length > 0) return new SqliteAuditDatabase(db);
    db.close();
    return undefined;
  }

  async changedSchema(): Promise<string[]> {
    const expected = madeSchema();
    const found = schemaOf(this.#db);
    const names = new Set([...expected.keys(), ...found.keys()]);
    return [...names].filter((name) => expected.get(name) !== found.get(name));
  }

  async isConsistent(): Promise<boolean> {
    const found = this.#db.prepare("PRAGMA integrity_check('audit_record')").all();
    return found.length === 1 && found[0]!.integrity_check === "ok";
  }

  async *records(): AsyncGenerator<readonly StoredRecord[]> {
    let some: StoredRecord[] = [];
    for (const record of this.#records()) {
      some.push(record);
      if (some.length < SOME) continue;
      yield some;
      some = [];
    }
    yield some;
  }

  *#records(): Generator<StoredRecord> {
    // As bytes, so that nothing that would read as the same text passes for it.
    const statement = this.#db.prepare(`SELECT CAST(tenant_id AS BLOB) AS tenant_id, sequence, time,
      CAST(principal_id AS BLOB) AS principal_id, CAST(action AS BLOB) AS action, CAST(resource AS BLOB) AS resource,
      CAST(before AS BLOB) AS before, CAST(after AS BLOB) AS after, CAST(seal AS BLOB) AS seal
      FROM audit_record ORDER BY audit_record.tenant_id, audit_record.sequence`);
    statement.setReadBigInts(true);
    for (const row of statement.iterate()) {
      const tenantId = textOf(row.tenant_id);
      const sequence = numberOf(row.sequence);
      const time = numberOf(row.time);
      const texts = [row.principal_id, row.action, row.resource, row.before, row.after].map(textOf);
      const [principalId, action, resource, before, after] = texts;
      const isReadable =
        tenantId !== undefined && sequence !== undefined && time !== undefined && !texts.includes(undefined);
      yield {
        tenantId: tenantId ?? "?",
        sequence: sequence ?? Number(row.sequence),
        record: isReadable
          ? {
              tenantId,
              sequence,
              time,
              principalId: principalId!,
              action: action!,
              resource: resource!,
              before: before!,
              after: after!,
            }
          : undefined,
        seal: bytesOf(row.seal),
      };
    }
  }

  async heads(): Promise<StoredHead[]> {
    const statement = this.#db.prepare(`SELECT CAST(tenant_id AS BLOB) AS tenant_id, count,
      CAST(seal AS BLOB) AS seal, CAST(head_seal AS BLOB) AS head_seal FROM audit_head ORDER BY audit_head.tenant_id`);
    statement.setReadBigInts(true);
    return statement.all().map((row) => ({
      tenantId: textOf(row.tenant_id) ?? "?",
      count: Number(row.count),
      seal: bytesOf(row.seal),
      headSeal: bytesOf(row.head_seal),
    }));
  }

  async sealAt(tenantId: string, sequence: number): Promise<Uint8Array | undefined> {
    this.#sealAt ??= this.#db.prepare(
      "SELECT CAST(seal AS BLOB) AS seal FROM audit_record WHERE tenant_id = ? AND sequence = ?",
    );
    const row = this.#sealAt.get(tenantId, sequence);
    return row && bytesOf(row.seal);
  }

  async knownCheckpoint(): Promise<KnownRow | undefined> {
    const statement = this.#db.prepare(
      "SELECT number, CAST(digest AS BLOB) AS digest, CAST(seal AS BLOB) AS seal FROM audit_checkpoint WHERE id = 1",
    );
    statement.setReadBigInts(true);
    const row = statement.get();
    return row && { number: Number(row.number), digest: bytesOf(row.digest), seal: bytesOf(row.seal) };
  }

  async close(): Promise<void> {
    this.#db.close();
  }
}

let made: ReadonlyMap<string, string> | undefined;

/** What the migration makes. */
function madeSchema(): ReadonlyMap<string, string> {
  if (made) return made;
  const db = new DatabaseSync(":memory:");
  db.exec(readFileSync(join(import.meta.dirname, "audit-tables.sql"), "utf8"));
  made = schemaOf(db);
  db.close();
  return made;
}

function schemaOf(db: DatabaseSync): Map<string, string> {
  return new Map(
    db
      .prepare(SCHEMA)
      .all()
      .map((row) => [String(row.name), String(row.sql)]),
  );
}

function textOf(value: unknown): string | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    return decoder.decode(value);
  } catch {
    return undefined;
  }
}

function numberOf(value: unknown): number | undefined {
  if (typeof value !== "bigint") return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}
