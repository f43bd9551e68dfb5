// Reaches every failpoint of the embedded form with every action, under load and on one data folder.
//
// Q1. The process dies at one place after the other; errors and delays come from all places of one process.
// Q2. The last process is not started again after the errors it met: what one of them left behind has to be put right
//     without that.
// Q3. A place that is not reached fails the run: a failpoint that nothing comes by tests nothing.

import { FAILPOINTS, type FailpointName } from "@hil/platform/failpoints/failpoints.ts";
import { type EmbeddedDeployment, startEmbeddedDeployment } from "./embedded-deployment.ts";
import type { Trouble } from "./run.ts";

const ACTIONS = ["exit", "throw", "delay"] as const;
type Action = (typeof ACTIONS)[number];

const DELAY_MS = 200;
/** How long places may take to be reached. */
const REACH_PATIENCE_MS = 30_000;
const LOOK_MS = 10;
/** Reached so seldom that the first time has to do. */
const SELDOM: readonly FailpointName[] = ["sweep.before_read", "outbox.before_confirm"];
const MOST_PASSES = 3;
/** An error at these ends the process, as any that nobody can answer for. */
const FATAL_ERRORS: readonly FailpointName[] = ["sqlite.after_commit", "vendor.after_ok"];

const ALL = Object.keys(FAILPOINTS) as FailpointName[];
const named = (prefix: string) => ALL.filter((name) => name.startsWith(prefix));
const AT_START = named("migration.");
const AT_STOP = named("drain.");
const OF_OTHER_FORMS = [...named("postgres."), ...named("relay."), ...named("relayed.")];
const UNDER_LOAD = ALL.filter((name) => ![...AT_START, ...AT_STOP, ...OF_OTHER_FORMS].includes(name));

const placeOf = (name: FailpointName, action: Action) => `${name}: ${action}`;

/** Every place of the embedded form with every action: "inbox.after_add: exit". */
export const EVERY_PLACE: readonly string[] = [...UNDER_LOAD, ...AT_START, ...AT_STOP].flatMap((name) =>
  ACTIONS.map((action) => placeOf(name, action)),
);

/** What processes said of the places that they reached. */
export class Reached {
  readonly places = new Set<string>();
  #recent = new Set<string>();

  /** Reads what a process wrote. */
  read(text: string): void {
    for (const [, place] of text.matchAll(/^failpoint ([a-z_.]+: [a-z]+)$/gm)) {
      this.places.add(place!);
      this.#recent.add(place!);
    }
  }

  /** Forgets what was recent. */
  begin(): void {
    this.#recent = new Set();
  }

  isRecent(place: string): boolean {
    return this.#recent.has(place);
  }
}

/** Starts on a new folder, through every failure of its migrations. */
export async function startThroughMigrations(
  environment: Record<string, string>,
  folder: string,
  reached: Reached,
): Promise<EmbeddedDeployment> {
  const onErrorOutput = (text: string) => reached.read(text);
  const failing = (names: readonly FailpointName[], action: Action) =>
    startEmbeddedDeployment(
      { ...environment, ...armed(names.map((name) => entryOf(name, action, 1))) },
      { folder, onErrorOutput },
    );
  for (const action of ["exit", "throw"] as const) {
    for (const name of AT_START) {
      const started = await failing([name], action).catch(() => undefined);
      if (!started) continue;
      await started[Symbol.asyncDispose]();
      throw new Error(`a start went on past ${placeOf(name, action)}`);
    }
  }
  await using delayed = await failing(AT_START, "delay");
  await delayed.server.kill("SIGTERM");
  return startEmbeddedDeployment(environment, { folder, onErrorOutput });
}

/** Reaches the other places, `rounds` times. `exits`: at which of them the process dies in a round. */
export function everyFailpoint(
  reached: Reached,
  { rounds, exits = UNDER_LOAD }: { rounds: number; exits?: readonly FailpointName[] },
): Trouble<EmbeddedDeployment> {
  return async (deployment, { history, random, onProgress }) => {
    const passes = (name: FailpointName) => (SELDOM.includes(name) ? 1 : 1 + random.below(MOST_PASSES));
    const reach = async (names: readonly FailpointName[], action: Action) => {
      const left = new Map(names.map((name) => [placeOf(name, action), entryOf(name, action, passes(name))]));
      const drop = () => {
        for (const place of left.keys()) if (reached.isRecent(place)) left.delete(place);
      };
      reached.begin();
      for (const end = Date.now() + REACH_PATIENCE_MS; left.size > 0; ) {
        if (Date.now() > end)
          throw new Error(`these places were not reached: ${[...left.keys()].join(", ")}`);
        await restart(deployment, armed([...left.values()]), history);
        let gone = false;
        void deployment.server.ended.then(() => {
          gone = true;
        });
        while (!gone && left.size > 0 && Date.now() < end) {
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
          drop();
        }
        drop();
      }
    };
    const stopAt = async (name: FailpointName, action: Action) => {
      await restart(deployment, armed([entryOf(name, action, 1)]), history);
      await deployment.server.kill("SIGTERM");
    };
    for (let round = 1; round <= rounds; round++) {
      for (const name of exits) await reach([name], "exit");
      onProgress(`round ${round}: died at ${exits.length} places`);
      for (const name of AT_STOP) for (const action of ACTIONS) await stopAt(name, action);
      await reach(UNDER_LOAD, "delay");
      await reach(FATAL_ERRORS, "throw");
      await reach(
        UNDER_LOAD.filter((name) => !FATAL_ERRORS.includes(name)),
        "throw",
      );
      onProgress(`round ${round}: errors and delays at ${UNDER_LOAD.length} places`);
    }
  };
}

/** Starts it again. Where it dies at once, `ended` of its process says so. */
async function restart(
  deployment: EmbeddedDeployment,
  environment: Record<string, string>,
  history: Parameters<Trouble>[1]["history"],
): Promise<void> {
  history.add({ kind: "fault", what: "failpoint", target: environment.HIL_FAIL ?? "none" });
  await deployment.server.kill();
  try {
    await deployment.start(environment);
  } catch (error) {
    if (!environment.HIL_FAIL) throw error; // an armed one may well die before it listens
  }
  history.add({ kind: "healed", what: "failpoint", target: "hil" });
}

function entryOf(name: FailpointName, action: Action, pass: number): string {
  return `${name}:${action === "delay" ? `delay=${DELAY_MS}` : action}@${pass}`;
}

function armed(entries: readonly string[]): Record<string, string> {
  return { HIL_TESTING: "1", HIL_FAIL: entries.join(",") };
}
