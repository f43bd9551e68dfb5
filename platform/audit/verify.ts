// Verifies the audit logs of a data folder, or of a PostgreSQL database, offline or while the server runs.
//
// It opens the databases read-only, trusts nothing in them, and needs two things that are not: the key that records
// are sealed with, and the public keys that checkpoints are signed with. What it finds names the chain and the
// sequence. Each record is judged on its own: one edit is one finding, not one for every record that follows.

import { createSecretKey } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PublicJwks } from "../signing/jws.ts";
import type { AuditDatabase } from "./audit-database.ts";
import { PostgresAuditDatabase } from "./audit-database-postgres.ts";
import { SqliteAuditDatabase } from "./audit-database-sqlite.ts";
import { defaultCheckpointsPath } from "./checkpoints.ts";
import { AUDITED_SERVICES, type AuditedService, CHAINS } from "./seal.ts";
import { verifyChains } from "./verify-chains.ts";
import { sizeOf, verifyCheckpoints } from "./verify-checkpoints.ts";

/** Findings that a report lists; the rest is only counted. */
const MOST_PROBLEMS = 1_000;

/** Something that is not as it was written. */
export interface AuditProblem {
  /** The service whose log it is; empty for the checkpoints as such. */
  readonly service: string;
  /** The tenant whose chain it is. Empty: the list of the service's chains, or none. */
  readonly tenantId: string;
  /** The record. Undefined where it is not one. */
  readonly sequence?: number | undefined;
  /** The number of the checkpoint that says so. */
  readonly checkpoint?: number | undefined;
  /** What is wrong, as a sentence without a full stop. */
  readonly problem: string;
}

export interface AuditReport {
  /** What was read. */
  readonly services: readonly {
    readonly service: string;
    readonly chains: number;
    readonly records: number;
  }[];
  readonly chains: number;
  readonly records: number;
  readonly checkpoints: number;
  /** Empty: everything is as it was written. At most the first 1,000. */
  readonly problems: readonly AuditProblem[];
  readonly problemCount: number;
}

export type Report = (problem: AuditProblem) => void;

/**
 * Verifies every chain of every service and every checkpoint. Rejects where a database cannot be opened. Reads all
 * records: measured, some 60,000 a second.
 */
export async function verifyAuditLogs({
  dataDir,
  database,
  auditKey,
  publicJwks,
  checkpointsPath = defaultCheckpointsPath(dataDir),
  isCopy = false,
}: {
  dataDir: string;
  /** postgres://… of the services' schemas. Default: the files of the data folder. */
  database?: string | undefined;
  /** Vault.auditKey. */
  auditKey: Uint8Array;
  publicJwks: PublicJwks;
  /** HIL_AUDIT_CHECKPOINTS, or a copy of it that was kept elsewhere. */
  checkpointsPath?: string;
  /** The checkpoints are a copy, which may lack the newest. */
  isCopy?: boolean;
}): Promise<AuditReport> {
  const key = createSecretKey(auditKey);
  const problems: AuditProblem[] = [];
  let problemCount = 0;
  const report: Report = (problem) => {
    problemCount += 1;
    if (problems.length < MOST_PROBLEMS) problems.push(problem);
  };
  // A running server goes on writing. What the file has now, the databases know when they are read after it.
  const settledBytes = sizeOf(checkpointsPath);
  const databases = new Map<string, AuditDatabase>();
  try {
    for (const service of AUDITED_SERVICES) {
      const found = database
        ? await PostgresAuditDatabase.open(database, service)
        : openFile(dataDir, service);
      if (found) databases.set(service, found);
    }
    const services: AuditReport["services"][number][] = [];
    for (const [service, found] of databases) {
      services.push({ service, ...(await verifyChains(service, found, key, report)) });
    }
    const checkpoints = await verifyCheckpoints({
      path: checkpointsPath,
      isCopy,
      settledBytes,
      databases,
      key,
      publicJwks,
      report,
    });
    return {
      services,
      chains: services.reduce((sum, { chains }) => sum + chains, 0),
      records: services.reduce((sum, { records }) => sum + records, 0),
      checkpoints,
      problems,
      problemCount,
    };
  } finally {
    for (const each of databases.values()) await each.close();
  }
}

function openFile(dataDir: string, service: AuditedService): AuditDatabase | undefined {
  const path = join(dataDir, `${service}.db`);
  return existsSync(path) ? SqliteAuditDatabase.open(path) : undefined;
}

/** A finding as one line: "session, tenant acme, record 7: …". */
export function problemLine({ service, tenantId, sequence, checkpoint, problem }: AuditProblem): string {
  const where = [
    service,
    service === "" ? "" : tenantId === CHAINS ? "the list of its chains" : `tenant ${tenantId}`,
    sequence === undefined ? "" : `record ${sequence}`,
    checkpoint === undefined ? "" : `checkpoint ${checkpoint}`,
  ];
  return `${where.filter(Boolean).join(", ")}: ${problem}`;
}
