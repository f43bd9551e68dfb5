// What somebody can do who may write the databases and the checkpoints, and has neither the key that records are
// sealed with nor the key that checkpoints are signed with. What each kind does is random.

import { createSecretKey } from "node:crypto";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { SigningKey } from "../../signing/signing-key.ts";
import { checkpointLine, lineDigest } from "../checkpoint.ts";
import { BEGINNING, sealCheckpoint, sealHead, sealRecord } from "../seal.ts";
import type { Random } from "./random.ts";

export interface Tampered {
  /** The databases by service, with nothing to guard their tables. */
  readonly databases: ReadonlyMap<string, DatabaseSync>;
  /** The lines of the checkpoints, with their line breaks. */
  readonly lines: readonly string[];
  /** What the file of the checkpoints is to have; undefined: there is to be no file. */
  checkpoints: Buffer | undefined;
  /** The rows of the audit tables as they stood before the last checkpoint, by service and table. */
  readonly earlier: ReadonlyMap<string, ReadonlyMap<string, readonly Row[]>>;
  /** A key of the attacker's own. */
  readonly strangerKey: SigningKey;
  readonly random: Random;
}

export type Row = Record<string, SQLInputValue>;
type StoredRow = Row & { rowid: number; tenant_id: string; sequence: number; seal: Uint8Array };

const RECORD_TEXTS = ["principal_id", "action", "resource", "before", "after"] as const;
export const AUDIT_TABLES = ["audit_record", "audit_head", "audit_checkpoint"] as const;
const strangerSecret = createSecretKey(new Uint8Array(32).fill(99));

