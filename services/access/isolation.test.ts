// I6 in the access store: checkIsolation on both drivers. Then one filter after the other is taken out of the SQL of
// SQLite, and it must fail; and all filters out of that of PostgreSQL, where row-level security alone must hold.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { checkTenantFilters } from "@hil/platform/testing/tenant-filters.ts";
import { withoutTenantFilters } from "@hil/platform/testing/without-tenant-filters.ts";
import { startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { expect, test } from "vitest";
import { openPostgresAccessStore } from "./access-store-postgres.ts";
import { openSqliteAccessStore } from "./access-store-sqlite.ts";
import { checkIsolation } from "./testing/check-isolation.ts";

async function suite(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-access-isolation-"));
  const store = openSqliteAccessStore({ dataDir, auditKey: new Uint8Array(32), log: silentLog });
  try {
    await checkIsolation(store);
  } finally {
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test("I6: tenants with the same ids, people and addresses do not see or change each other's", suite);

test("I6: a filter by tenant that is missing anywhere in the store is noticed", async () => {
  const report = await checkTenantFilters({
    suite,
    sources: [join(import.meta.dirname, "access-store-sqlite.ts")],
  });
  expect(report.removed).toBeGreaterThan(10);
  expect(report.unreached).toEqual([]);
  // The ids of keys are unique over all tenants, and the row was read with its tenant in the same write.
  expect(report.unnoticed).toEqual([
    "UPDATE api_key SET expire_time = ?, revoke_time = ? WHERE >>> tenant_id = ? <<< AND id = ?",
  ]);
});

test("I6: in PostgreSQL the same, and row-level security alone holds with every filter taken out", async () => {
  await using server = await startPostgres();
  const open = async (database: string) =>
    openPostgresAccessStore({
      url: await server.createDatabase(database),
      auditKey: new Uint8Array(32),
      log: silentLog,
    });
  const filtered = await open("filtered");
  await checkIsolation(filtered);
  await filtered.close();
  const bare = await open("bare");
  const removed = await withoutTenantFilters(() => checkIsolation(bare));
  await bare.close();
  expect(removed).toBeGreaterThan(10);
});
