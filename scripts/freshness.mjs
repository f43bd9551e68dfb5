// Tells whether something made from other files must be made again.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NOT_SOURCES = new Set(["node_modules", "dist", "browser"]);

/** True where `output` is missing or older than any of `sources`: files, or folders with all that is in them. */
export function isStale(output, sources) {
  const made = modifiedMs(output);
  return made === undefined || sources.some((source) => newestMs(source) > made);
}

/** A folder's own time counts too: it moves when a file is deleted or renamed. Tests count for nothing. */
function newestMs(path) {
  let stats;
  try {
    stats = statSync(path);
  } catch {
    return 0; // an optional source that is not there
  }
  if (!stats.isDirectory()) return stats.mtimeMs;
  let newest = stats.mtimeMs;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (NOT_SOURCES.has(entry.name) || /\.test\.tsx?$/.test(entry.name)) continue;
    newest = Math.max(newest, newestMs(join(path, entry.name)));
  }
  return newest;
}

/**
 * True where `node_modules` holds what `package-lock.json` asks for on this kind of machine. The stamp
 * is ours; npm's own record counts too, so that a person who ran npm by hand does not install twice.
 */
export function isInstalled(root) {
  const wanted = stampOf(root);
  const stamp = readText(stampFile(root));
  if (stamp === wanted) return true;
  const otherMachine = stamp !== undefined && stamp.split(" ")[1] !== wanted.split(" ")[1];
  const recorded = modifiedMs(join(root, "node_modules", ".package-lock.json"));
  const asked = modifiedMs(join(root, "package-lock.json"));
  if (otherMachine || recorded === undefined || recorded < asked) return false;
  markInstalled(root);
  return true;
}

/** Remembers that `node_modules` holds what `package-lock.json` asks for now. */
export function markInstalled(root) {
  writeFileSync(stampFile(root), stampOf(root));
}

function stampFile(root) {
  return join(root, "node_modules", ".hil-installed");
}

function stampOf(root) {
  const lock = readFileSync(join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}`;
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function modifiedMs(file) {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return undefined;
  }
}
