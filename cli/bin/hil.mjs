#!/usr/bin/env node
// Starts the command line on a Node that runs TypeScript as it stands: this one, or the checkout's own.
// Plain JavaScript, so that an older Node can read it. Signals pass on and the exit code is kept.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LEAST_NODE = 24;
const main = fileURLToPath(new URL("../main.ts", import.meta.url));

if (Number(process.versions.node.split(".", 1)[0]) >= LEAST_NODE) {
  await import("../main.ts");
} else {
  const program = process.platform === "win32" ? "node.exe" : "node";
  const node = join(fileURLToPath(new URL("../..", import.meta.url)), "node_modules", "node", "bin", program);
  if (existsSync(node)) runOn(node);
  else tellWhatIsMissing();
}

function runOn(node) {
  const child = spawn(node, [...process.execArgv, main, ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal sends Ctrl-C to both; what comes from elsewhere reaches only us. The program takes two for one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(
      `${node} does not run (${error.message}): delete node_modules and run npm start again\n`,
    );
    process.exitCode = 1;
  });
  child.on("close", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

function tellWhatIsMissing() {
  process.stderr.write(
    `hil needs Node ${LEAST_NODE}, and this is ${process.versions.node}: run "npm install" in the checkout, which brings it, or install Node ${LEAST_NODE}\n`,
  );
  process.exitCode = 1;
}
