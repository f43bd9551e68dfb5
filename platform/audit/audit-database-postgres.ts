import pg from "pg";
import type { AuditDatabase, KnownRow, StoredHead, StoredRecord } from "./audit-database.ts";
import { POSTGRES_SCHEMA } from "./postgres-schema.ts";
import type { AuditedService } from "./seal.ts";

const CONNECT_PATIENCE_MS = 5_000;
/** Records that are read together. */
const SOME = 2_000;

const TABLES = "('audit_record', 'audit_head', 'audit_checkpoint')";
/** Tables, columns, keys, triggers with the function behind them, and walls between tenants, each as one line. */
const DESCRIBE = `
  WITH kept AS (
    SELECT c.oid, relname, relkind, relrowsecurity, relforcerowsecurity, relhasrules FROM pg_class c
    JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relname IN ${TABLES})
  SELECT 'table ' || relname AS name, concat_ws(' ', relkind, relrowsecurity, relforcerowsecurity, relhasrules) AS text
    FROM kept
  UNION ALL SELECT 'column ' || relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
    FROM kept JOIN pg_attribute ON attrelid = kept.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  UNION ALL SELECT 'rule ' || relname || '.' || conname, pg_get_constraintdef(k.oid)
    FROM kept JOIN pg_constraint k ON conrelid = kept.oid WHERE contype IN ('p', 'u', 'c', 'x')
  UNION ALL SELECT 'trigger ' || tgname,
    concat_ws(' ', relname, tgenabled, tgtype, proname, encode(tgargs, 'hex'), pg_get_expr(tgqual, tgrelid))
    FROM kept JOIN pg_trigger ON tgrelid = kept.oid AND NOT tgisinternal JOIN pg_proc p ON p.oid = tgfoid
  UNION ALL SELECT DISTINCT 'function ' || proname, prosrc
    FROM kept JOIN pg_trigger ON tgrelid = kept.oid AND NOT tgisinternal JOIN pg_proc p ON p.oid = tgfoid
  UNION ALL SELECT 'wall ' || relname || '.' || polname,
    concat_ws(' ', polpermissive, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM kept JOIN pg_policy ON polrelid = kept.oid`;

/** The audit tables of a service's schema, in one snapshot. */
export class PostgresAuditDatabase implements AuditDatabase {
  readonly #client: pg.Client;
  readonly #schema: string;

  private constructor(client: pg.Client, schema: string) {
    this.#client = client;
    this.#schema = schema;
  }

  /** Undefined where the database has no audit log of this service. Rejects where it cannot be reached. */
  static async open(url: string, service: AuditedService): Promise<PostgresAuditDatabase | undefined> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_PATIENCE_MS,
      application_name: "hil audit verify",
    });
    client.on("error", () => {}); // the query under way says it
    await client.connect();
    try {
      await client.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
      // Sees the records of all tenants, from the table itself and not from an index, which could hide some.
      await client.query(
        `SELECT set_config('hil.tenant', '*', true), set_config('search_path', $1, true),
        set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true),
        set_config('enable_bitmapscan', 'off', true)`,
        [`${service}, pg_temp`],
      );
      const { rows } = await client.query("SELECT to_regclass($1) AS found", [`${service}.audit_record`]);
      if (rows[0].found !== null) return new PostgresAuditDatabase(client, service);
    } catch (error) {
      await client.end();
      throw error;
    }
    await client.end();
    return undefined;
  }

  async changedSchema(): Promise<string[]> {
    const found = new Map(await this.describe());
    const expected = new Map(Object.entries(POSTGRES_SCHEMA));
    const names = new Set([...expected.keys(), ...found.keys()]);
    return [...names].filter((name) => expected.get(name) !== found.get(name));
  }

  /** What the tables and their rules are, by name. */
  async describe(): Promise<[string, string][]> {
    const rows = await this.#all<{ name: string; text: string }>(DESCRIBE, [this.#schema]);
    return rows.map(({ name, text }) => [name, text]);
  }

  async isConsistent(): Promise<boolean> {
    const count = async () =>
      (
        await this.#all<{ number: string }>(
          "SELECT count(*) AS number FROM audit_record WHERE tenant_id >= ''",
        )
      )[0]!.number;
    const ofTable = await count();
    await this.#client.query("SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off");
    const ofIndex = await count();
    await this.#client.query("SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on");
    return ofTable === ofIndex;
  }

  async *records(): AsyncGenerator<readonly StoredRecord[]> {
    await this.#client.query(`DECLARE audit_records NO SCROLL CURSOR FOR
      SELECT tenant_id, sequence, time, principal_id, action, resource, before, after, seal FROM audit_record
      ORDER BY tenant_id, sequence`);
    for (let rows = [undefined] as unknown[]; rows.length > 0; ) {
      const some = await this.#all<Record<string, string> & { seal: Uint8Array }>(
        `FETCH ${SOME} FROM audit_records`,
      );
      yield some.map((row) => {
        const record = {
          tenantId: row.tenant_id!,
          sequence: Number(row.sequence),
          time: Number(row.time),
          principalId: row.principal_id!,
          action: row.action!,
          resource: row.resource!,
          before: row.before!,
          after: row.after!,
        };
        const isReadable = Number.isSafeInteger(record.sequence) && Number.isSafeInteger(record.time);
        return { ...record, record: isReadable ? record : undefined, seal: row.seal };
      });
      rows = some;
    }
    await this.#client.query("CLOSE audit_records");
  }

  async heads(): Promise<StoredHead[]> {
    const rows = await this.#all<{
      tenant_id: string;
      count: string;
      seal: Uint8Array;
      head_seal: Uint8Array;
    }>("SELECT tenant_id, count, seal, head_seal FROM audit_head ORDER BY tenant_id");
    return rows.map((row) => ({
      tenantId: row.tenant_id,
      count: Number(row.count),
      seal: row.seal,
      headSeal: row.head_seal,
    }));
  }

  async sealAt(tenantId: string, sequence: number): Promise<Uint8Array | undefined> {
    await this.#client.query("SET LOCAL enable_indexscan = on");
    const [row] = await this.#all<{ seal: Uint8Array }>(
      "SELECT seal FROM audit_record WHERE tenant_id = $1 AND sequence = $2",
      [tenantId, sequence],
    );
    return row?.seal;
  }

  async knownCheckpoint(): Promise<KnownRow | undefined> {
    const [row] = await this.#all<{ number: string; digest: Uint8Array; seal: Uint8Array }>(
      "SELECT number, digest, seal FROM audit_checkpoint WHERE id = 1",
    );
    return row && { ...row, number: Number(row.number) };
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async #all<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#client.query(text, values as unknown[])).rows as Row[];
  }
}
