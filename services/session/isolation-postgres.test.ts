import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openPostgresSessionStore } from "./session-store-postgres.ts";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";
import { operationsOf, type Seen, see, TENANTS } from "./testing/two-tenants.ts";

const groups = operationsOf(11, 4_000);

let server: PostgresServer;
let folder: string;
let expected: Seen;
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), "hil-isolation-"));
  expected = new Map();
  // What each tenant sees alone, in SQLite.
  for (const tenantId of TENANTS) {
    const dataDir = join(folder, tenantId);
    const open = () => openSqliteSessionStore({ dataDir, vault: vault(), log: silentLog });
    for (const [id, own] of await see(open, groups, { tenantIds: [tenantId] })) expected.set(id, own);
  }
}, 120_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const vault = () => openVault({ dataDir: folder, environment: {} });
const storeOfBoth = async () => {
  const url = await server.createDatabase(`isolation${++databases}`);
  return () => openPostgresSessionStore({ url, vault: vault(), log: silentLog });
};

/** Runs `work` on stores whose statements name no tenant: only row-level security keeps tenants apart. */
async function withoutTenantFilters<T>(work: () => Promise<T>): Promise<{ result: T; removed: number }> {
  const texts = new Set<string>();
  const tenantOf = new WeakMap<object, unknown>();
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  const spy = vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (
    this: pg.Client,
    ...args: unknown[]
  ) {
    const [text, values] = args;
    if (typeof text !== "string") return query.apply(this, args) as never;
    const named = /set_config\('hil\.tenant', (?:'([^']*)'|\$1)/.exec(text);
    if (named) tenantOf.set(this, named[1] ?? (values as unknown[])[0]);
    // What workers do over all tenants is told apart by its keys.
    if (tenantOf.get(this) === "*") return query.apply(this, args) as never;
    const open = text.replace(/(?:\b\w+\.)?\btenant_id = (?:\$\d+|\w+\.tenant_id)/g, "($& OR true)");
    if (open !== text) texts.add(text);
    return query.call(this, open, ...args.slice(1)) as never;
  });
  try {
    return { result: await work(), removed: texts.size };
  } finally {
    spy.mockRestore();
  }
}

test("S3, I6: in PostgreSQL each of two tenants with the same ids sees what it sees alone in SQLite", async () => {
  const together = await see(await storeOfBoth(), groups, { expected });
  expect(TENANTS.flatMap((tenantId) => together.get(tenantId)!)).toHaveLength(4_000);
}, 300_000);

test("S3, I6: row-level security alone tells tenants apart, where no statement names one", async () => {
  const open = await storeOfBoth();
  const { result: together, removed } = await withoutTenantFilters(() => see(open, groups, { expected }));
  expect(TENANTS.flatMap((tenantId) => together.get(tenantId)!)).toHaveLength(4_000);
  expect(removed).toBeGreaterThan(20);
}, 300_000);

test("I6: without row-level security and without filters the same operations tell", async () => {
  const open = await storeOfBoth();
  await (await open()).close();
  const client = new pg.Client({ connectionString: server.url.replace(/[^/]*$/, `isolation${databases}`) });
  await client.connect();
  await client.query("ALTER TABLE session.session DISABLE ROW LEVEL SECURITY");
  await client.end();
  await expect(withoutTenantFilters(() => see(open, groups, { expected }))).rejects.toThrow(
    /sees otherwise|duplicate|affect/,
  );
}, 300_000);
