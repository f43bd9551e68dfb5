// Two tenants in one PostgreSQL database: each sees what it sees alone, by row-level security alone if need be.

import type { Vault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { withoutTenantFilters } from "@hil/platform/testing/without-tenant-filters.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgresDeliveryStore } from "./delivery-store-postgres.ts";
import { operationsOf, type Seen, see, TENANTS } from "./testing/two-tenants.ts";
import { VAULT } from "./testing/vaults.ts";

const HOUR_MS = 3_600_000;
const TABLES = ["delivery", "attempt", "line", "turns", "channel_health", "channel", "relay", "audit_record"];

const groups = operationsOf(11, 2_000);
let server: PostgresServer;
let databases = 0;
let expected: Seen;
beforeAll(async () => {
  server = await startPostgres();
  expected = new Map();
  for (const tenantId of TENANTS) {
    for (const [id, own] of await see(newStore, groups, { tenantIds: [tenantId], inOrder: true })) {
      expected.set(id, own);
    }
  }
}, 120_000);
afterAll(() => server[Symbol.asyncDispose]());

function newStore(prepare: (url: string) => Promise<void> = async () => {}) {
  const name = `isolation${++databases}`;
  let made: Promise<string> | undefined;
  const make = async (vault: Vault) => {
    const url = await server.createDatabase(name);
    const store = await openPostgresDeliveryStore({ url, vault, log: silentLog });
    await store.close();
    await prepare(url);
    return url;
  };
  return async (vault: Vault) => {
    made ??= make(vault);
    // Nothing may depend on how long the operations take.
    return openPostgresDeliveryStore({ url: await made, vault, log: silentLog, leaseMs: HOUR_MS });
  };
}

test("S3, I6: over 2,000 operations of two tenants with the same ids, each sees what it sees alone", async () => {
  const together = await see(newStore, groups, { expected, inOrder: true });
  expect(TENANTS.flatMap((tenantId) => together.get(tenantId)!).length).toBeGreaterThan(1_900);
}, 120_000);

test("S3, I6: the same where no statement has a tenant filter: row-level security alone holds", async () => {
  const removed = await withoutTenantFilters(async () => {
    await see(newStore, groups, { expected, inOrder: true });
  });
  expect(removed).toBeGreaterThan(25);
}, 120_000);

test.each(["delivery", "attempt", "line", "channel_health", "channel", "relay"])(
  "I6: without filters, and without row-level security on %s, it is noticed",
  async (table) => {
    const open = newStore((url) => run(url, `ALTER TABLE delivery.${table} DISABLE ROW LEVEL SECURITY`));
    const work = withoutTenantFilters(async () => {
      await see(() => open, groups, { expected, inOrder: true });
    });
    await expect(work).rejects.toThrow(/alone it would see/);
  },
  120_000,
);

test("I6: every table with tenants' rows has row-level security, also for its owner", async () => {
  const url = await server.createDatabase("tables");
  await (await newStoreAt(url)).close();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    `SELECT relname, relrowsecurity AND relforcerowsecurity AS walled FROM pg_class
     JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id'
     WHERE relnamespace = 'delivery'::regnamespace AND relkind = 'r'`,
  );
  await client.end();
  expect(rows.filter(({ walled }) => !walled)).toEqual([]);
  expect(rows.map(({ relname }) => relname)).toEqual(expect.arrayContaining(TABLES));
});

test("I6: turns of two tenants' robots of the same name are counted apart, without filters too", async () => {
  await withoutTenantFilters(async () => {
    const store = await newStoreAt(await server.createDatabase("turns"));
    const take = (owner: string) => store.sharing!.takeTurn(owner, "team", [{ name: "wr", perMinute: 1 }]);
    expect([await take("a"), await take("b"), await take("")]).toEqual([0, 0, 0]);
    await store.sharing!.stopTurns("a", "team", 1);
    expect(await take("a")).toBeGreaterThan(0);
    await store.close();
  });
});

const newStoreAt = (url: string) => openPostgresDeliveryStore({ url, vault: VAULT, log: silentLog });

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
