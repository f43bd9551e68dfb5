import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sqlite } from "../storage/sqlite.ts";
import { silentLog } from "../telemetry/log.ts";
import { checkTenantFilters } from "./tenant-filters.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-filters-"));
  mkdirSync(join(folder, "migrations"));
  writeFileSync(
    join(folder, "migrations", "0001_notes.sql"),
    "CREATE TABLE note (tenant_id TEXT, id TEXT, text TEXT, PRIMARY KEY (tenant_id, id))",
  );
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const SOURCE = `
  const READ = "SELECT text FROM note WHERE tenant_id = ? AND id = ?";
  const COUNT = \`SELECT count(*) AS number FROM note
    WHERE tenant_id = ?\`;
  const NEVER = "DELETE FROM note WHERE tenant_id = ?"; // no suite runs this
`;

test("a filter that a suite holds is noticed, one that it does not hold is named, and so is one that it never reaches", async () => {
  const source = join(folder, "store.ts");
  writeFileSync(source, SOURCE);
  const report = await checkTenantFilters({
    sources: [source],
    async suite() {
      const db = new Sqlite({ path: ":memory:", migrations: join(folder, "migrations"), log: silentLog });
      try {
        await db.write(() => {
          for (const tenant of ["a", "b"])
            db.sql("INSERT INTO note VALUES (?, 'same', ?)").run(tenant, tenant);
        });
        const read = db.get<{ text: string }>(
          "SELECT text FROM note WHERE tenant_id = ? AND id = ?",
          "b",
          "same",
        );
        expect(read?.text).toBe("b");
        // Looked at, and not compared with anything.
        db.get("SELECT count(*) AS number FROM note\n    WHERE tenant_id = ?", "a");
        expect(db.all("SELECT tenant_id FROM note")).toHaveLength(2);
      } finally {
        db.close();
      }
    },
  });
  expect(report).toEqual({
    removed: 2,
    unnoticed: ["WHERE >>> tenant_id = ? <<<"],
    unreached: ["DELETE FROM note WHERE >>> tenant_id = ? <<<"],
    unfiltered: ["SELECT tenant_id FROM note"],
  });
});

test("a suite that fails as it is fails the check", async () => {
  const check = checkTenantFilters({
    sources: [],
    suite: async () => {
      throw new Error("not even now");
    },
  });
  await expect(check).rejects.toThrow("not even now");
});
