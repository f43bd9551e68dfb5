import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { compactVerify, createLocalJWKSet } from "jose";
import { expect, test, vi } from "vitest";
import { silentLog } from "../telemetry/log.ts";
import { type Checkpoint, lineDigest } from "./checkpoint.ts";
import { CHECKPOINT_RECORDS } from "./checkpoints.ts";
import { type AuditedFolder, auditEntry, createAuditedFolder } from "./testing/audited-folder.ts";
import { problemLine, verifyAuditLogs } from "./verify.ts";

const linesOf = ({ checkpointsPath }: AuditedFolder) =>
  existsSync(checkpointsPath) ? readFileSync(checkpointsPath, "utf8").trimEnd().split("\n") : [];

async function statementsOf(folder: AuditedFolder): Promise<Checkpoint[]> {
  const keys = createLocalJWKSet(JSON.parse(JSON.stringify(folder.signingKey.publicJwks)));
  const verified = linesOf(folder).map((line) => compactVerify(JSON.parse(line).jws, keys));
  return (await Promise.all(verified)).map(({ payload }) => JSON.parse(Buffer.from(payload).toString()));
}

/** Appends records, states them and closes, as one run of the server. */
async function run(folder: AuditedFolder, ...tenantIds: string[]): Promise<void> {
  const { append } = folder.open("session");
  const checkpoints = folder.startCheckpoints();
  await checkpoints.write();
  for (const tenantId of tenantIds) await append(auditEntry(tenantId, { resource: `session/${entries++}` }));
  await folder.close();
}
let entries = 0;

const problemsOf = async (folder: AuditedFolder) => (await folder.verify()).problems.map(problemLine);

test("C1, C2: a checkpoint states how each chain that grew ends, and names the one before; jose verifies it", async () => {
  await using folder = createAuditedFolder();
  const { append, log } = folder.open("session");
  const checkpoints = folder.startCheckpoints();
  await checkpoints.write();
  await append(auditEntry("t1"), auditEntry("t1"), auditEntry("t2"));
  await checkpoints.write();
  await append(auditEntry("t2"));
  await checkpoints.write();
  const statements = await statementsOf(folder);
  const chains = statements.map((each) => each.chains.map((chain) => [chain.tenant_id, chain.count]));
  expect(chains).toEqual([
    [["", 1]],
    [
      ["", 3],
      ["t1", 2],
      ["t2", 1],
    ],
    [["t2", 2]],
  ]);
  expect(statements.map(({ number }) => number)).toEqual([1, 2, 3]);
  const digests = linesOf(folder).map((line) => lineDigest(line).toString("hex"));
  expect(statements.map(({ previous }) => previous)).toEqual(["", ...digests.slice(0, 2)]);
  expect(statements[2]!.chains[0]!.seal).toBe(
    Buffer.from((await log.list("t2", {}, 1))[0]!.seal).toString("hex"),
  );
  expect(statSync(folder.checkpointsPath).mode & 0o777).toBe(0o600);
});

test("C1: none is written while nothing was added", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  const { append } = folder.open("session");
  const checkpoints = folder.startCheckpoints();
  await checkpoints.write();
  const before = linesOf(folder).length;
  await checkpoints.write();
  await checkpoints.write();
  expect(linesOf(folder)).toHaveLength(before);
  await append(auditEntry("t1"));
  await checkpoints.write();
  expect(linesOf(folder)).toHaveLength(before + 1);
});

test("C1: one is written after 1,000 records, without waiting for its minute", async () => {
  await using folder = createAuditedFolder();
  const { append, log } = folder.open("session");
  await folder.startCheckpoints().write();
  await append(...Array.from({ length: CHECKPOINT_RECORDS - 1 }, () => auditEntry("t1")));
  await append(auditEntry("t1"));
  await vi.waitFor(async () => expect((await log.knownCheckpoint())?.number).toBe(2));
  expect((await statementsOf(folder))[1]!.chains).toContainEqual(
    expect.objectContaining({ tenant_id: "t1" }),
  );
});

test("C1: the end states what was added last, and closing twice is closing once", async () => {
  await using folder = createAuditedFolder();
  const { append } = folder.open("session");
  const checkpoints = folder.startCheckpoints();
  await append(auditEntry("t1"));
  await Promise.all([checkpoints.close(), checkpoints.close()]);
  await append(auditEntry("t1"));
  await checkpoints.write();
  expect((await statementsOf(folder)).at(-1)!.chains).toContainEqual(
    expect.objectContaining({ tenant_id: "t1", count: 1 }),
  );
});

test("the numbers go on over restarts and a new signing key, and all of it verifies", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  folder.signingKey.rotate();
  await run(folder, "t1", "t2");
  await run(folder);
  const numbers = (await statementsOf(folder)).map(({ number }) => number);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  expect(await problemsOf(folder)).toEqual([]);
});

