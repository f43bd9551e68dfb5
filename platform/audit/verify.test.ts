import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { createAttackedLogs } from "./testing/attacked-logs.ts";
import { type AuditedFolder, auditEntry, createAuditedFolder } from "./testing/audited-folder.ts";
import { Random } from "./testing/random.ts";
import { tamperings } from "./testing/tampering.ts";
import { problemLine, verifyAuditLogs } from "./verify.ts";

const SEED = 20_261_120;
const TAMPERINGS = 10_000;

test("S4: of 10,000 random tamperings every one is found, and the untouched log always verifies", {
  timeout: 300_000, // some 30 s where nothing else runs
}, async () => {
  await using folder = createAuditedFolder();
  const attacked = await createAttackedLogs(folder);
  const random = new Random(SEED);
  const kinds = Object.keys(tamperings);
  const found = new Map(kinds.map((kind) => [kind, 0]));
  const missed: string[] = [];
  expect((await folder.verify()).problems).toEqual([]);
  for (let number = 0; number < TAMPERINGS; number++) {
    const kind = kinds[number % kinds.length]!;
    let tries = 0;
    while (!attacked.tamper(tamperings[kind]!, random)) {
      if (++tries === 100) throw new Error(`${kind} changes nothing`);
    }
    const { problemCount } = await folder.verify();
    if (problemCount > 0) found.set(kind, found.get(kind)! + 1);
    else missed.push(`${number}: ${kind}`);
    attacked.restore();
    if (number % 500 === 0) expect((await folder.verify()).problems).toEqual([]);
  }
  attacked.close();
  expect(missed).toEqual([]);
  expect(Math.min(...found.values())).toBeGreaterThanOrEqual(Math.floor(TAMPERINGS / kinds.length));
  expect((await folder.verify()).problems).toEqual([]);
});

describe("a report says what is wrong where", () => {
  /** Three records of one tenant and one of another, with one checkpoint. */
  async function createLog(): Promise<AuditedFolder> {
    const folder = createAuditedFolder();
    const { append } = folder.open("session");
    await append(auditEntry("acme"), auditEntry("acme"), auditEntry("acme"), auditEntry("other"));
    folder.startCheckpoints();
    await folder.close();
    return folder;
  }
  async function linesAfter(folder: AuditedFolder): Promise<string[]> {
    return (await folder.verify()).problems.map(problemLine);
  }

  test.each<[string, string, string[]]>([
    [
      "an edit",
      "UPDATE audit_record SET action = 'x' WHERE tenant_id = 'acme' AND sequence = 2",
      ["session, tenant acme, record 2: it is not what was written after the record before it"],
    ],
    [
      "a deletion",
      "DELETE FROM audit_record WHERE tenant_id = 'acme' AND sequence = 2",
      ["session, tenant acme, record 3: the record 2 before it is missing"],
    ],
    [
      "a cut",
      "DELETE FROM audit_record WHERE tenant_id = 'acme' AND sequence > 1",
      [
        "session, tenant acme, record 1: the records after it, up to 3, are missing",
        "session, tenant acme, record 3, checkpoint 1: it is missing, and it was there at 2026-11-20T10:00:00.000Z",
      ],
    ],
    [
      "a chain taken out",
      "DELETE FROM audit_record WHERE tenant_id = 'other'; DELETE FROM audit_head WHERE tenant_id = 'other'",
      [
        "session, tenant other: the whole chain is missing",
        "session, tenant other, record 1, checkpoint 1: it is missing, and it was there at 2026-11-20T10:00:00.000Z",
      ],
    ],
    [
      "a head taken out",
      "DELETE FROM audit_head WHERE tenant_id = 'other'",
      [expect.stringContaining("other, record 1: the head")],
    ],
    [
      "forgotten checkpoints",
      "DELETE FROM audit_checkpoint",
      ["session, the list of its chains: what was remembered of the checkpoints is missing"],
    ],
    [
      "a guard taken away",
      "DROP TRIGGER IF EXISTS audit_record_is_never_changed; CREATE TRIGGER audit_record_is_never_changed BEFORE UPDATE ON audit_record BEGIN SELECT 1; END",
      [
        "session, the list of its chains: audit_record_is_never_changed, which keeps records as they are, is not as it was made",
      ],
    ],
    [
      "a trigger put in",
      "CREATE TRIGGER quiet AFTER INSERT ON audit_record BEGIN SELECT 1; END",
      ["session, the list of its chains: quiet, which keeps records as they are, is not as it was made"],
    ],
  ])("%s", async (_, sql, problems) => {
    await using folder = await createLog();
    expect(await linesAfter(folder)).toEqual([]);
    tamperWith(folder, sql);
    expect(await linesAfter(folder)).toEqual(problems);
  });

  test("a database that is gone is missed by the checkpoints", async () => {
    await using folder = await createLog();
    rmSync(join(folder.dataDir, "session.db"));
    expect(await linesAfter(folder)).toContainEqual(
      expect.stringContaining("tenant acme, record 3, checkpoint 1"),
    );
  });

  test("many findings are counted, and a thousand of them listed", async () => {
    await using folder = createAuditedFolder();
    await folder.open("session").append(...Array.from({ length: 1_200 }, () => auditEntry("acme")));
    await folder.close();
    tamperWith(folder, "UPDATE audit_record SET action = 'x'");
    const { problems, problemCount } = await folder.verify();
    expect(problems).toHaveLength(1_000);
    expect(problemCount).toBe(1_201); // with the record of the chain of chains
  });
});

test("what a killed server leaves behind verifies", async () => {
  await using folder = createAuditedFolder();
  const { append } = folder.open("session");
  const checkpoints = folder.startCheckpoints();
  await append(auditEntry("acme"));
  await checkpoints.write();
  await append(auditEntry("acme"));
  // Copied while it is open, the database has its write-ahead log beside it, as after a kill -9.
  const copy = join(folder.dataDir, "copy");
  for (const name of ["session.db", "session.db-wal"]) cpSync(join(folder.dataDir, name), join(copy, name));
  cpSync(join(folder.dataDir, "audit"), join(copy, "audit"), { recursive: true });
  const { auditKey, signingKey } = folder;
  const report = await verifyAuditLogs({ dataDir: copy, auditKey, publicJwks: signingKey.publicJwks });
  expect(report).toMatchObject({ records: 4, chains: 2, problems: [] });
});

test("a data folder from before there was an audit log has nothing to verify", async () => {
  await using folder = createAuditedFolder();
  new DatabaseSync(join(folder.dataDir, "session.db")).exec("CREATE TABLE migration (number INTEGER)");
  expect(await folder.verify()).toMatchObject({ services: [], records: 0, checkpoints: 0, problems: [] });
});

test("with another audit key nothing passes for what was written", async () => {
  await using folder = createAuditedFolder();
  await folder.open("session").append(auditEntry("acme"));
  await folder.close();
  const { dataDir, signingKey } = folder;
  const auditKey = new Uint8Array(32).fill(8);
  const report = await verifyAuditLogs({ dataDir, auditKey, publicJwks: signingKey.publicJwks });
  expect(report.problemCount).toBeGreaterThan(0);
});

/** Changes the session service's database as nothing in HIL could. */
function tamperWith(folder: AuditedFolder, sql: string): void {
  const db = new DatabaseSync(join(folder.dataDir, "session.db"));
  const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.exec(sql);
  const left = new Set(
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
      .all()
      .map(({ name }) => name),
  );
  for (const trigger of triggers) if (!left.has(trigger.name)) db.exec(String(trigger.sql));
  db.close();
}
