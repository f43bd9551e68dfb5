import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import { silentLog } from "../telemetry/log.ts";
import { ALL_TENANTS, isUniqueViolation, Postgres } from "./postgres.ts";

let server: PostgresServer;
let folder: string;
let migrations: string;
let url: string;
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-postgres-test-"));
  migrations = join(folder, "migrations");
  mkdirSync(migrations);
  writeFileSync(
    join(migrations, "0001_things.sql"),
    `CREATE TABLE thing (tenant_id text NOT NULL, id text NOT NULL, PRIMARY KEY (tenant_id, id));
     ALTER TABLE thing ENABLE ROW LEVEL SECURITY;
     ALTER TABLE thing FORCE ROW LEVEL SECURITY;
     CREATE POLICY tenant ON thing USING (tenant_id = current_setting('hil.tenant') OR current_setting('hil.tenant') = '*');`,
  );
  url = await server.createDatabase(`db${++databases}`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () => Postgres.open({ url, schema: "things", migrations, log: silentLog });
const ids = (db: Postgres, tenantId: string) =>
  db
    .query<{ id: string }>(tenantId, "SELECT id FROM thing ORDER BY id")
    .then((rows) => rows.map(({ id }) => id));
const put = (db: Postgres, tenantId: string, id: string, owner = tenantId) =>
  db.query(tenantId, "INSERT INTO thing VALUES ($1, $2)", [owner, id]);

test("P2: a transaction sees and writes its own tenant's rows, whatever its statements say", async () => {
  const db = await open();
  await put(db, "t1", "a");
  await put(db, "t2", "b");
  expect(await ids(db, "t1")).toEqual(["a"]);
  expect(await ids(db, ALL_TENANTS)).toEqual(["a", "b"]);
  await expect(put(db, "t1", "c", "t2")).rejects.toThrow(/row-level security/);
  expect(await db.query("t1", "DELETE FROM thing RETURNING id")).toEqual([{ id: "a" }]);
  expect(await ids(db, "t2")).toEqual(["b"]);
  await db.close();
});

test("P2: a tenant's name is a name, whatever stands in it", async () => {
  const db = await open();
  const name = "t1', true); DROP TABLE thing; SELECT set_config('hil.tenant', '*";
  await put(db, name, "a");
  expect(await ids(db, name)).toEqual(["a"]);
  expect(await ids(db, "t1")).toEqual([]);
  await db.close();
});

test("P5: a NUL that somebody sent is kept as another character, alone and among others", async () => {
  const db = await open();
  await put(db, "t1", "a\0b");
  expect(await ids(db, "t1")).toEqual(["a\uFFFDb"]);
  expect(await db.query("t1", "SELECT id FROM thing WHERE id = ANY($1)", [["x", "a\0b"]])).toHaveLength(1);
  await db.close();
});

test("who listens to a transaction hears of it once it is on disk, and not where it failed", async () => {
  const db = await open();
  const heard: string[] = [];
  const write = (id: string) =>
    db.transaction("t1", async (transaction) => {
      transaction.onCommit(() => heard.push(id));
      await transaction.query("INSERT INTO thing VALUES ('t1', $1)", [id]);
    });
  await write("a");
  await expect(write("a")).rejects.toThrow();
  await write("b");
  expect(heard).toEqual(["a", "b"]);
  await db.close();
});

test("migrations run once, whoever starts first, and a newer database is refused", async () => {
  const [one, two] = await Promise.all([open(), open()]);
  writeFileSync(join(migrations, "0002_more.sql"), "ALTER TABLE thing ADD COLUMN more text;");
  const three = await open();
  expect(await three.query(ALL_TENANTS, "SELECT more FROM thing")).toEqual([]);
  for (const db of [one, two, three]) await db.close();
  rmSync(join(migrations, "0002_more.sql"));
  await expect(open()).rejects.toThrow(/newer HIL \(migration 2, this one knows 1\)/);
});

test("P3: transactions that lock each other out all succeed", async () => {
  const db = await open();
  await put(db, "t1", "a");
  await put(db, "t1", "b");
  const lock = (first: string, second: string) =>
    db.transaction("t1", async (transaction) => {
      await transaction.query("SELECT 1 FROM thing WHERE id = $1 FOR UPDATE", [first]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await transaction.query("SELECT 1 FROM thing WHERE id = $1 FOR UPDATE", [second]);
      return first;
    });
  expect(await Promise.all([lock("a", "b"), lock("b", "a")])).toEqual(["a", "b"]);
  await db.close();
});

test("a breach of a rule says which, and nothing of its transaction is kept", async () => {
  const db = await open();
  await put(db, "t1", "a");
  const failed = db.transaction("t1", async (transaction) => {
    await transaction.query("INSERT INTO thing VALUES ('t1', 'b')");
    await transaction.query("INSERT INTO thing VALUES ('t1', 'a')");
  });
  const error = await failed.catch((each: unknown) => each);
  expect(isUniqueViolation(error, "thing_pkey")).toBe(true);
  expect(isUniqueViolation(error, "another")).toBe(false);
  expect(await ids(db, "t1")).toEqual(["a"]);
  await db.close();
});

test("P6: statements that go out together run one after the other, and where one fails nothing of them is kept", async () => {
  const db = await open();
  const write = (...each: string[]) =>
    db.transaction("t1", ({ query }) =>
      Promise.all(each.map((id) => query("INSERT INTO thing VALUES ('t1', $1)", [id]))),
    );
  await write("a", "b");
  const error = await write("c", "a", "d").catch((each: unknown) => each);
  expect(isUniqueViolation(error, "thing_pkey")).toBe(true);
  expect(await ids(db, "t1")).toEqual(["a", "b"]);
  await db.close();
});

test("P1: a transaction that goes on after a statement of it failed is no success", async () => {
  const db = await open();
  await put(db, "t1", "a");
  const swallowed = db.transaction("t1", async ({ query }) => {
    await query("INSERT INTO thing VALUES ('t1', 'b')");
    await query("INSERT INTO thing VALUES ('t1', 'a')").catch(() => {});
  });
  await expect(swallowed).rejects.toThrow(/a statement of the transaction had failed/);
  expect(await ids(db, "t1")).toEqual(["a"]);
  await db.close();
});

test("P6: a statement that comes after the end of its transaction is not sent into somebody else's", async () => {
  const db = await Postgres.open({ url, schema: "things", migrations, log: silentLog, connections: 1 });
  let late: Promise<unknown> | undefined;
  const failed = db.transaction("t1", async ({ query }) => {
    const slow = query("SELECT pg_sleep(0.05)");
    late = slow.then(() => query("INSERT INTO thing VALUES ('t1', 'late')"));
    late.catch(() => {}); // looked at below
    throw new Error("the work failed");
  });
  await expect(failed).rejects.toThrow("the work failed");
  await put(db, "t1", "a");
  await expect(late).rejects.toThrow(/the transaction has ended/);
  expect(await ids(db, "t1")).toEqual(["a"]);
  await db.close();
});

test("F12: while the server is away calls fail as STORAGE_UNAVAILABLE, and go on once it is back", async () => {
  const db = await open();
  await put(db, "t1", "a");
  await server.kill("SIGQUIT");
  const error = await ids(db, "t1").catch((each: unknown) => each);
  expect(reasonOf(error)).toBe(ErrorReason.STORAGE_UNAVAILABLE);
  expect(await db.isUsable()).toBe(false);
  await server.restart();
  await vi.waitUntil(() => db.isUsable(), { timeout: 10_000 });
  expect(await ids(db, "t1")).toEqual(["a"]);
  await db.close();
});

test("P3: a connection that breaks between two statements costs its transaction, and not the process", async () => {
  const db = await open();
  const administrator = new pg.Client({ connectionString: url });
  await administrator.connect();
  const broken = db.transaction("t1", async (transaction) => {
    const [row] = await transaction.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await administrator.query("SELECT pg_terminate_backend($1, 5000)", [row!.pid]);
    await new Promise((resolve) => setTimeout(resolve, 50)); // until our end has heard of it
  });
  expect(reasonOf(await broken.catch((error: unknown) => error))).toBe(ErrorReason.STORAGE_UNAVAILABLE);
  await put(db, "t1", "a");
  expect(await ids(db, "t1")).toEqual(["a"]);
  await administrator.end();
  await db.close();
});

test("transactions beyond what may wait are refused before they are begun", async () => {
  const db = await Postgres.open({ url, schema: "things", migrations, log: silentLog, maxPending: 2 });
  const results = await Promise.allSettled(["a", "b", "c"].map((id) => put(db, "t1", id)));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(reasonOf((results[2] as PromiseRejectedResult).reason)).toBe(ErrorReason.OVERLOADED);
  expect((await ids(db, "t1")).sort()).toEqual(["a", "b"]);
  await put(db, "t1", "d");
  await db.close();
});
