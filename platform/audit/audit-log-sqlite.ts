// The audit log in a service's SQLite file.

import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import type { Sqlite } from "../storage/sqlite.ts";
import { type Log, silentLog } from "../telemetry/log.ts";
import {
  type AuditEntry,
  type AuditLog,
  type AuditQuery,
  type AuditRow,
  type KnownCheckpoint,
  OPENED,
  SYSTEM_PRINCIPAL,
  serviceResource,
  tenantResource,
} from "./audit-log.ts";
import {
  type AuditedService,
  BEGINNING,
  CHAINS,
  type ChainHead,
  sealCheckpoint,
  sealHead,
  sealRecord,
} from "./seal.ts";

/** Tenants whose chain's end is remembered. */
const MOST_HEADS = 10_000;

const INSERT_RECORD = `INSERT INTO audit_record
  (tenant_id, sequence, time, principal_id, action, resource, before, after, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const PUT_HEAD = `INSERT INTO audit_head (tenant_id, count, seal, head_seal) VALUES (?, ?, ?, ?)
  ON CONFLICT (tenant_id) DO UPDATE SET count = excluded.count, seal = excluded.seal, head_seal = excluded.head_seal`;
const PUT_CHECKPOINT = `INSERT INTO audit_checkpoint (id, number, digest, seal) VALUES (1, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET number = excluded.number, digest = excluded.digest, seal = excluded.seal`;

interface HeadRow {
  readonly tenant_id: string;
  readonly count: number;
  readonly seal: Uint8Array;
  readonly head_seal: Uint8Array;
}

/** The audit log of a service whose database has the tables of audit-tables.sql. */
export class SqliteAuditLog implements AuditLog {
  readonly service: AuditedService;
  readonly isShared = false;
  readonly #db: Sqlite;
  readonly #key: KeyObject;
  readonly #log: Log;
  /** What the open transaction tells of, in order. Sealed and written together: one after the other costs thrice as much. */
  #entries: AuditEntry[] = [];
  /** The ends of chains as the open transaction sees them. */
  readonly #heads = new Map<string, ChainHead>();
  /** The chains that the open transaction made longer. */
  readonly #longer = new Set<string>();
  /** The chains that no checkpoint states as they are. */
  readonly #unstated = new Set<string>();
  #appended = 0;

  constructor({
    db,
    service,
    key,
    log = silentLog,
  }: {
    db: Sqlite;
    service: AuditedService;
    /** 32 bytes: Vault.auditKey. */
    key: Uint8Array;
    log?: Log;
  }) {
    this.service = service;
    this.#db = db;
    this.#key = createSecretKey(key);
    this.#log = log;
    for (const { tenant_id } of db.all<HeadRow>("SELECT tenant_id FROM audit_head")) {
      this.#unstated.add(tenant_id);
    }
    db.beforeCommit(() => {
      this.#writeRecords();
      this.#writeHeads();
    });
    db.afterRollback(() => {
      this.#entries = [];
      this.#heads.clear();
      this.#longer.clear();
    });
  }

  /** Records a change. Only inside the write that makes the change (A1). The entry is not changed afterwards. */
  append(entry: AuditEntry): void {
    if (!this.#db.inWrite) throw new Error("an audit record is appended inside the write that it tells of");
    if (entry.tenantId === CHAINS) throw new Error("an audit record names its tenant");
    this.#entries.push(entry);
  }

  async list(
    tenantId: string,
    query: AuditQuery,
    limit: number,
    before?: number,
    from?: number,
  ): Promise<AuditRow[]> {
    return this.#list(tenantId, query, limit, before, from);
  }

  async newest(tenantId: string): Promise<number> {
    return this.#db.get<HeadRow>("SELECT count FROM audit_head WHERE tenant_id = ?", tenantId)?.count ?? 0;
  }

  get appended(): number {
    return this.#appended;
  }

  afterCommit(listener: () => void): () => void {
    return this.#db.afterCommit(listener);
  }

  /** Nobody else has the file. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async open(time: Date): Promise<void> {
    await this.#db.write(() => {
      const resource = serviceResource(this.service);
      if (this.#list(CHAINS, { resource }, 1).length > 0) return;
      this.#append(CHAINS, SYSTEM_PRINCIPAL, OPENED, resource, "", "", time.getTime());
      this.#putCheckpoint({ number: 0, digest: BEGINNING });
    });
  }

  async unstatedHeads(): Promise<ChainHead[]> {
    return [...this.#unstated].flatMap((tenantId) => {
      const head = this.#committedHead(tenantId);
      return head ? [head] : [];
    });
  }

  async markStated(heads: readonly ChainHead[], checkpoint: KnownCheckpoint): Promise<void> {
    await this.#db.write(() => {
      // What was changed or taken away from outside is left as it was found (A3).
      if (this.#ownCheckpoint()) this.#putCheckpoint(checkpoint);
    });
    for (const { tenantId, count } of heads) {
      if (this.#committedHead(tenantId)?.count === count) this.#unstated.delete(tenantId);
    }
  }

  async knownCheckpoint(): Promise<KnownCheckpoint | undefined> {
    const known = this.#ownCheckpoint();
    return known && known.number > 0 ? known : undefined;
  }

  #list(
    tenantId: string,
    query: AuditQuery,
    limit: number,
    before: number = Number.MAX_SAFE_INTEGER,
    from = 1,
  ): AuditRow[] {
    const where = ["tenant_id = ?", "sequence < ?", "sequence >= ?"];
    const values: (string | number)[] = [tenantId, before, from];
    const add = (condition: string, ...more: (string | number)[]) => {
      where.push(condition);
      values.push(...more);
    };
    if (query.principalId) add("principal_id = ?", query.principalId);
    if (query.action?.endsWith(".")) add("substr(action, 1, length(?)) = ?", query.action, query.action);
    else if (query.action) add("action = ?", query.action);
    if (query.resource) add("resource = ?", query.resource);
    if (query.sinceMs !== undefined) add("time >= ?", query.sinceMs);
    if (query.untilMs !== undefined) add("time < ?", query.untilMs);
    return this.#db.all<AuditRow>(
      `SELECT sequence, time, principal_id, action, resource, before, after, seal FROM audit_record
       WHERE ${where.join(" AND ")} ORDER BY sequence DESC LIMIT ?`,
      ...values,
      limit,
    );
  }

  #writeRecords(): void {
    const entries = this.#entries;
    if (entries.length === 0) return;
    this.#entries = [];
    for (const { tenantId, principalId, action, resource, before, after, time } of entries) {
      // SQLite would keep half a surrogate pair as another character than the one that was sealed.
      this.#append(
        tenantId.toWellFormed(),
        principalId.toWellFormed(),
        action.toWellFormed(),
        resource.toWellFormed(),
        before === undefined ? "" : JSON.stringify(before),
        after === undefined ? "" : JSON.stringify(after),
        time.getTime(),
      );
    }
  }

  #append(
    tenantId: string,
    principalId: string,
    action: string,
    resource: string,
    before: string,
    after: string,
    time: number,
  ): void {
    const head = this.#head(tenantId);
    if (head.count === 0 && tenantId !== CHAINS) {
      this.#append(CHAINS, SYSTEM_PRINCIPAL, OPENED, tenantResource(tenantId), "", "", time);
    }
    const sequence = head.count + 1;
    const seal = sealRecord(this.#key, head.seal, {
      service: this.service,
      tenantId,
      sequence,
      time,
      principalId,
      action,
      resource,
      before,
      after,
    });
    this.#db
      .sql(INSERT_RECORD)
      .run(tenantId, sequence, time, principalId, action, resource, before, after, seal);
    this.#heads.set(tenantId, { tenantId, count: sequence, seal });
    this.#longer.add(tenantId);
    this.#unstated.add(tenantId);
    this.#appended += 1;
  }

  #writeHeads(): void {
    for (const tenantId of this.#longer) {
      const head = this.#heads.get(tenantId)!;
      this.#db.sql(PUT_HEAD).run(tenantId, head.count, head.seal, sealHead(this.#key, this.service, head));
    }
    this.#longer.clear();
    if (this.#heads.size > MOST_HEADS) this.#heads.clear();
  }

  /** The end of a chain inside a write. */
  #head(tenantId: string): ChainHead {
    const known = this.#heads.get(tenantId);
    if (known) return known;
    const head = this.#load(tenantId);
    this.#heads.set(tenantId, head);
    return head;
  }

  #load(tenantId: string): ChainHead {
    const row = this.#db.get<HeadRow>("SELECT * FROM audit_head WHERE tenant_id = ?", tenantId);
    const last = this.#db.get<Pick<AuditRow, "sequence" | "seal">>(
      "SELECT sequence, seal FROM audit_record WHERE tenant_id = ? ORDER BY sequence DESC LIMIT 1",
      tenantId,
    );
    if (!row && !last) return { tenantId, count: 0, seal: BEGINNING };
    if (row && last) {
      const head = { tenantId, count: row.count, seal: row.seal };
      const isWhole =
        last.sequence === row.count &&
        isSame(last.seal, row.seal) &&
        isSame(row.head_seal, sealHead(this.#key, this.service, head));
      if (isWhole) return head;
    }
    const count = Math.max(row?.count ?? 0, last?.sequence ?? 0);
    this.#log.error(
      { tenant_id: tenantId, service: this.service, sequence: count },
      "this audit chain was changed from outside; run `hil audit verify` to see what is wrong",
    );
    return { tenantId, count, seal: randomBytes(32) };
  }

  #committedHead(tenantId: string): ChainHead | undefined {
    const row = this.#db.get<HeadRow>("SELECT count, seal FROM audit_head WHERE tenant_id = ?", tenantId);
    return row && { tenantId, count: row.count, seal: row.seal };
  }

  #ownCheckpoint(): KnownCheckpoint | undefined {
    const row = this.#db.get<{ number: number; digest: Uint8Array; seal: Uint8Array }>(
      "SELECT number, digest, seal FROM audit_checkpoint WHERE id = 1",
    );
    if (!row) return undefined;
    const { number, digest } = row;
    const isOurs = isSame(row.seal, sealCheckpoint(this.#key, this.service, { number, digest }));
    return isOurs ? { number, digest } : undefined;
  }

  #putCheckpoint(known: KnownCheckpoint): void {
    const seal = sealCheckpoint(this.#key, this.service, known);
    this.#db.sql(PUT_CHECKPOINT).run(known.number, known.digest, seal);
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
