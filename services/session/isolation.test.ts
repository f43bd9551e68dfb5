import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { checkTenantFilters } from "@hil/platform/testing/tenant-filters.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";
import { operationsOf, type Seen, see, TENANTS } from "./testing/two-tenants.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-isolation-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A new store; the same keys for all, so that seals can be compared. */
const storeIn = (name: string) => {
  const dataDir = mkdtempSync(join(folder, name));
  const vault = openVault({ dataDir: folder, environment: {} });
  return () => openSqliteSessionStore({ dataDir, vault, log: silentLog });
};
const alone = async (groups: ReturnType<typeof operationsOf>): Promise<Seen> => {
  const seen: Seen = new Map();
  for (const tenantId of TENANTS) {
    for (const [id, own] of await see(storeIn(tenantId), groups, { tenantIds: [tenantId] }))
      seen.set(id, own);
  }
  return seen;
};

test("S3, I6: over 100,000 operations of two tenants with the same ids, each sees what it sees alone", async () => {
  const groups = operationsOf(3, 100_000);
  const expected = await alone(groups);
  const together = await see(storeIn("both"), groups, { expected });
  expect(TENANTS.flatMap((tenantId) => together.get(tenantId)!)).toHaveLength(100_000);
}, 300_000);

test("I6: a store without any one of its tenant filters is noticed", async () => {
  const groups = operationsOf(5, 8_000);
  const expected = await alone(groups);
  const report = await checkTenantFilters({
    sources: ["session-store-sqlite.ts", "session-conditions.ts"].map((name) =>
      join(import.meta.dirname, name),
    ),
    async suite() {
      await see(storeIn("both"), groups, { expected });
    },
  });
  expect(report.unnoticed).toEqual([]);
  expect(report.unreached).toEqual([]);
  expect(report.removed).toBeGreaterThan(20);
  // What works over all tenants, and nothing else.
  expect(report.unfiltered).toEqual([
    "SELECT tenant_id FROM audit_head",
    expect.stringMatching(/^SELECT max\(\(SELECT cursor FROM log_end\)/),
    expect.stringMatching(/^WITH RECURSIVE tenant /),
    "SELECT 1 FROM session WHERE short_id = ?",
    expect.stringMatching(/^SELECT tenant_id, id FROM session WHERE state = 1 AND expire_time IS NOT NULL/),
    "UPDATE log_end SET cursor = ?",
  ]);
}, 300_000);
