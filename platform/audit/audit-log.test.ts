import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuditFilterSchema } from "@hil/gen/hil/access/v1/audit_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import { silentLog } from "../telemetry/log.ts";
import { SqliteAuditLog } from "./audit-log-sqlite.ts";
import { listAuditRecords, MOST_SCANNED } from "./list-audit-records.ts";
import { AUDITED_SERVICES } from "./seal.ts";
import { auditEntry, auditTime, createAuditedFolder } from "./testing/audited-folder.ts";

test("A1, I11: a record is kept with its change and lost with it", async () => {
  await using folder = createAuditedFolder();
  const { db, log } = folder.open("session");
  const refused = db.write(() => {
    log.append(auditEntry("t1", { resource: "session/refused" }));
    throw new Error("refused");
  });
  // All three are in one group, so the first and the last are rolled back with the one between, and run again (T3).
  const first = db.write(() => log.append(auditEntry("t1", { resource: "session/first" })));
  await expect(refused).rejects.toThrow("refused");
  await first;
  await db.write(() => log.append(auditEntry("t1", { resource: "session/second" })));
  expect((await log.list("t1", {}, 10)).map(({ sequence, resource }) => [sequence, resource])).toEqual([
    [2, "session/second"],
    [1, "session/first"],
  ]);
  expect((await folder.verify()).problems).toEqual([]);
});

test("A1: a record without a write, or without a tenant, is refused", async () => {
  await using folder = createAuditedFolder();
  const { log, append } = folder.open("session");
  expect(() => log.append(auditEntry("t1"))).toThrow("inside the write");
  await expect(append(auditEntry(""))).rejects.toThrow("names its tenant");
  expect((await folder.verify()).records).toBe(0);
});

test("A2: records can be neither changed nor deleted through the service's own connection", async () => {
  await using folder = createAuditedFolder();
  const { db, append } = folder.open("session");
  await append(auditEntry("t1"));
  for (const sql of [
    "UPDATE audit_record SET action = 'x'",
    "DELETE FROM audit_record",
    "DELETE FROM audit_head",
  ]) {
    await expect(db.write(() => db.sql(sql).run())).rejects.toThrow("never");
  }
});

test("A2, I11: whatever is appended, in whatever groups, to whatever tenants, verifies, over restarts too", async () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\ud800", "\ufeff", "a\0b", "\ufffd"));
  const entry = fc.record({
    tenantId: fc.constantFrom("t1", "t2", "_default", "\ud800x"),
    principalId: text,
    action: text,
    resource: text,
    before: fc.option(fc.object(), { nil: undefined }),
    after: fc.option(fc.object(), { nil: undefined }),
    time: fc.date({ noInvalidDate: true }),
    fails: fc.boolean(),
  });
  const groups = fc.array(fc.array(entry, { maxLength: 5 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(groups, { minLength: 1, maxLength: 3 }), async (runs) => {
      await using folder = createAuditedFolder();
      let kept = 0;
      for (const run of runs) {
        const { db, log } = folder.open("session");
        const checkpoints = folder.startCheckpoints();
        for (const group of run) {
          await Promise.allSettled(
            group.map((each) =>
              db.write(() => {
                log.append(each);
                if (each.fails) throw new Error("refused");
              }),
            ),
          );
          kept += group.filter((each) => !each.fails).length;
          await checkpoints.write();
          expect((await folder.verify()).problems).toEqual([]); // while it runs
        }
        await folder.close();
      }
      const report = await folder.verify();
      expect(report.problems).toEqual([]);
      // Besides those of tenants, the chain of chains: one for the service, one for each tenant.
      expect(report.records).toBe(kept + report.chains);
    }),
    { numRuns: 40 },
  );
});

test("A3: a log that was changed from outside goes on, is said to be changed, and never verifies again", async () => {
  await using folder = createAuditedFolder();
  await folder.open("session").append(auditEntry("t1"), auditEntry("t1"), auditEntry("t1"));
  await folder.close();
  tamper(
    folder.dataDir,
    "DELETE FROM audit_record WHERE sequence = 3; UPDATE audit_head SET count = 2, seal = (SELECT seal FROM audit_record WHERE tenant_id = 't1' AND sequence = 2) WHERE tenant_id = 't1'",
  );
  const { db } = folder.open("session");
  const said: object[] = [];
  const log = new SqliteAuditLog({
    db,
    service: "session",
    key: folder.auditKey,
    log: { ...silentLog, error: (fields: object) => void said.push(fields) },
  });
  await db.write(() => log.append(auditEntry("t1", { resource: "session/after" })));
  expect(said).toMatchObject([{ tenant_id: "t1", service: "session" }]);
  expect(await log.list("t1", { resource: "session/after" }, 1)).toHaveLength(1);
  expect((await folder.verify()).problems).toMatchObject([{ tenantId: "t1", sequence: 3 }]);
});

