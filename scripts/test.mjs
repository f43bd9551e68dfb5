// npm test: everything that must hold before a change is taken, in the order in which it fails fastest.
// Arguments go to vitest: `npm test -- services/session`. CI runs this and nothing else.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireChromium } from "./chromium.mjs";
import { buf, checkBreaking, checkGenerated } from "./contracts.mjs";
import { requireForeignClient } from "./foreign-client.mjs";
import { requireInspector } from "./inspector.mjs";
import { NODE, runOpenly } from "./process.mjs";
import { requireServers } from "./servers.mjs";
import { ensureReady, fail } from "./setup.mjs";

const started = Date.now();
const tool = (file, ...args) => runOpenly(NODE, [`node_modules/${file}`, ...args]);

const steps = [
  ["Contracts: lint", () => buf("lint")],
  ["Contracts: format", () => buf("format", "-d", "--exit-code")],
  ["Contracts: nothing that breaks earlier clients", checkBreaking],
  ["Contracts: gen/es is up to date", checkGenerated],
  ["Code: lint and format", () => tool("@biomejs/biome/bin/biome", "ci")],
  ["Code: types", () => tool("typescript/bin/tsc", "--noEmit", "-p", ".")],
  ["Builds", () => ensureReady({ force: true }).then(() => 0)],
  ["Tests", () => tool("vitest/vitest.mjs", "run", ...process.argv.slice(2))],
];

try {
  await ensureReady({ build: [] });
  process.env.HIL_CHROMIUM = await requireChromium();
  await requireServers();
  await requireForeignClient();
  await requireInspector();
  // Tests start hundreds of processes; what each compiles is the same.
  process.env.NODE_COMPILE_CACHE ??= mkdtempSync(join(tmpdir(), "hil-test-compiled-"));
  for (const [title, run] of steps) {
    console.log(`\n── ${title}`);
    const code = await run();
    if (code !== 0) fail(`${title}: failed after ${elapsed()}. Nothing after it was run.`);
  }
  console.log(`── All of it holds. It took ${elapsed()}.`);
} catch (error) {
  fail(error);
}

function elapsed() {
  const seconds = Math.round((Date.now() - started) / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