test("C4: lines that crashes left unfinished are no tampering, before the next start and after it", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  const half = readFileSync(folder.checkpointsPath, "utf8").slice(0, 50);
  appendFileSync(folder.checkpointsPath, half);
  expect(await problemsOf(folder)).toEqual([]);
  // The next start crashed as well, when it had ended that line.
  appendFileSync(folder.checkpointsPath, `\n${half}x`);
  const left = readFileSync(folder.checkpointsPath, "utf8");
  await run(folder, "t1");
  expect(readFileSync(folder.checkpointsPath, "utf8").startsWith(`${left}\n{"jws"`)).toBe(true);
  expect(await problemsOf(folder)).toEqual([]);
  // A line that is put in there is another one.
  const lines = linesOf(folder);
  writeFileSync(folder.checkpointsPath, `${lines.toSpliced(-2, 0, "put in").join("\n")}\n`);
  expect(await problemsOf(folder)).toEqual([expect.stringContaining("it cannot be read")]);
});

test("C3: a checkpoint that was made unreadable while the server was down is not taken for an unfinished one", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  const lines = linesOf(folder);
  writeFileSync(folder.checkpointsPath, `${[...lines.slice(0, -1), "gone"].join("\n")}\n`);
  await run(folder, "t1");
  expect(await problemsOf(folder)).toEqual([expect.stringContaining("are missing, or it was moved")]);
});

test("a checkpoint that is longer than what is read at once is gone on from", async () => {
  await using folder = createAuditedFolder();
  const { append } = folder.open("session");
  await append(...Array.from({ length: 800 }, (_, number) => auditEntry(`tenant-${number}`)));
  await folder.startCheckpoints().close();
  await folder.close();
  expect(linesOf(folder).at(-1)!.length).toBeGreaterThan(100_000);
  await run(folder, "t1");
  expect(await problemsOf(folder)).toEqual([]);
});

test("C2: a checkpoint that the crash kept the databases from remembering is gone on from", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  const before = join(folder.dataDir, "before.db");
  copyFileSync(join(folder.dataDir, "session.db"), before);
  const { append } = folder.open("session");
  await append(auditEntry("t1"));
  await folder.close();
  copyFileSync(join(folder.dataDir, "session.db"), before); // has the record, and not the checkpoint
  await run(folder);
  copyFileSync(before, join(folder.dataDir, "session.db"));
  await run(folder, "t1");
  expect(await problemsOf(folder)).toEqual([]);
});

test("C3: checkpoints that were cut off while the server was down stay missing, however long it runs on", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  await run(folder, "t1");
  const lines = linesOf(folder);
  for (const kept of [lines.slice(0, 1), []]) {
    writeFileSync(folder.checkpointsPath, kept.map((line) => `${line}\n`).join(""));
    await run(folder, "t1");
    await run(folder, "t1");
    expect(await problemsOf(folder)).toContainEqual(expect.stringContaining("are missing, or it was moved"));
  }
});

test("a copy of the checkpoints may lack the newest, and what it has still counts", async () => {
  await using folder = createAuditedFolder();
  const { dataDir, auditKey, checkpointsPath } = folder;
  await run(folder, "t1", "t1");
  const copy = join(dataDir, "copy.jsonl");
  copyFileSync(checkpointsPath, copy);
  await run(folder, "t1");
  const { publicJwks } = folder.signingKey;
  const verify = (isCopy: boolean) =>
    verifyAuditLogs({ dataDir, auditKey, publicJwks, checkpointsPath: copy, isCopy });
  expect((await verify(true)).problems).toEqual([]);
  expect((await verify(false)).problemCount).toBe(1);
  const lines = readFileSync(copy, "utf8").split("\n");
  writeFileSync(copy, lines.slice(1).join("\n"));
  expect((await verify(true)).problemCount).toBeGreaterThan(0);
});

test("I11: an older copy of the database is found out, however much is added to it afterwards", async () => {
  await using folder = createAuditedFolder();
  await run(folder, "t1");
  const copy = join(folder.dataDir, "copy.db");
  copyFileSync(join(folder.dataDir, "session.db"), copy);
  await run(folder, "t1", "t1");
  copyFileSync(copy, join(folder.dataDir, "session.db"));
  expect(await problemsOf(folder)).toContainEqual(
    expect.stringMatching(/tenant t1, record \d, checkpoint \d: it is missing/),
  );
  await run(folder, "t1", "t1", "t1", "t1");
  expect(await problemsOf(folder)).toContainEqual(
    expect.stringMatching(/tenant t1, record \d, checkpoint \d: it is not the record that was there/),
  );
});

test("C5: a place that cannot be written to is warned about, and stated in full once it can", async () => {
  await using folder = createAuditedFolder();
  const { append } = folder.open("session");
  const warnings: object[] = [];
  const parent = dirname(folder.checkpointsPath);
  writeFileSync(parent, "a file where the folder should be");
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const checkpoints = folder.startCheckpoints(log);
  await append(auditEntry("t1"));
  await checkpoints.write();
  expect(warnings.length).toBeGreaterThan(0);
  rmSync(parent);
  await checkpoints.write();
  expect((await statementsOf(folder))[0]!.chains).toContainEqual(
    expect.objectContaining({ tenant_id: "t1", count: 1 }),
  );
  expect(await problemsOf(folder)).toEqual([]);
});