/** The kinds of tampering, by name. */
export const tamperings: Readonly<Record<string, (tampered: Tampered) => void>> = {
  "edits a text": (t) => {
    const { db, record } = anyRecord(t);
    const column = t.random.pick(RECORD_TEXTS);
    db.prepare(`UPDATE audit_record SET ${column} = ? WHERE rowid = ?`).run(
      edited(t.random, String(record[column])),
      record.rowid,
    );
  },
  "edits the bytes of a text": (t) => {
    const { db, record } = anyRecord(t);
    const column = t.random.pick([...RECORD_TEXTS, "tenant_id"]);
    const bytes = Buffer.from(String(record[column]));
    const changed = Buffer.concat([bytes, t.random.bytes(1)]);
    if (bytes.length > 0 && t.random.below(2)) flipBit(t.random, changed);
    db.prepare(`UPDATE audit_record SET ${column} = CAST(? AS TEXT) WHERE rowid = ?`).run(
      changed,
      record.rowid,
    );
  },
  "edits a time": (t) => {
    const { db, record } = anyRecord(t);
    const by = t.random.pick([1, -1, 1_000, 2 ** 53, -(2 ** 60)]);
    db.prepare("UPDATE audit_record SET time = time + ? WHERE rowid = ?").run(BigInt(by), record.rowid);
  },
  "edits a seal": (t) => {
    const { db, record } = anyRecord(t);
    db.prepare("UPDATE audit_record SET seal = ? WHERE rowid = ?").run(
      changedBytes(t.random, record.seal),
      record.rowid,
    );
  },
  "edits a record and seals it with another key": (t) => {
    const { service, db, record } = anyRecord(t);
    const action = edited(t.random, String(record.action));
    const seal = sealRecord(strangerSecret, t.random.bytes(32), {
      ...fieldsOf(service, record),
      action,
    });
    db.prepare("UPDATE audit_record SET action = ?, seal = ? WHERE rowid = ?").run(
      action,
      seal,
      record.rowid,
    );
  },
  "deletes records": (t) => {
    for (let times = t.random.pick([1, 1, 2, 5]); times > 0; times--) {
      const { db, record } = anyRecord(t);
      db.prepare("DELETE FROM audit_record WHERE rowid = ?").run(record.rowid);
    }
  },
  "deletes a record and closes the gap": (t) => {
    const { db, record } = anyRecord(t);
    db.prepare("DELETE FROM audit_record WHERE rowid = ?").run(record.rowid);
    renumber(db, record, -1);
    db.prepare("UPDATE audit_head SET count = count - 1 WHERE tenant_id = ?").run(record.tenant_id);
  },
  "cuts the end off": (t) => {
    cutEnd(t);
  },
  "cuts the end off and changes the head to fit": (t) => {
    const { db, tenantId, count } = cutEnd(t);
    const last = db
      .prepare("SELECT seal FROM audit_record WHERE tenant_id = ? AND sequence = ?")
      .get(tenantId, count) as Row | undefined;
    db.prepare("UPDATE audit_head SET count = ?, seal = ? WHERE tenant_id = ?").run(
      count,
      last?.seal ?? BEGINNING,
      tenantId,
    );
  },
  "cuts the end off and seals the head with another key": (t) => {
    const { service, db, tenantId, count } = cutEnd(t);
    const last = db
      .prepare("SELECT seal FROM audit_record WHERE tenant_id = ? AND sequence = ?")
      .get(tenantId, count) as { seal: Uint8Array } | undefined;
    putHead(service, db, tenantId, count, last?.seal ?? BEGINNING);
  },
  "puts a whole service's tables back to before the last checkpoint": (t) => {
    const service = t.random.pick([...t.databases.keys()]);
    const tables = t.random.pick([AUDIT_TABLES, AUDIT_TABLES.slice(0, 2)]);
    for (const table of tables)
      restore(t.databases.get(service)!, table, t.earlier.get(service)!.get(table)!);
  },
  "puts one chain back to before the last checkpoint": (t) => {
    const { service, db, record } = anyRecord(t);
    const { tenant_id } = record;
    const head = t.earlier
      .get(service)!
      .get("audit_head")!
      .find((row) => row.tenant_id === tenant_id);
    db.prepare("DELETE FROM audit_record WHERE tenant_id = ? AND sequence > ?").run(
      tenant_id,
      head?.count ?? 0,
    );
    db.prepare("DELETE FROM audit_head WHERE tenant_id = ?").run(tenant_id);
    if (head) insert(db, "audit_head", head);
  },
  "swaps what two records say": (t) => {
    const { db, record: one } = anyRecord(t);
    const other = t.random.pick(recordsOf(db));
    const columns = t.random.pick([
      ["time", ...RECORD_TEXTS],
      ["time", ...RECORD_TEXTS, "seal"],
      ["seal"],
      ["action"],
    ]);
    const put = db.prepare(
      `UPDATE audit_record SET ${columns.map((each) => `${each} = ?`).join(", ")} WHERE rowid = ?`,
    );
    put.run(...columns.map((each) => other[each]!), one.rowid);
    put.run(...columns.map((each) => one[each]!), other.rowid);
  },
  "moves records between tenants": (t) => {
    const { db, record: one } = anyRecord(t);
    const other = t.random.pick(recordsOf(db));
    const put = db.prepare("UPDATE audit_record SET tenant_id = ?, sequence = ? WHERE rowid = ?");
    put.run("~", 0, one.rowid);
    put.run(one.tenant_id, one.sequence, other.rowid);
    put.run(other.tenant_id, other.sequence, one.rowid);
  },
  "gives a chain to another tenant": (t) => {
    const { db, record } = anyRecord(t);
    const name = edited(t.random, record.tenant_id);
    db.prepare("UPDATE audit_record SET tenant_id = ? WHERE tenant_id = ?").run(name, record.tenant_id);
    db.prepare("UPDATE audit_head SET tenant_id = ? WHERE tenant_id = ?").run(name, record.tenant_id);
  },
  "copies a record": (t) => {
    const { db, record } = anyRecord(t);
    const tenantId = t.random.pick([
      record.tenant_id,
      record.tenant_id,
      anyRecord(t).record.tenant_id,
      "put-in",
    ]);
    const sequence = t.random.pick([newest(db, tenantId) + 1, 0, -1, record.sequence, 1_000_000]);
    insert(db, "audit_record", { ...withoutRowid(record), tenant_id: tenantId, sequence });
  },
  "copies a record to another service": (t) => {
    const { record } = anyRecord(t);
    const db = t.databases.get(t.random.pick([...t.databases.keys()]))!;
    const sequence = newest(db, record.tenant_id) + 1;
    insert(db, "audit_record", { ...withoutRowid(record), sequence });
  },
  "puts a forged record at the end": (t) => {
    const { service, db, record } = anyRecord(t);
    const last = recordsOf(db).findLast(({ tenant_id }) => tenant_id === record.tenant_id)!;
    const forged = { ...withoutRowid(record), sequence: last.sequence + 1, action: "forged" };
    const seal = sealRecord(strangerSecret, last.seal, fieldsOf(service, forged));
    insert(db, "audit_record", { ...forged, seal });
    if (t.random.below(2)) putHead(service, db, record.tenant_id, forged.sequence, seal);
  },
  "puts a forged record in between": (t) => {
    const { db, record } = anyRecord(t);
    renumber(db, record, 1);
    insert(db, "audit_record", {
      ...withoutRowid(record),
      sequence: record.sequence + t.random.below(2),
      action: "forged",
      seal: t.random.bytes(32),
    });
    db.prepare("UPDATE audit_head SET count = count + 1 WHERE tenant_id = ?").run(record.tenant_id);
  },
  "numbers records anew": (t) => {
    const { db, record } = anyRecord(t);
    renumber(db, record, t.random.pick([1, 2, 1_000, -1, -2]));
  },
  "forges a chain from a record on, with another key": (t) => {
    const { service, db, record } = anyRecord(t);
    let seal: Uint8Array = BEGINNING;
    let count = 0;
    for (const each of recordsOf(db).filter(({ tenant_id }) => tenant_id === record.tenant_id)) {
      if (each.sequence >= record.sequence) {
        seal = sealRecord(strangerSecret, seal, fieldsOf(service, each));
        db.prepare("UPDATE audit_record SET seal = ? WHERE rowid = ?").run(seal, each.rowid);
      } else seal = each.seal;
      count = each.sequence;
    }
    putHead(service, db, record.tenant_id, count, seal);
  },
  "edits a head": (t) => {
    const { db, head } = anyHead(t);
    const column = t.random.pick(["count", "seal", "head_seal"]);
    const value =
      column === "count"
        ? BigInt(Number(head.count) + t.random.pick([1, -1, 7, 2 ** 55]))
        : changedBytes(t.random, head[column] as Uint8Array);
    db.prepare(`UPDATE audit_head SET ${column} = ? WHERE tenant_id = ?`).run(value, head.tenant_id!);
  },
  "deletes a head": (t) => {
    const { db, head } = anyHead(t);
    db.prepare("DELETE FROM audit_head WHERE tenant_id = ?").run(head.tenant_id!);
  },
  "swaps two heads": (t) => {
    const { db, head: one } = anyHead(t);
    const other = t.random.pick(rowsOf(db, "audit_head"));
    const put = db.prepare("UPDATE audit_head SET count = ?, seal = ?, head_seal = ? WHERE tenant_id = ?");
    put.run(other.count!, other.seal!, other.head_seal!, one.tenant_id!);
    put.run(one.count!, one.seal!, one.head_seal!, other.tenant_id!);
  },
  "puts a head in": (t) => {
    const { db, head } = anyHead(t);
    insert(db, "audit_head", { ...head, tenant_id: "put-in", count: t.random.below(3) });
  },
  "deletes a whole chain": (t) => {
    const { db, record } = anyRecord(t);
    const { tenant_id } = record;
    db.prepare("DELETE FROM audit_record WHERE tenant_id = ?").run(tenant_id);
    db.prepare("DELETE FROM audit_head WHERE tenant_id = ?").run(tenant_id);
    if (t.random.below(2))
      db.prepare("DELETE FROM audit_record WHERE resource = ?").run(`tenant/${tenant_id}`);
  },
  "empties tables": (t) => {
    const db = t.databases.get(t.random.pick([...t.databases.keys()]))!;
    const tables = t.random.pick([["audit_record"], ["audit_record", "audit_head"], [...AUDIT_TABLES]]);
    for (const table of tables) db.exec(`DELETE FROM ${table}`);
  },
  "edits what is remembered of the checkpoints": (t) => {
    const service = t.random.pick([...t.databases.keys()]);
    const db = t.databases.get(service)!;
    const row = rowsOf(db, "audit_checkpoint")[0] as { number: number; digest: Uint8Array; seal: Uint8Array };
    const number = t.random.pick([row.number, row.number - 1, row.number + 1, 0]);
    const digest = t.random.pick([row.digest, changedBytes(t.random, row.digest)]);
    const seal = t.random.pick([
      row.seal,
      changedBytes(t.random, row.seal),
      sealCheckpoint(strangerSecret, service, { number, digest }),
    ]);
    db.prepare("UPDATE audit_checkpoint SET number = ?, digest = ?, seal = ?").run(number, digest, seal);
  },
  "takes what is remembered of the checkpoints from another service": (t) => {
    const from = t.databases.get(t.random.pick([...t.databases.keys()]))!;
    const to = t.databases.get(t.random.pick([...t.databases.keys()]))!;
    restore(to, "audit_checkpoint", rowsOf(from, "audit_checkpoint"));
  },
  "deletes what is remembered of the checkpoints": (t) => {
    t.databases.get(t.random.pick([...t.databases.keys()]))!.exec("DELETE FROM audit_checkpoint");
  },
  "edits a byte of the checkpoints": (t) => {
    const bytes = Buffer.from(t.lines.join(""));
    bytes[t.random.below(bytes.length)]! ^= 1 << t.random.below(8);
    t.checkpoints = bytes;
  },
  "puts bytes into a checkpoint": (t) => {
    const lines = [...t.lines];
    const at = t.random.below(lines.length);
    const place = t.random.below(lines[at]!.length);
    lines[at] =
      lines[at]!.slice(0, place) + t.random.pick([" ", "A", "\n", "\r", "\t"]) + lines[at]!.slice(place);
    writeLines(t, lines);
  },
  "deletes a checkpoint": (t) => {
    writeLines(t, t.lines.toSpliced(t.random.below(t.lines.length), 1));
  },
  "cuts checkpoints off the end": (t) => {
    writeLines(t, t.lines.slice(0, t.random.below(t.lines.length)));
  },
  "cuts bytes off the end of the checkpoints": (t) => {
    const text = t.lines.join("");
    writeLines(t, [text.slice(0, t.random.below(text.length))]);
  },
  "deletes the file of the checkpoints": (t) => {
    t.checkpoints = undefined;
  },
  "swaps two checkpoints": (t) => {
    const one = t.random.below(t.lines.length);
    const other = t.random.below(t.lines.length);
    writeLines(t, t.lines.with(one, t.lines[other]!).with(other, t.lines[one]!));
  },
  "copies a checkpoint": (t) => {
    writeLines(t, t.lines.toSpliced(t.random.below(t.lines.length + 1), 0, t.random.pick(t.lines)));
  },
  "puts a checkpoint in that another key signed": (t) => {
    const number = t.random.pick([t.lines.length + 1, 1 + t.random.below(t.lines.length)]);
    const before = t.lines[number - 2]?.trimEnd();
    const previous = before === undefined ? "" : lineDigest(before).toString("hex");
    const time = "2026-11-20T10:00:00.000Z";
    const line = `${checkpointLine({ number, time, previous, unfinished: [], chains: [] }, t.strangerKey)}\n`;
    writeLines(t, t.lines.toSpliced(number - 1, 1, line));
  },
  "cuts records off with all checkpoints that tell of them": (t) => {
    cutEnd(t);
    writeLines(t, t.lines.slice(0, t.random.below(t.lines.length)));
  },
  "empties everything": (t) => {
    for (const db of t.databases.values()) for (const table of AUDIT_TABLES) db.exec(`DELETE FROM ${table}`);
    if (t.random.below(2)) writeLines(t, t.lines.slice(0, 1 + t.random.below(t.lines.length)));
  },
};

