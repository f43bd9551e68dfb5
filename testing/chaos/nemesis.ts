// What breaks things: by a seed, one thing at a time or several, and mends them again.

import type { Toxic } from "../toxics/toxics.ts";
import type { Link, Target } from "./deployment.ts";
import type { Trouble } from "./run.ts";

const LONGEST_CALM_MS = 1_500;
const SHORTEST_CALM_MS = 300;
const LONGEST_DOWN_MS = 1_000;
const LONGEST_PAUSE_MS = 4_000;
const LONGEST_TOXIC_MS = 3_000;
/** Of a hundred faults: how many are pauses, and how many make a network bad; the others are kills. */
const PAUSES = 15;
const TOXICS = 20;

const WHAT_GOES_BAD: readonly Toxic[] = [
  { kind: "latency", latencyMs: 100, jitterMs: 80 },
  { kind: "bandwidth", bytesPerSecond: 50_000 },
  { kind: "timeout" },
  { kind: "reset_peer" },
  { kind: "slicer", bytes: 7, delayMs: 1 },
  { kind: "limit_data", bytes: 20_000 },
];

type Random = Parameters<Trouble>[1]["random"];
type History = Parameters<Trouble>[1]["history"];

/** Breaks a deployment until `kills` processes were killed and what may be wiped was, `wipes` times. */
export function torment({ kills, wipes }: { kills: number; wipes: number }): Trouble {
  return async ({ targets, links }, { history, random, onProgress }) => {
    const wipeable = targets.filter(({ wipe }) => wipe !== undefined);
    let killed = 0;
    let wiped = 0;
    const wipesDue = () => (kills === 0 ? wipes : Math.ceil((wipes * (killed + 1)) / kills));
    while (killed < kills || (wiped < wipes && wipeable.length > 0)) {
      await calm(SHORTEST_CALM_MS + random.below(LONGEST_CALM_MS - SHORTEST_CALM_MS));
      const draw = random.below(100);
      if (wipeable.length > 0 && wiped < wipesDue() && wiped < wipes) {
        await wipeOf(pick(wipeable, random), random.below(LONGEST_DOWN_MS), history);
        wiped += 1;
      } else if (draw < TOXICS && links.length > 0) {
        await poisonOf(pick(links, random), random, history);
      } else if (draw < TOXICS + PAUSES) {
        await pauseOf(pick(targets, random), random.below(LONGEST_PAUSE_MS), history);
      } else {
        await killOf(pick(targets, random), random.below(LONGEST_DOWN_MS), history);
        killed += 1;
        if (killed % 10 === 0) onProgress(`${killed} kills, ${history.of("asked").length} asked`);
      }
    }
  };
}

/** Nothing breaks, for a while. */
export function peace(ms: number): Trouble {
  return () => calm(ms);
}

const pick = <T>(items: readonly T[], random: Random): T => items[random.below(items.length)]!;

async function killOf(target: Target, downMs: number, history: History): Promise<void> {
  history.add({ kind: "fault", what: "kill", target: target.name });
  await target.kill();
  await calm(downMs);
  await target.restart();
  history.add({ kind: "healed", what: "kill", target: target.name });
}

async function wipeOf(target: Target, downMs: number, history: History): Promise<void> {
  history.add({ kind: "fault", what: "wipe", target: target.name });
  await target.kill();
  target.wipe!();
  await calm(downMs);
  await target.restart();
  history.add({ kind: "healed", what: "wipe", target: target.name });
}

async function pauseOf(target: Target, pauseMs: number, history: History): Promise<void> {
  history.add({ kind: "fault", what: "pause", target: target.name });
  target.pause();
  await calm(pauseMs);
  target.resume();
  history.add({ kind: "healed", what: "pause", target: target.name });
}

async function poisonOf(link: Link, random: Random, history: History): Promise<void> {
  const toxic = pick(WHAT_GOES_BAD, random);
  history.add({ kind: "fault", what: toxic.kind, target: link.name });
  link.poison(toxic);
  await calm(random.below(LONGEST_TOXIC_MS));
  link.heal();
  history.add({ kind: "healed", what: toxic.kind, target: link.name });
}

const calm = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
