import type { KeyObject } from "node:crypto";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { PublicJwks } from "../signing/jws.ts";
import type { AuditDatabase } from "./audit-database.ts";
import { type Checkpoint, lineDigest, readCheckpoint } from "./checkpoint.ts";
import { CHAINS, sealCheckpoint } from "./seal.ts";
import type { Report } from "./verify.ts";

const READ_BYTES = 65_536;

/** The size of a file; 0 where there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Verifies the checkpoints, and the chains against them. Returns how many there are. */
export async function verifyCheckpoints({
  path,
  isCopy,
  settledBytes,
  databases,
  key,
  publicJwks,
  report,
}: {
  path: string;
  /** It may lack the newest. */
  isCopy: boolean;
  /** What stood in the file before the databases were read: they must have all that it states. */
  settledBytes: number;
  databases: ReadonlyMap<string, AuditDatabase>;
  key: KeyObject;
  publicJwks: PublicJwks;
  report: Report;
}): Promise<number> {
  const remembered = await rememberedBy(databases, key, report);
  let count = 0;
  let lineNumber = 0;
  let number = 0;
  let previous = "";
  /** What is no checkpoint, by the digest of its line. The next one says whether a crash left it there. */
  const unread = new Map<string, string>();
  const reportUnread = () => {
    for (const problem of unread.values()) {
      report({ service: "", tenantId: CHAINS, checkpoint: number + 1, problem });
    }
    unread.clear();
  };
  for (const { text, end } of linesOf(path)) {
    lineNumber += 1;
    const reading = readCheckpoint(text, publicJwks);
    const digest = lineDigest(text).toString("hex");
    if ("problem" in reading) {
      unread.set(digest, `line ${lineNumber}: ${reading.problem}`);
      continue;
    }
    const { checkpoint } = reading;
    count += 1;
    for (const left of checkpoint.unfinished) unread.delete(left);
    reportUnread();
    if (checkpoint.number !== number + 1) {
      const problem = `line ${lineNumber}: the checkpoints between ${number} and this one are missing, or it was moved`;
      report({ service: "", tenantId: CHAINS, checkpoint: checkpoint.number, problem });
    } else if (checkpoint.previous !== previous) {
      const problem = `line ${lineNumber}: the line before it is not the one that it follows`;
      report({ service: "", tenantId: CHAINS, checkpoint: number + 1, problem });
    }
    number = checkpoint.number;
    previous = digest;
    for (const [service, known] of remembered) {
      if (known.number !== number) continue;
      if (known.digest !== digest) {
        report({
          service,
          tenantId: CHAINS,
          checkpoint: number,
          problem: "it is not the one that was written",
        });
      }
      remembered.delete(service);
    }
    if (end <= settledBytes) await compare(checkpoint, databases, report);
  }
  reportUnread();
  for (const [service, known] of isCopy ? [] : remembered) {
    const problem = `the checkpoints up to it are missing from the end of ${path}`;
    report({ service, tenantId: CHAINS, checkpoint: known.number, problem });
  }
  return count;
}

/** What the services remember of the checkpoints, as far as it is theirs. */
async function rememberedBy(
  databases: ReadonlyMap<string, AuditDatabase>,
  key: KeyObject,
  report: Report,
): Promise<Map<string, { number: number; digest: string }>> {
  const remembered = new Map<string, { number: number; digest: string }>();
  for (const [service, database] of databases) {
    const known = await database.knownCheckpoint();
    if (!known) continue;
    if (Buffer.compare(known.seal, sealCheckpoint(key, service, known)) !== 0) {
      report({ service, tenantId: CHAINS, problem: "what was remembered of the checkpoints was changed" });
    } else if (known.number > 0) {
      remembered.set(service, { number: known.number, digest: Buffer.from(known.digest).toString("hex") });
    }
  }
  return remembered;
}

async function compare(
  { number, time, chains }: Checkpoint,
  databases: ReadonlyMap<string, AuditDatabase>,
  report: Report,
): Promise<void> {
  for (const { service, tenant_id, count, seal } of chains) {
    const stored = await databases.get(service)?.sealAt(tenant_id, count);
    if (stored && Buffer.from(stored).toString("hex") === seal) continue;
    report({
      service,
      tenantId: tenant_id,
      sequence: count,
      checkpoint: number,
      problem: stored
        ? `it is not the record that was there at ${time}`
        : `it is missing, and it was there at ${time}`,
    });
  }
}

/** The lines of a file with the place of each one's end. What has no line break yet is being written, or was by a crash. */
function* linesOf(path: string): Generator<{ text: string; end: number }> {
  if (sizeOf(path) === 0) return;
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(READ_BYTES);
    let rest = Buffer.alloc(0);
    let end = 0;
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      rest = Buffer.concat([rest, chunk.subarray(0, length)]);
      for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
        end += at + 1;
        yield { text: rest.subarray(0, at).toString("latin1"), end };
        rest = rest.subarray(at + 1);
      }
    }
  } finally {
    closeSync(file);
  }
}
