// npm run chaos: agents ask, people answer, and processes are killed under them. Prints what it saw and writes a report.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hunt, runMutant, wordsOf } from "../mutants/hunt.ts";
import { BUS_IS_DEAD, MUTANTS } from "../mutants/mutants.ts";
import { startDistributedDeployment } from "./distributed-deployment.ts";
import { startEmbeddedDeployment } from "./embedded-deployment.ts";
import { EVERY_PLACE, everyFailpoint, Reached, startThroughMigrations } from "./failpoint-trouble.ts";
import { torment } from "./nemesis.ts";
import { startRelayDeployment } from "./relay-deployment.ts";
import { dieBetween } from "./relay-failpoints.ts";
import { type RunReport, run } from "./run.ts";

/** How many seeds a broken build may take to be noticed. */
const MOST_SEEDS = 50;
const FORMS = {
  embedded: startEmbeddedDeployment,
  distributed: startDistributedDeployment,
  relay: startRelayDeployment,
};

const { values: options } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    wipes: { type: "string", default: "0" },
    form: { type: "string", default: "embedded" },
    agents: { type: "string", default: "20" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    failpoints: { type: "boolean", default: false },
    rounds: { type: "string", default: "1" },
    mutants: { type: "boolean", default: false },
    out: { type: "string", default: "data/chaos" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(`npm run chaos [-- options]

Runs HIL with agents that ask, a fake vendor and people who answer, breaks it at random, and checks afterwards that
nothing was lost, nothing doubled, and every question ended once. Exits with 1 where it was not so.

  --kills N        how many processes are killed (100)
  --wipes N        how often all that NATS kept is deleted, in the distributed form (0)
  --form FORM      embedded; distributed: a process for each service, with PostgreSQL and NATS; relay: embedded, with the
                   robot behind a relay (embedded)
  --failpoints     instead: breaks the embedded form at every place that the code names; with --form relay kills the relay,
                   its server or both at the places between them, as often as --kills says
  --rounds N       how often each of these places is reached (1)
  --mutants        instead: runs builds that are broken on purpose, until the checkers notice each
  --agents N       how many agents ask at the same time (20)
  --seed N         repeats the plan of an earlier run (random)
  --out FOLDER     where the history and the report go (data/chaos)`);
  process.exit(0);
}
const seed = Number(options.seed);
const onProgress = (line: string) => console.log(`  ${line}`);
mkdirSync(options.out, { recursive: true });

if (options.mutants) process.exitCode = await huntAll();
else if (options.failpoints && options.form === "relay") process.exitCode = await killBetween();
else if (options.failpoints) process.exitCode = await breakEverywhere();
else if (isForm(options.form)) process.exitCode = await killAtRandom(options.form);
else {
  console.error(`--form ${options.form}: there are ${Object.keys(FORMS).join(", ")}`);
  process.exitCode = 2;
}

function isForm(form: string): form is keyof typeof FORMS {
  return Object.hasOwn(FORMS, form);
}

async function killAtRandom(form: keyof typeof FORMS): Promise<number> {
  const [kills, wipes] = [Number(options.kills), Number(options.wipes)];
  console.log(`seed ${seed}: ${kills} kills, ${wipes} wipes …`);
  const name = `${form}-${seed}`;
  const report = await run({
    deploy: FORMS[form],
    trouble: torment({ kills, wipes: form === "distributed" ? wipes : 0 }),
    agents: Number(options.agents),
    seed,
    historyFile: join(options.out, `${name}.jsonl`),
    onProgress,
  });
  return conclude(name, report, isGood(report));
}

async function killBetween(): Promise<number> {
  const name = `relay-failpoints-${seed}`;
  const report = await run({
    deploy: startRelayDeployment,
    trouble: dieBetween({ kills: Number(options.kills) }),
    agents: Number(options.agents),
    seed,
    historyFile: join(options.out, `${name}.jsonl`),
    onProgress,
  });
  return conclude(name, report, isGood(report));
}

async function breakEverywhere(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "hil-failpoints-"));
  const reached = new Reached();
  const name = `failpoints-${seed}`;
  try {
    const report = await run({
      deploy: (environment) => startThroughMigrations(environment, folder, reached),
      trouble: everyFailpoint(reached, { rounds: Number(options.rounds) }),
      agents: Number(options.agents),
      seed,
      historyFile: join(options.out, `${name}.jsonl`),
      onProgress,
    });
    const missed = EVERY_PLACE.filter((place) => !reached.places.has(place));
    return conclude(name, { ...report, places: reached.places.size, missed }, isGood(report) && !missed[0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function huntAll(): Promise<number> {
  const found: object[] = [];
  let allCaught = true;
  for (const mutant of MUTANTS) {
    const { caught, seeds, said } = await hunt(mutant, MOST_SEEDS);
    allCaught &&= caught;
    found.push({ mutant: mutant.name, caught, seeds, said });
    onProgress(
      `${mutant.name}: ${caught ? `noticed with seed ${seeds}` : "NOT NOTICED"} (${said.join(", ")})`,
    );
  }
  const said = wordsOf(await runMutant(BUS_IS_DEAD, 1));
  onProgress(`${BUS_IS_DEAD.name}, which is no fault: ${said.join(", ") || "nothing said"}`);
  return conclude(`mutants-${seed}`, { found, falseAlarms: said }, allCaught && said.length === 0);
}

function isGood({ violations, resumeMs }: RunReport): boolean {
  return violations.length === 0 && resumeMs.over3s === 0;
}

function conclude(name: string, report: object, good: boolean): number {
  const file = join(options.out, `${name}.report.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(JSON.stringify(report, null, 2));
  console.log(`The report is in ${file}.`);
  return good ? 0 : 1;
}
