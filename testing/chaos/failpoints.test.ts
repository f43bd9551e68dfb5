import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EVERY_PLACE, everyFailpoint, Reached, startThroughMigrations } from "./failpoint-trouble.ts";
import { run } from "./run.ts";

test("F2, I1–I8: dying, failing or standing still at any named place loses nothing, doubles nothing and ends nothing twice", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hil-failpoints-"));
  try {
    const reached = new Reached();
    const report = await run({
      deploy: (environment) => startThroughMigrations(environment, folder, reached),
      trouble: everyFailpoint(reached, { rounds: 1 }),
      agents: 8,
      seed: 1,
    });
    expect(report.violations).toEqual([]);
    expect(EVERY_PLACE.filter((place) => !reached.places.has(place))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
