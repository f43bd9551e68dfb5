// The audit log in a service's schema of PostgreSQL, which all replicas append to.
//
// The head of a chain is locked from before a record is sealed until its transaction ends, so that the records of all
// replicas stand in the order of their commits. Locks are taken in one order, the chain CHAINS last.

import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { ALL_TENANTS, type Postgres, postgresText, type Transaction } from "../storage/postgres.ts";
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
  type SealedRecord,
  sealCheckpoint,
  sealHead,
  sealRecord,
} from "./seal.ts";

/** Tenants whose chain's end is remembered. */
const MOST_HEADS = 10_000;
/** Any number that is ours: one process of a database at a time writes checkpoints. */
const CHECKPOINT_LOCK = 4_851_002;

const LOCK_HEADS =
  "SELECT tenant_id, count, seal, head_seal FROM audit_head WHERE tenant_id = ANY($1) ORDER BY tenant_id DESC FOR UPDATE";
const BEGIN_HEADS = `INSERT INTO audit_head (tenant_id, count, seal, head_seal)
  SELECT tenant_id, 0, $2, $2 FROM unnest($1::text[]) AS given (tenant_id) ORDER BY tenant_id DESC
  ON CONFLICT (tenant_id) DO NOTHING RETURNING tenant_id`;
/**
 * From where the head says that the chain ends: the planner, until it has figures of a table, would rather sort all of a
 * tenant's records than go backwards in the index.
 */
const LAST_RECORD =
  "SELECT sequence, seal FROM audit_record WHERE tenant_id = $1 AND sequence >= $2 ORDER BY sequence DESC LIMIT 1";
const APPEND = `WITH kept AS (
    INSERT INTO audit_record (tenant_id, sequence, time, principal_id, action, resource, before, after, seal)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
      $8::text[], $9::bytea[]))
  UPDATE audit_head SET count = ending.count, seal = ending.seal, head_seal = ending.head_seal
  FROM unnest($10::text[], $11::bigint[], $12::bytea[], $13::bytea[]) AS ending (tenant_id, count, seal, head_seal)
  WHERE audit_head.tenant_id = ending.tenant_id`;
const PUT_CHECKPOINT = `INSERT INTO audit_checkpoint (id, number, digest, seal) VALUES (1, $1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET number = excluded.number, digest = excluded.digest, seal = excluded.seal`;
const MARK_STATED = `WITH locked AS (
    SELECT tenant_id FROM audit_head WHERE tenant_id = ANY($1) ORDER BY tenant_id DESC FOR UPDATE)
  UPDATE audit_head SET stated = made.count FROM unnest($1::text[], $2::bigint[]) AS made (tenant_id, count)
  WHERE audit_head.tenant_id = made.tenant_id
    AND audit_head.tenant_id IN (SELECT tenant_id FROM locked) AND audit_head.stated < made.count`;

interface HeadRow {
  readonly tenant_id: string;
  /** A bigint, which comes as text. */
  readonly count: string;
  readonly seal: Uint8Array;
  readonly head_seal: Uint8Array;
}

/** The audit log of a service whose schema has the tables of postgres-audit.sql. */
export class PostgresAuditLog implements AuditLog {
  readonly service: AuditedService;
  readonly isShared = true;
  readonly #db: Postgres;
  readonly #key: KeyObject;
  readonly #log: Log;
  /** The ends of chains as this process wrote them last. */
  readonly #known = new Map<string, ChainHead>();
  readonly #listeners = new Set<() => void>();
  #appended = 0;
  /** Whether this process had all chains stated once: what the rows say of that may have been changed from outside. */
  #statedAll = false;

  constructor({
    db,
    service,
    key,
    log = silentLog,
  }: {
    db: Postgres;
    service: AuditedService;
    /** 32 bytes: Vault.auditKey. */
    key: Uint8Array;
    log?: Log;
  }) {
    this.service = service;
    this.#db = db;
    this.#key = createSecretKey(key);
    this.#log = log;
  }

  get appended(): number {
    return this.#appended;
  }

