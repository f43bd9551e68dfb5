import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openSigningKey, type SigningKey } from "../signing/signing-key.ts";
import { ALL_TENANTS, Postgres } from "../storage/postgres.ts";
import { silentLog } from "../telemetry/log.ts";
import { PostgresAuditDatabase } from "./audit-database-postgres.ts";
import type { AuditEntry } from "./audit-log.ts";
import { PostgresAuditLog } from "./audit-log-postgres.ts";
import { startCheckpoints } from "./checkpoints.ts";
import { POSTGRES_SCHEMA } from "./postgres-schema.ts";
import { CHAINS } from "./seal.ts";
import { auditEntry, auditTime } from "./testing/audited-folder.ts";
import { problemLine, verifyAuditLogs } from "./verify.ts";

const auditKey = new Uint8Array(32).fill(7);
let server: PostgresServer;
let root: string;
let url: string;
let databases = 0;
let signingKey: SigningKey;
const opened: Postgres[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "hil-audit-postgres-"));
  mkdirSync(join(root, "migrations"));
  copyFileSync(join(import.meta.dirname, "postgres-audit.sql"), join(root, "migrations", "0001_audit.sql"));
  signingKey = openSigningKey({ dataDir: root });
  url = await server.createDatabase(`audit${++databases}`);
});
afterEach(async () => {
  for (const db of opened.splice(0)) await db.close();
  rmSync(root, { recursive: true, force: true });
});

/** The log of a service as one replica has it. */
async function open(service: "session" | "access" = "session") {
  const db = await Postgres.open({
    url,
    schema: service,
    migrations: join(root, "migrations"),
    log: silentLog,
  });
  opened.push(db);
  const said: object[] = [];
  const log = new PostgresAuditLog({
    db,
    service,
    key: auditKey,
    log: { ...silentLog, error: (fields: object) => void said.push(fields) },
  });
  return {
    log,
    said,
    append: (tenantId: string, ...entries: AuditEntry[]) =>
      db.transaction(tenantId, (transaction) => log.append(transaction, entries)),
    db,
  };
}

const checkpointsOf = (...logs: PostgresAuditLog[]) =>
  startCheckpoints({ logs, signingKey, dataDir: root, now: () => auditTime, log: silentLog });
const verify = () =>
  verifyAuditLogs({ dataDir: root, database: url, auditKey, publicJwks: signingKey.publicJwks });
const problems = async () => (await verify()).problems.map(problemLine);
/** As somebody who owns the database and knows how to get round its rules. */
const tamper = async (sql: string) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`SET search_path = session; SET session_replication_role = replica; ${sql}`);
  await client.end();
};

test("A2, I11: what replicas append at once to one chain and to others stands in one order, and verifies", async () => {
  const replicas = await Promise.all([open(), open(), open()]);
  await Promise.all(
    Array.from({ length: 120 }, (_, n) => {
      const tenantId = n % 3 === 0 ? "t2" : "t1";
      const entries = Array.from({ length: 1 + (n % 3) }, () =>
        auditEntry(tenantId, { resource: `thing/${n}`, principalId: "robot:张\0\ud800" }),
      );
      return replicas[n % replicas.length]!.append(tenantId, ...entries);
    }),
  );
  await replicas[0]!.append(ALL_TENANTS, auditEntry("t3"), auditEntry("t1"), auditEntry("t4"));
  expect(await verify()).toMatchObject({ chains: 5, records: 240 + 3 + 4, problems: [] });
  const rows = await replicas[1]!.log.list("t1", {}, 1_000);
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => rows.length - index));
  expect(await replicas[2]!.log.newest("t1")).toBe(rows.length);
  expect(rows[5]!.principal_id).toBe("robot:张\uFFFD\uFFFD");
  expect((await replicas[0]!.log.list(CHAINS, {}, 10)).map(({ resource }) => resource).toSorted()).toEqual([
    "tenant/t1",
    "tenant/t2",
    "tenant/t3",
    "tenant/t4",
  ]);
});

test("A1: a record is kept with its change or not at all, and the next follows the last that was kept", async () => {
  const { db, log, append } = await open();
  await append("t1", auditEntry("t1"));
  const failed = db.transaction("t1", async (transaction) => {
    await log.append(transaction, [auditEntry("t1"), auditEntry("t1")]);
    throw new Error("not this time");
  });
  await expect(failed).rejects.toThrow("not this time");
  await append("t1", auditEntry("t1"));
  expect(log.appended).toBe(3); // two of t1, and that its chain began
  expect(await verify()).toMatchObject({ records: 3, problems: [] });
});

test("I6: a tenant's transaction appends to no other tenant's chain and lists none of its records", async () => {
  const { db, log, append } = await open();
  await append("t1", auditEntry("t1"));
  await expect(append("t2", auditEntry("t1"))).rejects.toThrow(/row-level security/);
  await expect(append("t1", auditEntry(CHAINS))).rejects.toThrow("names its tenant");
  expect(await db.query("t2", "SELECT * FROM audit_record")).toEqual([]);
  expect(await log.list("t2", {}, 10)).toEqual([]);
});

