// npm run networks: the relay's program on a host of its own, whose line to HIL goes bad in every way. Prints what it
// saw, and ends with 1 where something was lost or shown twice, or a goal was missed (G8).

import { parseArgs } from "node:util";
import { runTrial, type Trial, type TrialReport } from "./trial.ts";

const MOST_DETECTED_MS = 10_000;
const MOST_CPU_PERCENT = 50;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "1" },
    only: { type: "string" },
    outage: { type: "string", default: "30" },
    program: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(`npm run networks [-- options]

Runs the relay in a network namespace and makes its line to HIL bad: cut both ways, one way, the other way, with HIL
killed and started again meanwhile, reset every other 2 s, slowed to 64 kbit/s, and cut for long. Needs root, iproute2 and iptables.

  --rounds N       how often each (1)
  --only NAME      one trial alone, by its name
  --outage S       how long the long cut lasts, in seconds (30)
  --program PATH   the executable file instead of the sources`);
  process.exit(0);
}
const outageMs = Number(options.outage) * 1000;
const trials: readonly Trial[] = [
  { name: "cut both ways", kind: "trouble", trouble: { kind: "cut" }, forMs: 14_000 },
  { name: "cut outwards", kind: "trouble", trouble: { kind: "cut_out" }, forMs: 14_000 },
  { name: "cut inwards", kind: "trouble", trouble: { kind: "cut_in" }, forMs: 14_000 },
  { name: "short cut", kind: "trouble", trouble: { kind: "cut" }, forMs: 3_000 },
  { name: "half open", kind: "half-open", forMs: 14_000 },
  { name: "flapping", kind: "flapping", forMs: 20_000 },
  { name: "64 kbit/s", kind: "trouble", trouble: { kind: "slow", bitsPerSecond: 64_000 }, forMs: 10_000 },
  { name: "a backlog over 64 kbit/s", kind: "backlog", bitsPerSecond: 64_000, forMs: 12_000 },
  { name: `cut for ${options.outage} s`, kind: "trouble", trouble: { kind: "cut" }, forMs: outageMs },
];
const chosen = trials.filter(({ name }) => options.only === undefined || name === options.only);
if (chosen.length === 0) {
  console.error(`no trial is named ${options.only}; there are: ${trials.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
let good = true;
for (let round = 0; round < Number(options.rounds); round++) {
  for (const trial of chosen) {
    const report = await runTrial(trial, options.program === undefined ? {} : { program: options.program });
    const missed = missedOf(report, trial.forMs);
    good &&= missed.length === 0;
    console.log(JSON.stringify({ ...report, ...(missed.length > 0 ? { missed } : {}) }));
  }
}
process.exitCode = good ? 0 : 1;

function missedOf(report: TrialReport, forMs: number): string[] {
  const { lost, unshown, unanswered, copies, detectedMs = 0, detectedByHilMs = 0 } = report;
  const mostFirstMs = forMs <= 60_000 ? 2_000 : forMs <= 600_000 ? 6_000 : 20_000;
  return [
    ...(lost + unshown + unanswered > 0 ? ["something was lost"] : []),
    ...(copies > 0 ? ["something was there twice"] : []),
    ...(Math.max(detectedMs, detectedByHilMs) > MOST_DETECTED_MS ? ["it was noticed late"] : []),
    ...(Math.max(report.firstMs, report.firstShownMs) > mostFirstMs ? ["the first message came late"] : []),
    ...(report.cpuPercent >= MOST_CPU_PERCENT ? ["it used much of a processor"] : []),
  ];
}
