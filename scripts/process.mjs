// Runs other programs for the scripts: quietly, with their output kept for when they fail, or in the open.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node that runs HIL. It comes with the dependencies, so that the machine's own may be an older one. */
export const NODE = join(
  ROOT,
  "node_modules",
  "node",
  "bin",
  process.platform === "win32" ? "node.exe" : "node",
);

/** The environment in which installed programs find each other and that Node. */
export function toolEnvironment() {
  const path = `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`;
  return { ...process.env, PATH: path };
}

/** The npm that runs this script, else the one on the PATH: a program and its first arguments. */
export function npmCommand() {
  const script = process.env.npm_execpath;
  if (script?.endsWith(".js") && existsSync(script)) return [process.execPath, script];
  return process.platform === "win32" ? ["cmd", "/c", "npm"] : ["npm"];
}

/** What a program prints to stdout, or undefined where it is missing or fails. */
export function outputOf(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    env: toolEnvironment(),
    ...options,
  });
  return result.status === 0 ? result.stdout : undefined;
}

/**
 * Runs a program without showing what it prints; a line on stderr says every 10 s that it is still at it. When it
 * fails, what it printed is shown, and the promise rejects with `failure`, a sentence that says what to do.
 */
export async function runQuietly(command, args, { failure, cwd = ROOT }) {
  const started = Date.now();
  const still = setInterval(() => {
    process.stderr.write(`  still at it, ${Math.round((Date.now() - started) / 1000)} s\n`);
  }, 10_000);
  const printed = [];
  const ending = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: toolEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (chunk) => printed.push(chunk));
    child.stderr.on("data", (chunk) => printed.push(chunk));
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(code === 0 ? undefined : `it ended with ${signal ?? code}`));
  });
  clearInterval(still);
  if (ending === undefined) return;
  process.stderr.write(Buffer.concat(printed));
  throw new Error(`${failure} (${ending})`);
}

/** Runs a program in the open. Resolves to how it ended: 0 for well, 128 and the signal's number for a signal. */
export async function runOpenly(command, args, { cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: toolEnvironment(), stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