test("a list has the records that fit the filter, newest first", async () => {
  const { log, append } = await open();
  for (const [n, action] of ["session.created", "session.answered", "member.linked"].entries()) {
    const time = new Date(auditTime.getTime() + n * 1_000);
    await append("t1", auditEntry("t1", { action, resource: `thing/${n}`, principalId: `p${n}`, time }));
  }
  const found = async (...args: Parameters<typeof log.list> extends [string, ...infer Rest] ? Rest : never) =>
    (await log.list("t1", ...args)).map(({ resource }) => resource);
  expect(await found({}, 2)).toEqual(["thing/2", "thing/1"]);
  expect(await found({ action: "session." }, 10)).toEqual(["thing/1", "thing/0"]);
  expect(await found({ action: "session.created" }, 10)).toEqual(["thing/0"]);
  expect(await found({ action: "session%" }, 10)).toEqual([]);
  expect(await found({ principalId: "p1" }, 10)).toEqual(["thing/1"]);
  expect(await found({ resource: "thing/2" }, 10)).toEqual(["thing/2"]);
  expect(
    await found({ sinceMs: auditTime.getTime() + 1_000, untilMs: auditTime.getTime() + 2_000 }, 10),
  ).toEqual(["thing/1"]);
  expect(await found({}, 10, 3, 2)).toEqual(["thing/1"]);
});

test("C5: replicas and services write their checkpoints to one file without a gap", async () => {
  const replicas = await Promise.all([open(), open(), open("access")]);
  const writers = replicas.map(({ log }) => checkpointsOf(log));
  for (let round = 0; round < 5; round++) {
    await Promise.all(replicas.map(({ append }, n) => append(`t${n}`, auditEntry(`t${n}`))));
    await Promise.all(writers.map((each) => each.write()));
  }
  await Promise.all(writers.map((each) => each.close()));
  const report = await verify();
  expect(report.problems).toEqual([]);
  expect(report.checkpoints).toBeGreaterThanOrEqual(5);
  const lines = readFileSync(join(root, "audit", "checkpoints.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines).toHaveLength(report.checkpoints);
});

test("A3: a chain that was changed from outside goes on, is said to be changed, and never verifies again", async () => {
  const before = await open();
  await before.append("t1", auditEntry("t1"), auditEntry("t1"), auditEntry("t1"));
  await tamper("DELETE FROM audit_record WHERE tenant_id = 't1' AND sequence = 3");
  const { append, said, log } = await open();
  await append("t1", auditEntry("t1", { resource: "session/after" }));
  expect(said).toMatchObject([{ tenant_id: "t1", service: "session" }]);
  expect(await log.list("t1", { resource: "session/after" }, 1)).toHaveLength(1);
  expect(await problems()).toEqual(["session, tenant t1, record 4: the record 3 before it is missing"]);
});

test.each<[string, string, (string | RegExp)[]]>([
  [
    "an edit",
    "UPDATE audit_record SET action = 'x' WHERE tenant_id = 'acme' AND sequence = 2",
    ["session, tenant acme, record 2: it is not what was written after the record before it"],
  ],
  [
    "a cut with its head",
    `DELETE FROM audit_record WHERE tenant_id = 'acme' AND sequence > 1;
     UPDATE audit_head SET count = 1 WHERE tenant_id = 'acme'`,
    [
      "session, tenant acme, record 1: the head of the chain was changed",
      /^session, tenant acme, record 3, checkpoint \d+: it is missing/,
    ],
  ],
  [
    "a chain taken out",
    "DELETE FROM audit_record WHERE tenant_id = 'other'; DELETE FROM audit_head WHERE tenant_id = 'other'",
    [
      "session, tenant other: the whole chain is missing",
      /^session, tenant other, record 1, checkpoint \d+: it is missing/,
    ],
  ],
  [
    "a forgotten checkpoint",
    "DELETE FROM audit_checkpoint",
    ["session, the list of its chains: what was remembered of the checkpoints is missing"],
  ],
  [
    "a rule switched off",
    "ALTER TABLE audit_record DISABLE TRIGGER audit_record_is_never_changed",
    [/^session, the list of its chains: trigger audit_record_is_never_changed, which keeps records/],
  ],
  [
    "a rule that does nothing",
    "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    [/^session, the list of its chains: function refuse_audit_change/],
  ],
  [
    "a wall taken down",
    "ALTER TABLE audit_record NO FORCE ROW LEVEL SECURITY",
    [/^session, the list of its chains: table audit_record/],
  ],
])("I11: %s is found", async (_, sql, expected) => {
  const { log, append } = await open();
  await append("acme", auditEntry("acme"), auditEntry("acme"), auditEntry("acme"));
  await append("other", auditEntry("other"));
  await checkpointsOf(log).close();
  expect(await problems()).toEqual([]);
  await tamper(sql);
  expect(await problems()).toEqual(
    expected.map((each) => (typeof each === "string" ? each : expect.stringMatching(each))),
  );
});

test("records and heads can be neither changed nor deleted by the service itself", async () => {
  const { db, append } = await open();
  await append("t1", auditEntry("t1"));
  for (const sql of [
    "UPDATE audit_record SET action = 'x'",
    "DELETE FROM audit_record",
    "DELETE FROM audit_head",
    "TRUNCATE audit_record",
  ]) {
    await expect(db.query("t1", sql)).rejects.toThrow(
      /never changed or deleted|permission denied|must be owner/,
    );
  }
  expect((await verify()).problems).toEqual([]);
});

test("the services have the same audit tables in PostgreSQL", () => {
  const services = join(import.meta.dirname, "..", "..", "services");
  const tables = readFileSync(join(import.meta.dirname, "postgres-audit.sql"), "utf8");
  const folders = ["access", "session", "delivery", "callback"]
    .map((service) => join(services, service, "migrations-postgres"))
    .filter((folder) => existsSync(folder));
  expect(folders.length).toBeGreaterThan(0);
  for (const folder of folders) {
    const migrations = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    expect(
      migrations.some((text) => text.includes(tables.trim())),
      folder,
    ).toBe(true);
  }
});

test("the tables are described as postgres-audit.sql makes them", async () => {
  await open();
  const database = await PostgresAuditDatabase.open(url, "session");
  expect(Object.fromEntries(await database!.describe())).toEqual(POSTGRES_SCHEMA);
  await database!.close();
});