test("the four services have the same audit tables", () => {
  const services = join(import.meta.dirname, "..", "..", "services");
  const tables = readFileSync(join(import.meta.dirname, "audit-tables.sql"), "utf8");
  for (const service of AUDITED_SERVICES) {
    const folder = join(services, service, "migrations");
    const name = readdirSync(folder).find((each) => each.endsWith("_audit.sql"))!;
    expect(readFileSync(join(folder, name), "utf8"), service).toBe(tables);
  }
});

test("a list has one tenant's records that fit the filter, newest first, page by page", async () => {
  await using folder = createAuditedFolder();
  const { log, append } = folder.open("access");
  for (let minute = 0; minute < 12; minute++) {
    await append(
      auditEntry("t1", {
        action: minute % 2 ? "api_key.revoked" : "member.updated",
        principalId: minute % 3 ? "owner" : "m1",
        resource: `thing/${minute}`,
        time: new Date(auditTime.getTime() + minute * 60_000),
      }),
    );
  }
  await append(auditEntry("t2"));
  const at = (minute: number) => timestampFromDate(new Date(auditTime.getTime() + minute * 60_000));
  const listed = async (filter: Parameters<typeof create<typeof AuditFilterSchema>>[1], pageSize = 3) => {
    const found: string[] = [];
    for (let pageToken = "", pages = 0; pages < 20; pages++) {
      const page = await listAuditRecords(log, "t1", {
        filter: create(AuditFilterSchema, filter),
        pageSize,
        pageToken,
      });
      expect(page.records.length).toBeLessThanOrEqual(pageSize || 50);
      found.push(...page.records.map((record) => record.resource.replace("thing/", "")));
      pageToken = page.nextPageToken;
      if (pageToken === "") return found.join(" ");
    }
    throw new Error("the list has no end");
  };
  expect(await listed({})).toBe("11 10 9 8 7 6 5 4 3 2 1 0");
  expect(await listed({}, 12)).toBe("11 10 9 8 7 6 5 4 3 2 1 0");
  expect(await listed({}, 0)).toBe("11 10 9 8 7 6 5 4 3 2 1 0");
  expect(await listed({ action: "api_key." })).toBe("11 9 7 5 3 1");
  expect(await listed({ action: "api_key" })).toBe("");
  expect(await listed({ action: "member.updated", principalId: "m1" })).toBe("6 0");
  expect(await listed({ resource: "thing/4" })).toBe("4");
  expect(await listed({ since: at(3), until: at(6) })).toBe("5 4 3");
  const { records } = await listAuditRecords(log, "t1", { pageSize: 1, pageToken: "" });
  expect(records[0]).toMatchObject({
    sequence: 12n,
    tenantId: "t1",
    service: "access",
    principalId: "owner",
    action: "api_key.revoked",
    before: '{"state":"OPEN","version":1}',
    after: '{"state":"ANSWERED","version":2}',
    time: at(11),
  });
  expect(records[0]!.seal).toHaveLength(32);
  expect(await listAuditRecords(log, "t3", { pageSize: 1, pageToken: "" })).toEqual({
    records: [],
    nextPageToken: "",
  });
});

test.each(["0", "-1", "x", "1e3", "9".repeat(16), "1 OR 1"])(
  "page token %j is refused",
  async (pageToken) => {
    await using folder = createAuditedFolder();
    const { log } = folder.open("access");
    try {
      await listAuditRecords(log, "t1", { pageSize: 1, pageToken });
      expect.unreachable();
    } catch (error) {
      expect(reasonOf(error)).toBe(ErrorReason.PAGE_TOKEN_INVALID);
    }
  },
);

test("a filter that fits few records looks at a bounded number of them for one page", async () => {
  await using folder = createAuditedFolder();
  const { log, append } = folder.open("access");
  await append(auditEntry("t1", { resource: "wanted" }));
  await append(...Array.from({ length: MOST_SCANNED }, () => auditEntry("t1")));
  const filter = create(AuditFilterSchema, { resource: "wanted" });
  const first = await listAuditRecords(log, "t1", { filter, pageSize: 5, pageToken: "" });
  expect(first).toMatchObject({ records: [], nextPageToken: "2" });
  const second = await listAuditRecords(log, "t1", { filter, pageSize: 5, pageToken: first.nextPageToken });
  expect(second.records).toHaveLength(1);
  expect(second.nextPageToken).toBe("");
});

function tamper(dataDir: string, sql: string): void {
  const db = new DatabaseSync(join(dataDir, "session.db"));
  const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.exec(sql);
  for (const trigger of triggers) db.exec(String(trigger.sql));
  db.close();
}
