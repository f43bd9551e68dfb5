import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSigningKey } from "../../signing/signing-key.ts";
import { type AuditedFolder, auditEntry } from "./audited-folder.ts";
import type { Random } from "./random.ts";
import { AUDIT_TABLES, contentOf, type Row, type Tampered } from "./tampering.ts";

const SERVICES = ["access", "session"] as const;
const RUNS = 3;

/** Logs of several services and tenants with checkpoints, in the hands of somebody who may write all the files. */
export interface AttackedLogs {
  /** Tampers once. False where nothing is different then, or the database refuses it. */
  tamper(tampering: (tampered: Tampered) => void, random: Random): boolean;
  /** Puts everything back. */
  restore(): void;
  close(): void;
}

/** Fills a folder with the logs of several runs, and takes it over. */
export async function createAttackedLogs(folder: AuditedFolder): Promise<AttackedLogs> {
  const { checkpointsPath, dataDir } = folder;
  const strangerKey = openSigningKey({ dataDir: join(dataDir, "stranger") });
  const earlier = await fill(folder);
  const untouched = readFileSync(checkpointsPath);
  const lines = untouched.toString().split(/(?<=\n)/);
  const attacks = new Map(SERVICES.map((service) => [service, new AttackedDatabase(dataDir, service)]));
  const databases = new Map([...attacks].map(([service, { db }]) => [service, db]));
  let hasOtherCheckpoints = false;
  return {
    tamper(tampering, random) {
      const tampered: Tampered = { databases, lines, checkpoints: untouched, earlier, strangerKey, random };
      for (const each of attacks.values()) each.begin();
      const isPossible = attempt(() => tampering(tampered));
      const changed = [...attacks.values()].map((each) => each.end(isPossible));
      const { checkpoints } = tampered;
      hasOtherCheckpoints = isPossible && !checkpoints?.equals(untouched);
      if (hasOtherCheckpoints) {
        if (checkpoints) writeFileSync(checkpointsPath, checkpoints);
        else rmSync(checkpointsPath);
      }
      return hasOtherCheckpoints || changed.includes(true);
    },
    restore() {
      for (const each of attacks.values()) each.restore();
      if (hasOtherCheckpoints) writeFileSync(checkpointsPath, untouched);
    },
    close() {
      for (const { db } of attacks.values()) db.close();
    },
  };
}

/** Several runs with a checkpoint each, and what no checkpoint tells of yet. Returns what stood before the last. */
async function fill(folder: AuditedFolder): Promise<Tampered["earlier"]> {
  const earlier = new Map<string, Map<string, Row[]>>();
  for (let run = 1; run <= RUNS; run++) {
    for (const [index, service] of SERVICES.entries()) {
      const { db, append } = folder.open(service);
      for (const [number, tenantId] of ["acme", "acme", "_default", `t${index}`].entries()) {
        await append(
          auditEntry(tenantId, { resource: `session/${run}${number}`, principalId: `key:é${number}` }),
        );
      }
      if (run < RUNS) continue;
      const tables = AUDIT_TABLES.map((table) => [table, db.all<Row>(`SELECT * FROM ${table}`)] as const);
      earlier.set(service, new Map(tables));
      // Every chain is longer in the last checkpoint than it was.
      await append(...["acme", "_default", `t${index}`, "new"].map((tenantId) => auditEntry(tenantId)));
    }
    await folder.startCheckpoints().close();
    await folder.close();
  }
  for (const service of SERVICES) await folder.open(service).append(auditEntry("acme"), auditEntry("new"));
  await folder.close();
  return earlier;
}

/** One database, with a copy of it in memory to restore it from: faster than its file. */
class AttackedDatabase {
  readonly db: DatabaseSync;
  readonly #content: string;
  readonly #triggers: readonly { readonly name: string; readonly sql: string }[];
  #isChanged = false;

  constructor(dataDir: string, service: string) {
    this.db = new DatabaseSync(join(dataDir, `${service}.db`));
    this.db.exec("PRAGMA journal_mode = DELETE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    this.db.exec("ATTACH ':memory:' AS untouched");
    for (const table of AUDIT_TABLES) {
      this.db.exec(`CREATE TABLE untouched.${table} AS SELECT ${columnsOf(table)} FROM main.${table}`);
    }
    this.#triggers = this.db
      .prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger'")
      .all()
      .map(({ name, sql }) => ({ name: String(name), sql: String(sql) }));
    this.#content = contentOf(this.db);
  }

  /** Begins a transaction in which nothing guards the tables. */
  begin(): void {
    this.db.exec("BEGIN");
    for (const { name } of this.#triggers) this.db.exec(`DROP TRIGGER ${name}`);
  }

  /** Keeps what was done, with the guards as they were, where it made a difference. */
  end(isPossible: boolean): boolean {
    this.#isChanged = isPossible && contentOf(this.db) !== this.#content;
    if (this.#isChanged) this.#commit();
    else this.db.exec("ROLLBACK");
    return this.#isChanged;
  }

  restore(): void {
    if (!this.#isChanged) return;
    this.begin();
    for (const table of AUDIT_TABLES) {
      const columns = columnsOf(table);
      this.db.exec(`DELETE FROM main.${table};
        INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM untouched.${table}`);
    }
    this.#commit();
  }

  #commit(): void {
    for (const { sql } of this.#triggers) this.db.exec(sql);
    this.db.exec("COMMIT");
  }
}

/** False where the database refuses it: two records cannot have one number, so that is no way in. */
function attempt(tampering: () => void): boolean {
  try {
    tampering();
    return true;
  } catch (error) {
    if (/UNIQUE/.test(String(error))) return false;
    throw error;
  }
}

function columnsOf(table: (typeof AUDIT_TABLES)[number]): string {
  switch (table) {
    case "audit_record":
      return "rowid, tenant_id, sequence, time, principal_id, action, resource, before, after, seal";
    case "audit_head":
      return "tenant_id, count, seal, head_seal";
    case "audit_checkpoint":
      return "id, number, digest, seal";
  }
}