/** Everything that is protected, as text: what two states differ in is what was tampered with. */
export function contentOf(db: DatabaseSync): string {
  const tables = AUDIT_TABLES.map((table) => {
    const columns = db.prepare(`SELECT * FROM ${table}`).columns();
    const text = columns.map(({ name }) => `hex(CAST("${name}" AS BLOB))`).join(" || '|' || ");
    const row = db
      .prepare(`SELECT group_concat(${text}, char(10) ORDER BY 1) AS content FROM ${table}`)
      .get()!;
    return String(row.content);
  });
  return tables.join("\n\n");
}

/** The rows of an audit table. */
export function rowsOf(db: DatabaseSync, table: (typeof AUDIT_TABLES)[number]): Row[] {
  return db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all() as Row[];
}

function recordsOf(db: DatabaseSync): StoredRow[] {
  return db
    .prepare("SELECT rowid, * FROM audit_record ORDER BY tenant_id, sequence")
    .all() as unknown as StoredRow[];
}

function anyRecord(t: Tampered): { service: string; db: DatabaseSync; record: StoredRow } {
  const service = t.random.pick([...t.databases.keys()]);
  const db = t.databases.get(service)!;
  return { service, db, record: t.random.pick(recordsOf(db)) };
}

function anyHead(t: Tampered): { db: DatabaseSync; head: Row } {
  const db = t.databases.get(t.random.pick([...t.databases.keys()]))!;
  return { db, head: t.random.pick(rowsOf(db, "audit_head")) };
}

