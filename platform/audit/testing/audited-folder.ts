import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigningKey, type SigningKey } from "../../signing/signing-key.ts";
import { Sqlite } from "../../storage/sqlite.ts";
import { type Log, silentLog } from "../../telemetry/log.ts";
import type { AuditEntry } from "../audit-log.ts";
import { SqliteAuditLog } from "../audit-log-sqlite.ts";
import { type Checkpoints, defaultCheckpointsPath, startCheckpoints } from "../checkpoints.ts";
import type { AuditedService } from "../seal.ts";
import { type AuditReport, verifyAuditLogs } from "../verify.ts";

export interface OpenLog {
  readonly db: Sqlite;
  readonly log: SqliteAuditLog;
  /** Appends in one write. */
  append(...entries: AuditEntry[]): Promise<void>;
}

/** A data folder whose databases have nothing but audit logs. */
export interface AuditedFolder extends AsyncDisposable {
  readonly dataDir: string;
  readonly checkpointsPath: string;
  readonly auditKey: Uint8Array;
  readonly signingKey: SigningKey;
  /** Opens the log of a service, as its process does. */
  open(service: AuditedService): OpenLog;
  /** Begins to write checkpoints of all logs that are open. */
  startCheckpoints(log?: Log): Checkpoints;
  /** Closes everything, as the end of the process does. */
  close(): Promise<void>;
  verify(): Promise<AuditReport>;
}

export const auditTime = new Date("2026-11-20T10:00:00Z");

/** Makes one in a temporary place. */
export function createAuditedFolder(): AuditedFolder {
  const root = mkdtempSync(join(tmpdir(), "hil-audit-"));
  const dataDir = join(root, "data");
  const migrations = join(root, "migrations");
  mkdirSync(migrations);
  copyFileSync(join(import.meta.dirname, "..", "audit-tables.sql"), join(migrations, "0001_audit.sql"));
  const auditKey = new Uint8Array(32).fill(7);
  const signingKey = openSigningKey({ dataDir });
  const checkpointsPath = defaultCheckpointsPath(dataDir);
  const logs: OpenLog[] = [];
  const closers: (() => Promise<void> | void)[] = [];
  const close = async () => {
    logs.length = 0;
    for (const each of closers.splice(0).toReversed()) await each();
  };
  return {
    dataDir,
    checkpointsPath,
    auditKey,
    signingKey,
    open(service) {
      const db = new Sqlite({ path: join(dataDir, `${service}.db`), migrations, log: silentLog });
      closers.push(() => db.close());
      const log = new SqliteAuditLog({ db, service, key: auditKey });
      const opened: OpenLog = {
        db,
        log,
        append: (...entries) =>
          db.write(() => {
            for (const entry of entries) log.append(entry);
          }),
      };
      logs.push(opened);
      return opened;
    },
    startCheckpoints(log = silentLog) {
      const checkpoints = startCheckpoints({
        logs: logs.map((each) => each.log),
        signingKey,
        dataDir,
        now: () => auditTime,
        log,
      });
      closers.push(() => checkpoints.close());
      return checkpoints;
    },
    close,
    verify: () => verifyAuditLogs({ dataDir, auditKey, publicJwks: signingKey.publicJwks }),
    async [Symbol.asyncDispose]() {
      await close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A change of a tenant. */
export function auditEntry(tenantId: string, fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    tenantId,
    principalId: "owner",
    action: "session.answered",
    resource: "session/s1",
    before: { state: "OPEN", version: 1 },
    after: { state: "ANSWERED", version: 2 },
    time: auditTime,
    ...fields,
  };
}
