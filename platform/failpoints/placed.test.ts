import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FAILPOINTS } from "./failpoints.ts";

const ROOT = join(import.meta.dirname, "..", "..");

test("F2: every failpoint that is named stands somewhere in production code", () => {
  const sources = ["platform", "services", "cli", "edge-relay"]
    .flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: ROOT }))
    .filter((file) => !file.includes("node_modules") && !file.endsWith(".test.ts"))
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  const unplaced = Object.keys(FAILPOINTS).filter((name) => !sources.includes(`failpoint("${name}")`));
  expect(unplaced).toEqual([]);
});
