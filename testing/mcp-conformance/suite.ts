// Runs the official conformance suite and reads what it found.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parse } from "yaml";

const PACKAGE = dirname(
  createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json"),
);

/** A revision of the protocol of which the suite has a frozen list of scenarios. */
export type Revision = "2025-11-25" | "2026-07-28";

export interface ScenarioResult {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Runs every scenario of a revision against a server, those of extensions and the pending ones included. A scenario that
 * the suite left out has passed 0 and failed 0 checks.
 */
export async function runConformance(url: string, revision: Revision): Promise<Map<string, ScenarioResult>> {
  const program = join(PACKAGE, "dist", "index.js");
  const args = [program, "server", "--url", url, "--requirements", revision];
  // It ends with 1 where any scenario failed, which is for the caller to judge.
  const said = await new Promise<string>((resolve) => {
    const options = { env: { PATH: process.env.PATH, NO_COLOR: "1" }, maxBuffer: 32 * 1024 * 1024 };
    execFile(process.execPath, args, options, (_error, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
  const [, summary] = said.split("=== SUMMARY ===");
  if (summary === undefined) throw new Error(`the suite did not come to its summary:\n${said.slice(-2000)}`);
  const lines = summary.matchAll(/^[✓✗~!⚠] (\S+): (\d+) passed, (\d+) failed/gm);
  return new Map(
    [...lines].map(([, name, passed, failed]) => [name!, { passed: +passed!, failed: +failed! }]),
  );
}

/** The scenarios that a server of a revision must pass, as the suite's own list has them. */
export function requiredScenarios(revision: Revision): string[] {
  const list = parse(readFileSync(join(PACKAGE, "requirements", `${revision}.yaml`), "utf8"));
  return list.server;
}

/** The names of those that failed, or of which nothing was checked. */
export function notPassed(results: ReadonlyMap<string, ScenarioResult>): string[] {
  return [...results].filter(([, { passed, failed }]) => failed > 0 || passed === 0).map(([name]) => name);
}
