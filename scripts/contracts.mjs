// Checks on the contracts that no single tool does alone: against an earlier commit, and against gen/.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODE, outputOf, ROOT, runOpenly } from "./process.mjs";

const BUF = "node_modules/@bufbuild/buf/bin/buf";

/** Runs buf. Resolves to its exit code. */
export const buf = (...args) => runOpenly(NODE, [BUF, ...args]);

/**
 * Compares the contracts with what was published before. Resolves to an exit code, and to 0 with a sentence where
 * the history holds nothing earlier, as in the first commit and in a shallow clone.
 */
export async function checkBreaking() {
  const base = earlierContracts();
  if (!base) {
    console.log("There is no earlier commit with contracts here to compare with.");
    return 0;
  }
  console.log(`Compared with ${base.name}.`);
  return inTemporaryFolder(async (folder) => {
    const archive = join(folder, "earlier.tar");
    const made = outputOf("git", [
      "archive",
      "--format=tar",
      "-o",
      archive,
      base.commit,
      "buf.yaml",
      "proto",
    ]);
    if (made === undefined) throw new Error(`git could not read buf.yaml and proto of ${base.name}`);
    return buf("breaking", "--against", archive);
  });
}

/** Main, where the contracts here differ from it; else the commit before the one that last changed them. */
function earlierContracts() {
  const commitOf = (ref) =>
    outputOf("git", ["rev-parse", "-q", "--verify", `${ref}^{commit}`], quiet)?.trim();
  const hasContracts = (commit) =>
    outputOf("git", ["cat-file", "-e", `${commit}:proto/hil`], quiet) !== undefined;
  for (const ref of ["main", "origin/main"]) {
    const commit = commitOf(ref);
    if (!commit || !hasContracts(commit)) continue;
    const same = outputOf("git", ["diff", "--quiet", commit, "--", "proto"], quiet) !== undefined;
    if (!same) return { commit, name: ref };
  }
  const lastChange = outputOf("git", ["log", "-1", "--format=%H", "--", "proto"], quiet)?.trim();
  const before = lastChange && commitOf(`${lastChange}^`);
  return before && hasContracts(before)
    ? { commit: before, name: `${before.slice(0, 7)}, before the last change of proto` }
    : undefined;
}

const quiet = { stdio: ["ignore", "pipe", "ignore"] };

/** Generates anew beside gen/es and compares. Resolves to an exit code. */
export async function checkGenerated() {
  return inTemporaryFolder(async (folder) => {
    const code = await buf("generate", "-o", folder);
    if (code !== 0) return code;
    const differing = differences(join(folder, "gen", "es"), join(ROOT, "gen", "es"));
    if (differing.length === 0) return 0;
    console.log(
      `gen/es is not what proto/ generates. Run "npm run generate" and commit both. It differs in:`,
    );
    for (const name of differing) console.log(`  ${name}`);
    return 1;
  });
}

function differences(fresh, kept) {
  const [made, there] = [filesIn(fresh), filesIn(kept)];
  const names = [...new Set([...made, ...there])].sort();
  return names.filter(
    (name) =>
      !made.includes(name) ||
      !there.includes(name) ||
      !readFileSync(join(fresh, name)).equals(readFileSync(join(kept, name))),
  );
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

async function inTemporaryFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), "hil-contracts-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
