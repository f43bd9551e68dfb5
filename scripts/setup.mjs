// Makes a checkout ready to run, from nothing but Node 20 and npm.
//
// S1. Nothing is done twice: with everything in place it starts no program but one `node --version`.
// S2. It says what it does before it does it, on stderr, and shows what failed.
// S3. What is half done is not taken for done: npm writes its record last, and each build its main file.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isInstalled, isStale, markInstalled } from "./freshness.mjs";
import { NODE, npmCommand, outputOf, ROOT, runQuietly } from "./process.mjs";

const LEAST_NODE = 20;
const NODE_THAT_RUNS = 24;

const shared = ["gen/es", "package-lock.json"];

/** What is built from sources: the main file of each build, what it is made of, and the command that makes it. */
const BUILDS = {
  console: {
    says: "Building the web console",
    output: "console/dist/index.html",
    sources: ["console", ...shared],
    args: ["node_modules/vite/bin/vite.js", "build", "console"],
  },
  mcp: {
    says: "Building the MCP server",
    output: "services/mcp-adapter/dist/hil-mcp.mjs",
    sources: ["services/mcp-adapter", "platform", ...shared],
    args: ["services/mcp-adapter/build.mjs"],
  },
};

/**
 * Installs the dependencies where they are missing or out of date, and builds what is named: "console",
 * "mcp". `force` builds what is up to date too. Throws an Error whose message says what to do.
 */
export async function ensureReady({ build = Object.keys(BUILDS), force = false } = {}) {
  requireNode();
  if (!isInstalled(ROOT)) await install();
  await requireNodeThatRuns();
  for (const name of build) {
    const { says, output, sources, args } = BUILDS[name];
    const made = join(ROOT, output);
    const from = sources.map((source) => join(ROOT, source));
    if (!force && !isStale(made, from)) continue;
    say(`${says} …`);
    await runQuietly(NODE, args, { failure: `${says} failed; what it said is above` });
    if (!existsSync(made)) throw new Error(`${says} ended well but left no ${output}`);
  }
}

/** Prints an error of a script as its sentence alone, and ends the process with 1. */
export function fail(error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

/** Says what is going on. On stderr: stdout belongs to what is run. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

function requireNode() {
  const major = Number(process.versions.node.split(".", 1)[0]);
  if (major < LEAST_NODE) {
    throw new Error(
      `Node ${process.versions.node} is too old: install Node ${LEAST_NODE} or later from https://nodejs.org and run this again`,
    );
  }
}

async function install() {
  const [npm, ...first] = npmCommand();
  if (outputOf(npm, [...first, "--version"]) === undefined) {
    throw new Error("npm was not found: it comes with Node from https://nodejs.org; put it on the PATH");
  }
  say("Installing the dependencies (npm install), about a minute the first time …");
  // Not "npm ci": it refuses a lock file that lacks optional packages of other platforms, as one has that was made
  // with a registry that holds only some. "--no-save" installs what the lock file says and leaves it as it is.
  await runQuietly(npm, [...first, "install", "--no-save", "--no-audit", "--no-fund"], {
    failure:
      "npm install failed; what it said is above. With a proxy, set https_proxy; offline, use a registry that you reach",
  });
  markInstalled(ROOT);
}

/** npm may be told not to run install scripts, and then the package `node` is there without its program. */
async function requireNodeThatRuns() {
  if (nodeRuns()) return;
  say(`Fetching Node ${NODE_THAT_RUNS} (npm package "node") …`);
  await runQuietly(process.execPath, ["installArchSpecificPackage.js"], {
    cwd: join(ROOT, "node_modules", "node"),
    failure: `Node ${NODE_THAT_RUNS} could not be fetched; what was said is above. Run "npm rebuild node" and try again`,
  });
  if (!nodeRuns()) {
    throw new Error(
      `${NODE} does not run on this machine: delete node_modules and try again, or install Node ${NODE_THAT_RUNS} from https://nodejs.org`,
    );
  }
}

function nodeRuns() {
  return existsSync(NODE) && outputOf(NODE, ["--version"])?.startsWith(`v${NODE_THAT_RUNS}.`) === true;
}
