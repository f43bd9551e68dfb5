// Brings the MCP Inspector, which one test looks at the server with. It has a folder and a lock file of its own.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isInstalled, markInstalled } from "./freshness.mjs";
import { npmCommand, ROOT, runQuietly } from "./process.mjs";
import { say } from "./setup.mjs";

const FOLDER = join(ROOT, "testing", "mcp-inspector");
const PROGRAM = join(FOLDER, "node_modules", ".bin", "mcp-inspector");

/** Installs it where it is missing or out of date. Throws an Error whose message says what to do. */
export async function requireInspector() {
  if (existsSync(PROGRAM) && isInstalled(FOLDER)) return;
  say("Installing the MCP Inspector for its test (npm install in testing/mcp-inspector) …");
  const [npm, ...first] = npmCommand();
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
  await runQuietly(npm, [...first, "install", ...quiet], {
    cwd: FOLDER,
    failure:
      "npm install in testing/mcp-inspector failed; what it said is above. Run npm test again when npm works",
  });
  markInstalled(FOLDER);
}