/** Deletes from 1 to all of a chain's records, from its end. */
function cutEnd(t: Tampered): { service: string; db: DatabaseSync; tenantId: string; count: number } {
  const { service, db, record } = anyRecord(t);
  const tenantId = record.tenant_id;
  const count = t.random.below(newest(db, tenantId));
  db.prepare("DELETE FROM audit_record WHERE tenant_id = ? AND sequence > ?").run(tenantId, count);
  return { service, db, tenantId, count };
}

function newest(db: DatabaseSync, tenantId: string): number {
  const row = db
    .prepare("SELECT coalesce(max(sequence), 0) AS newest FROM audit_record WHERE tenant_id = ?")
    .get(tenantId)!;
  return Number(row.newest);
}

/** Moves a record and those after it. */
function renumber(db: DatabaseSync, { tenant_id, sequence }: StoredRow, by: number): void {
  const far = 1_000_000;
  db.prepare("UPDATE audit_record SET sequence = sequence + ? WHERE tenant_id = ? AND sequence >= ?").run(
    far,
    tenant_id,
    sequence,
  );
  db.prepare("UPDATE audit_record SET sequence = sequence + ? WHERE tenant_id = ? AND sequence >= ?").run(
    by - far,
    tenant_id,
    far,
  );
}

function putHead(service: string, db: DatabaseSync, tenantId: string, count: number, seal: Uint8Array): void {
  const headSeal = sealHead(strangerSecret, service, { tenantId, count, seal });
  db.prepare("UPDATE audit_head SET count = ?, seal = ?, head_seal = ? WHERE tenant_id = ?").run(
    count,
    seal,
    headSeal,
    tenantId,
  );
}

