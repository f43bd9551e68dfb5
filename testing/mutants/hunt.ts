// Runs a broken build with one seed after the other, until the checkers notice.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { startEmbeddedDeployment } from "../chaos/embedded-deployment.ts";
import { peace, torment } from "../chaos/nemesis.ts";
import { type RunReport, run } from "../chaos/run.ts";
import type { Mutant } from "./mutants.ts";

const LOADER = pathToFileURL(join(import.meta.dirname, "load-mutant.ts")).href;
const AGENTS = 12;
const PEACE_MS = 2_000;
/** How long a broken build may keep its waiters before they count as never told. */
const PATIENCE_MS = 5_000;

export interface Hunt {
  readonly caught: boolean;
  /** How many seeds it took, or were tried. */
  readonly seeds: number;
  /** What the checkers said in the last run: promises that were broken, and "slow". */
  readonly said: readonly string[];
}

/** Runs a mutant with up to `mostSeeds` seeds. Rejects where the broken build cannot be made. */
export async function hunt(mutant: Mutant, mostSeeds: number): Promise<Hunt> {
  for (let seed = 1; ; seed++) {
    const said = wordsOf(await runMutant(mutant, seed));
    const caught = mutant.breaks.some((promise) => said.includes(promise));
    if (caught || seed >= mostSeeds) return { caught, seeds: seed, said };
  }
}

/** One run of a broken build: some kills, more of them by the seed, and some peace. */
export function runMutant({ name }: Mutant, seed: number): Promise<RunReport> {
  return run({
    deploy: (environment) =>
      startEmbeddedDeployment({ ...environment, HIL_MUTANT: name, NODE_OPTIONS: `--import=${LOADER}` }),
    trouble: async (deployment, options) => {
      await torment({ kills: seed, wipes: 0 })(deployment, options);
      // A kill wakes who was forgotten; what is asked now has to be told without one.
      await peace(PEACE_MS)(deployment, options);
    },
    agents: AGENTS,
    seed,
    patienceMs: PATIENCE_MS,
  });
}

/** What a report says against a build. */
export function wordsOf({ violations, resumeMs }: RunReport): string[] {
  const promises = new Set(violations.map(({ promise }) => promise));
  if (resumeMs.over3s > 0) promises.add("slow");
  return [...promises].sort();
}