  /**
   * Records changes inside the transaction that makes them (A1), in their order. Once in a transaction, after all that
   * can fail: the chains of these tenants are locked until it ends.
   */
  async append(transaction: Transaction, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.some(({ tenantId }) => tenantId === CHAINS)) {
      throw new Error("an audit record names its tenant");
    }
    if (entries.length === 0) return;
    const begun = await this.#append(transaction, entries);
    if (begun.length === 0) return;
    const { time } = entries[0]!;
    await asTenant(transaction, CHAINS, () =>
      this.#append(
        transaction,
        begun.map((tenantId) => ({ ...opened(tenantResource(tenantId), time), tenantId: CHAINS })),
      ),
    );
  }

  async list(
    tenantId: string,
    query: AuditQuery,
    limit: number,
    before: number = Number.MAX_SAFE_INTEGER,
    from = 1,
  ): Promise<AuditRow[]> {
    const where = ["tenant_id = $1", "sequence < $2", "sequence >= $3"];
    const values: (string | number)[] = [tenantId, before, from];
    const add = (condition: string, value: string | number) => {
      values.push(value);
      where.push(`${condition}$${values.length}`);
    };
    if (query.principalId) add("principal_id = ", postgresText(query.principalId));
    if (query.action?.endsWith(".")) add("action ^@ ", postgresText(query.action));
    else if (query.action) add("action = ", postgresText(query.action));
    if (query.resource) add("resource = ", postgresText(query.resource));
    if (query.sinceMs !== undefined) add("time >= ", query.sinceMs);
    if (query.untilMs !== undefined) add("time < ", query.untilMs);
    values.push(limit);
    const rows = await this.#db.query<
      Omit<AuditRow, "sequence" | "time"> & Record<"sequence" | "time", string>
    >(
      tenantId,
      `SELECT sequence, time, principal_id, action, resource, before, after, seal FROM audit_record
       WHERE ${where.join(" AND ")} ORDER BY sequence DESC LIMIT $${values.length}`,
      values,
    );
    return rows.map((row) => ({ ...row, sequence: Number(row.sequence), time: Number(row.time) }));
  }

  async newest(tenantId: string): Promise<number> {
    const [row] = await this.#db.query<HeadRow>(
      tenantId,
      "SELECT count FROM audit_head WHERE tenant_id = $1",
      [tenantId],
    );
    return Number(row?.count ?? 0);
  }

  afterCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Holds one of the database's connections meanwhile. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#db.transaction(ALL_TENANTS, async (transaction) => {
      await transaction.query("SELECT pg_advisory_xact_lock($1)", [CHECKPOINT_LOCK]);
      return work();
    });
  }

  async open(time: Date): Promise<void> {
    const resource = serviceResource(this.service);
    if ((await this.list(CHAINS, { resource }, 1)).length > 0) return;
    await this.#db.transaction(CHAINS, async (transaction) => {
      // Whoever else opens it waits here.
      await transaction.query("LOCK TABLE audit_checkpoint IN SHARE ROW EXCLUSIVE MODE");
      const known = await transaction.query(
        "SELECT 1 FROM audit_record WHERE tenant_id = $1 AND resource = $2 LIMIT 1",
        [CHAINS, resource],
      );
      if (known.length > 0) return;
      await this.#append(transaction, [{ ...opened(resource, time), tenantId: CHAINS }]);
      await this.#putCheckpoint(transaction, { number: 0, digest: BEGINNING });
    });
  }

  async unstatedHeads(): Promise<ChainHead[]> {
    const rows = await this.#db.query<HeadRow>(
      ALL_TENANTS,
      "SELECT tenant_id, count, seal FROM audit_head WHERE count <> stated OR $1",
      [!this.#statedAll],
    );
    return rows.map(({ tenant_id, count, seal }) => ({ tenantId: tenant_id, count: Number(count), seal }));
  }

  async markStated(heads: readonly ChainHead[], checkpoint: KnownCheckpoint): Promise<void> {
    await this.#db.transaction(ALL_TENANTS, async (transaction) => {
      // What was changed or taken away from outside is left as it was found (A3).
      if (await this.#ownCheckpoint(transaction)) await this.#putCheckpoint(transaction, checkpoint);
      await transaction.query(MARK_STATED, [
        heads.map(({ tenantId }) => tenantId),
        heads.map(({ count }) => count),
      ]);
    });
    this.#statedAll = true;
  }

  async knownCheckpoint(): Promise<KnownCheckpoint | undefined> {
    const known = await this.#db.transaction(ALL_TENANTS, (transaction) => this.#ownCheckpoint(transaction));
    return known && known.number > 0 ? known : undefined;
  }

  /** Returns the tenants whose chains begin here. The transaction must see the tenants' rows. */
  async #append(transaction: Transaction, entries: readonly AuditEntry[]): Promise<string[]> {
    const tenantIds = [...new Set(entries.map(({ tenantId }) => postgresText(tenantId)))];
    const { heads, begun } = await this.#lock(transaction, tenantIds);
    // What is sealed is what the database keeps.
    const records = entries.map((entry) => {
      const head = heads.get(postgresText(entry.tenantId))!;
      const record: SealedRecord = {
        service: this.service,
        tenantId: head.tenantId,
        sequence: head.count + 1,
        time: entry.time.getTime(),
        principalId: postgresText(entry.principalId),
        action: postgresText(entry.action),
        resource: postgresText(entry.resource),
        before: entry.before === undefined ? "" : JSON.stringify(entry.before),
        after: entry.after === undefined ? "" : JSON.stringify(entry.after),
      };
      const seal = sealRecord(this.#key, head.seal, record);
      heads.set(head.tenantId, { tenantId: head.tenantId, count: record.sequence, seal });
      return { ...record, seal };
    });
    const ends = [...heads.values()];
    await transaction.query(APPEND, [
      records.map(({ tenantId }) => tenantId),
      records.map(({ sequence }) => sequence),
      records.map(({ time }) => time),
      records.map(({ principalId }) => principalId),
      records.map(({ action }) => action),
      records.map(({ resource }) => resource),
      records.map(({ before }) => before),
      records.map(({ after }) => after),
      records.map(({ seal }) => seal),
      ends.map(({ tenantId }) => tenantId),
      ends.map(({ count }) => count),
      ends.map(({ seal }) => seal),
      ends.map((end) => sealHead(this.#key, this.service, end)),
    ]);
    transaction.onCommit(() => {
      this.#appended += records.length;
      if (this.#known.size + ends.length > MOST_HEADS) this.#known.clear();
      for (const end of ends) this.#known.set(end.tenantId, end);
      for (const listener of this.#listeners) listener();
    });
    return begun;
  }

  /** Locks the heads of chains, and begins those that there are not yet. */
  async #lock(
    transaction: Transaction,
    tenantIds: readonly string[],
  ): Promise<{ heads: Map<string, ChainHead>; begun: string[] }> {
    let rows = await transaction.query<HeadRow>(LOCK_HEADS, [tenantIds]);
    let begun: string[] = [];
    if (rows.length < tenantIds.length) {
      const inserted = await transaction.query<HeadRow>(BEGIN_HEADS, [tenantIds, BEGINNING]);
      begun = inserted.map(({ tenant_id }) => tenant_id);
      rows = await transaction.query<HeadRow>(LOCK_HEADS, [tenantIds]);
    }
    const heads = new Map<string, ChainHead>();
    for (const row of rows) {
      heads.set(row.tenant_id, await this.#checked(transaction, row, begun.includes(row.tenant_id)));
    }
    return { heads, begun };
  }

  /** The end of a chain that is locked; another one where it was changed from outside (A3). */
  async #checked(transaction: Transaction, row: HeadRow, isNew: boolean): Promise<ChainHead> {
    const head = { tenantId: row.tenant_id, count: Number(row.count), seal: row.seal };
    const known = this.#known.get(head.tenantId);
    if (known && known.count === head.count && isSame(known.seal, head.seal)) return head;
    // Only now, for whoever held the lock before has just written it.
    const [last] = await transaction.query<{ sequence: string; seal: Uint8Array }>(LAST_RECORD, [
      head.tenantId,
      head.count,
    ]);
    if (isNew && !last) return head;
    const isWhole =
      !isNew &&
      last !== undefined &&
      Number(last.sequence) === head.count &&
      isSame(last.seal, head.seal) &&
      isSame(row.head_seal, sealHead(this.#key, this.service, head));
    if (isWhole) return head;
    const count = Math.max(head.count, Number(last?.sequence ?? 0));
    this.#log.error(
      { tenant_id: head.tenantId, service: this.service, sequence: count },
      "this audit chain was changed from outside; run `hil audit verify` to see what is wrong",
    );
    return { tenantId: head.tenantId, count, seal: randomBytes(32) };
  }

  async #ownCheckpoint(transaction: Transaction): Promise<KnownCheckpoint | undefined> {
    const [row] = await transaction.query<{ number: string; digest: Uint8Array; seal: Uint8Array }>(
      "SELECT number, digest, seal FROM audit_checkpoint WHERE id = 1",
    );
    if (!row) return undefined;
    const known = { number: Number(row.number), digest: row.digest };
    return isSame(row.seal, sealCheckpoint(this.#key, this.service, known)) ? known : undefined;
  }

  async #putCheckpoint(transaction: Transaction, known: KnownCheckpoint): Promise<void> {
    const seal = sealCheckpoint(this.#key, this.service, known);
    await transaction.query(PUT_CHECKPOINT, [known.number, known.digest, seal]);
  }
}

/** Runs `work` on another tenant's rows in a transaction under way. */
async function asTenant<T>(transaction: Transaction, tenantId: string, work: () => Promise<T>): Promise<T> {
  const [row] = await transaction.query<{ before: string }>("SELECT current_setting('hil.tenant') AS before");
  const { before } = row!;
  if (before === ALL_TENANTS) return work();
  await transaction.query("SELECT set_config('hil.tenant', $1, true)", [tenantId]);
  const result = await work();
  await transaction.query("SELECT set_config('hil.tenant', $1, true)", [before]);
  return result;
}

function opened(resource: string, time: Date): Omit<AuditEntry, "tenantId"> {
  return { principalId: SYSTEM_PRINCIPAL, action: OPENED, resource, time };
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
