import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import { silentLog } from "../telemetry/log.ts";
import { Sqlite } from "./sqlite.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-sqlite-"));
  mkdirSync(join(folder, "migrations"));
  migration("0001_first.sql", "CREATE TABLE thing (name TEXT PRIMARY KEY)");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const migration = (name: string, sql: string) => writeFileSync(join(folder, "migrations", name), sql);
const open = () =>
  new Sqlite({ path: join(folder, "t.db"), migrations: join(folder, "migrations"), log: silentLog });
const names = (db: Sqlite) =>
  db.all<{ name: string }>("SELECT name FROM thing ORDER BY name").map((row) => row.name);
const insert = (db: Sqlite, name: string) => db.write(() => db.sql("INSERT INTO thing VALUES (?)").run(name));

test("T2: writes of one turn share one commit", async () => {
  const db = open();
  let commits = 0;
  db.afterCommit(() => {
    commits += 1;
  });
  await Promise.all(Array.from({ length: 50 }, (_, n) => insert(db, `n${n}`)));
  expect(commits).toBe(1);
  expect(names(db)).toHaveLength(50);
  db.close();
});

test("T3: a write that throws leaves nothing behind and does not harm its neighbours", async () => {
  const db = open();
  const results = await Promise.allSettled([
    insert(db, "a"),
    db.write(() => {
      db.sql("INSERT INTO thing VALUES ('half')").run();
      throw new Error("changed its mind");
    }),
    insert(db, "a"),
    insert(db, "b"),
  ]);
  expect(results.map((each) => each.status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(names(db)).toEqual(["a", "b"]);
  db.close();
});

test("what was written is there after opening again, and migrations run once, in order", async () => {
  const first = open();
  await insert(first, "a");
  first.close();
  migration("0002_second.sql", "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7");
  const second = open();
  expect(second.all("SELECT * FROM thing")).toEqual([expect.objectContaining({ name: "a", size: 7 })]);
  second.close();
  open().close();
});

test("I16: a database of a newer version is refused with what to do", () => {
  migration("0002_second.sql", "CREATE TABLE other (x)");
  open().close();
  rmSync(join(folder, "migrations", "0002_second.sql"));
  expect(open).toThrow("start the newer version, or restore the backup");
});

test("a migration that fails leaves the file as it was", () => {
  migration("0002_second.sql", "CREATE TABLE other (x); INSERT INTO nowhere VALUES (1)");
  expect(open).toThrow("nowhere");
  rmSync(join(folder, "migrations", "0002_second.sql"));
  const db = open();
  expect(db.all("SELECT name FROM sqlite_master WHERE name = 'other'")).toEqual([]);
  db.close();
});

test("F8: while another process holds the lock a write waits, and goes through when it is gone", async () => {
  const db = open();
  const other = new DatabaseSync(join(folder, "t.db"));
  other.exec("BEGIN EXCLUSIVE");
  const written = insert(db, "a");
  await new Promise((resolve) => setTimeout(resolve, 100));
  other.exec("COMMIT");
  await written;
  expect(names(db)).toEqual(["a"]);
  other.close();
  db.close();
});

test("F8: a lock that does not go away refuses the write with STORAGE_UNAVAILABLE, and nothing is kept", async () => {
  const db = open();
  const other = new DatabaseSync(join(folder, "t.db"));
  other.exec("BEGIN EXCLUSIVE");
  const error = await insert(db, "a").catch((error: unknown) => error);
  expect(reasonOf(error)).toBe(ErrorReason.STORAGE_UNAVAILABLE);
  other.exec("COMMIT");
  await insert(db, "b");
  expect(names(db)).toEqual(["b"]);
  other.close();
  db.close();
});

test("F9: a full database refuses with STORAGE_UNAVAILABLE, keeps reading, and takes writes again when there is room", async () => {
  const db = open();
  await insert(db, "a");
  db.sql("PRAGMA max_page_count = 4").get();
  const error = await db
    .write(() => db.sql("INSERT INTO thing VALUES (hex(randomblob(100000)))").run())
    .catch((error: unknown) => error);
  expect(reasonOf(error)).toBe(ErrorReason.STORAGE_UNAVAILABLE);
  expect(names(db)).toEqual(["a"]);
  db.sql("PRAGMA max_page_count = 100000").get();
  await insert(db, "b");
  expect(names(db)).toEqual(["a", "b"]);
  db.close();
});

test("a closed database refuses with STORAGE_UNAVAILABLE instead of losing what is handed to it", async () => {
  const db = open();
  const last = insert(db, "a");
  db.close();
  await last;
  expect(reasonOf(await insert(db, "b").catch((error: unknown) => error))).toBe(
    ErrorReason.STORAGE_UNAVAILABLE,
  );
  const again = open();
  expect(names(again)).toEqual(["a"]);
  again.close();
});

test("T5: writes beyond what may wait are refused before they are begun", async () => {
  const db = new Sqlite({
    path: join(folder, "t.db"),
    migrations: join(folder, "migrations"),
    log: silentLog,
    maxPending: 2,
  });
  const results = await Promise.allSettled(["a", "b", "c", "d"].map((name) => insert(db, name)));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  expect(reasonOf((results[2] as PromiseRejectedResult).reason)).toBe(ErrorReason.OVERLOADED);
  expect(names(db)).toEqual(["a", "b"]);
  await insert(db, "e");
  expect(names(db)).toEqual(["a", "b", "e"]);
  db.close();
});
