import type { KeyObject } from "node:crypto";
import type { AuditDatabase, StoredHead, StoredRecord } from "./audit-database.ts";
import { serviceResource, tenantResource } from "./audit-log.ts";
import { BEGINNING, CHAINS, sealHead, sealRecord } from "./seal.ts";
import type { Report } from "./verify.ts";

/** The record before the one that is read. */
interface Place {
  readonly sequence: number;
  readonly seal: Uint8Array;
}

/** Verifies the chains of one service with their heads. Returns how many there are. */
export async function verifyChains(
  service: string,
  database: AuditDatabase,
  key: KeyObject,
  report: Report,
): Promise<{ chains: number; records: number }> {
  for (const name of await database.changedSchema()) {
    const problem = `${name}, which keeps records as they are, is not as it was made`;
    report({ service, tenantId: CHAINS, problem });
  }
  if (!(await database.isConsistent())) {
    report({ service, tenantId: CHAINS, problem: "the database is damaged: its table and its index differ" });
  }
  const heads = new Map((await database.heads()).map((head) => [head.tenantId, head]));
  const ends = new Map<string, Place>();
  const listed: string[] = [];
  let records = 0;
  for await (const some of database.records()) {
    for (const stored of some) {
      const { tenantId, sequence, record, seal } = stored;
      records += 1;
      const problem = problemOf(service, stored, ends.get(tenantId) ?? { sequence: 0, seal: BEGINNING }, key);
      if (problem) report({ service, tenantId, sequence, problem });
      if (tenantId === CHAINS && record) listed.push(record.resource);
      ends.set(tenantId, { sequence, seal });
    }
  }
  for (const [tenantId, end] of ends) {
    const problem = problemOfEnd(service, end, heads.get(tenantId), key);
    if (problem) report({ service, tenantId, sequence: end.sequence, problem });
  }
  for (const { tenantId, count } of heads.values()) {
    if (!ends.has(tenantId)) report({ service, tenantId, problem: `all ${count} records are missing` });
  }
  for (const { tenantId, problem } of problemsOfList([...ends.keys()], listed)) {
    report({ service, tenantId, problem });
  }
  if (listed.includes(serviceResource(service)) && !(await database.knownCheckpoint())) {
    report({ service, tenantId: CHAINS, problem: "what was remembered of the checkpoints is missing" });
  }
  return { chains: ends.size, records };
}

function problemOf(
  service: string,
  { sequence, record, seal }: StoredRecord,
  before: Place,
  key: KeyObject,
): string | undefined {
  const expected = before.sequence + 1;
  if (sequence < expected) return "it was put in: no record has this number here";
  // What a missing record was sealed with is not known, so this one's own seal cannot be judged.
  if (sequence > expected + 1) return `the records ${expected} to ${sequence - 1} before it are missing`;
  if (sequence > expected) return `the record ${expected} before it is missing`;
  if (record && isSame(seal, sealRecord(key, before.seal, { service, ...record }))) return undefined;
  return "it is not what was written after the record before it";
}

function problemOfEnd(
  service: string,
  end: Place,
  head: StoredHead | undefined,
  key: KeyObject,
): string | undefined {
  if (!head) return "the head of the chain, which says that this is the last record, is missing";
  if (!isSame(head.headSeal, sealHead(key, service, head))) return "the head of the chain was changed";
  if (head.count > end.sequence) return `the records after it, up to ${head.count}, are missing`;
  if (head.count < end.sequence) return `the records after ${head.count} were put in`;
  return isSame(head.seal, end.seal) ? undefined : "it is not the record that the chain ends with";
}

function* problemsOfList(
  tenantIds: readonly string[],
  listed: readonly string[],
): Generator<{ tenantId: string; problem: string }> {
  const times = new Map<string, number>();
  for (const resource of listed) times.set(resource, (times.get(resource) ?? 0) + 1);
  for (const tenantId of tenantIds) {
    if (tenantId === CHAINS) continue;
    const begun = times.get(tenantResource(tenantId)) ?? 0;
    times.delete(tenantResource(tenantId));
    if (begun === 0) yield { tenantId, problem: "the chain is not in the list of chains" };
    if (begun > 1) yield { tenantId, problem: "the chain began anew: the one before it is missing" };
  }
  const prefix = tenantResource("");
  for (const resource of times.keys()) {
    if (!resource.startsWith(prefix)) continue;
    yield { tenantId: resource.slice(prefix.length), problem: "the whole chain is missing" };
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