function restore(db: DatabaseSync, table: string, rows: readonly Row[]): void {
  db.exec(`DELETE FROM ${table}`);
  for (const row of rows) insert(db, table, row);
}

function insert(db: DatabaseSync, table: string, row: Row): void {
  const columns = Object.keys(row);
  db.prepare(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
  ).run(...Object.values(row));
}

function withoutRowid({ rowid: _, ...row }: StoredRow): Row {
  return row as Row;
}

function fieldsOf(service: string, row: Row | StoredRow) {
  const text = (column: string) => String((row as Row)[column]);
  return {
    service,
    tenantId: text("tenant_id"),
    sequence: Number((row as Row).sequence),
    time: Number((row as Row).time),
    principalId: text("principal_id"),
    action: text("action"),
    resource: text("resource"),
    before: text("before"),
    after: text("after"),
  };
}

/** Another text than the one given, mostly one that looks the same. */
function edited(random: Random, text: string): string {
  const place = random.below(text.length + 1);
  const put = random.pick(["x", " ", "\0", "\ufeff", "\u200b", "é", "'"]);
  const changes = [
    () => text.slice(0, place) + put + text.slice(place),
    () => text.slice(0, place) + text.slice(place + 1),
    () => text.toUpperCase(),
    () => text.normalize("NFD"),
    () => text.split("").reverse().join(""),
    () => "",
  ];
  return random.pick(changes)();
}

function changedBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes);
  if (random.below(4) > 0) return flipBit(random, changed);
  return random.pick([
    changed.subarray(1),
    new Uint8Array(),
    random.bytes(32),
    Buffer.concat([changed, changed]),
  ]);
}

function flipBit(random: Random, bytes: Uint8Array): Uint8Array {
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  return bytes;
}

function writeLines(t: Tampered, lines: readonly string[]): void {
  t.checkpoints = Buffer.from(lines.join(""));
}
