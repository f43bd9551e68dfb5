#!/usr/bin/env node
// Runs the bundled adapter on a Node that is new enough: this one, or the one that the checkout brought.

import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What the bundle is built for: "engines" of package.json. */
const LEAST_NODE = [20, 18, 1];

// npx starts this file through a link, and the checkout is where the file is.
const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const checkout = join(here, "..", "..", "..");
const bundle = join(here, "..", "dist", "hil-mcp.mjs");

if (!existsSync(bundle)) {
  fail(`the adapter is not built yet: run "npm start" or "npm run build" once in ${checkout}`);
} else if (isNewEnough(process.versions.node)) {
  await import(pathToFileURL(bundle).href);
} else {
  const node = join(
    checkout,
    "node_modules",
    "node",
    "bin",
    process.platform === "win32" ? "node.exe" : "node",
  );
  if (existsSync(node)) runWith(node);
  else fail(`Node ${process.versions.node} is too old: install Node ${LEAST_NODE.join(".")} or newer`);
}

function isNewEnough(version) {
  const parts = version.split(".").map(Number);
  const different = LEAST_NODE.findIndex((least, index) => parts[index] !== least);
  return different < 0 || parts[different] > LEAST_NODE[different];
}

function runWith(node) {
  const child = spawn(node, [bundle, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(error.message));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

function fail(sentence) {
  process.stderr.write(`hil-mcp: ${sentence}\n`);
  process.exitCode = 1;
}
