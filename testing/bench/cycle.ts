// How much HIL costs above the least that a durable ask-answer-wake can cost.
//
// The floor (floor-server.ts) is measured in the same run, before and after, so that ratios hold on any machine.

import { type HilSubject, type Subject, startFloor } from "./subject.ts";

export interface CycleOptions {
  readonly startHil: () => Promise<HilSubject>;
  /** How long each measurement runs. */
  readonly runMs: number;
  /** How many waits are parked. */
  readonly parked: number;
  /** Prints the figures as JSON. */
  readonly json: boolean;
}

interface Figures {
  /** From sending an answer to the waiter having it, one at a time; milliseconds. */
  readonly answerP50: number;
  readonly answerP99: number;
  /** Create, wait and answer, one after the other; milliseconds. */
  readonly cycleP50: number;
  /** Cycles a second with 64 in flight. */
  readonly cyclesPerSecond: number;
  /** Resident bytes for each parked wait. */
  readonly bytesPerWait: number;
  /** From sending an answer to one replica to the waiter at another having it; milliseconds. The floor has one process. */
  readonly acrossP50?: number;
  readonly acrossP99?: number;
}

const percentile = (sorted: number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;

/** One full cycle; the time from sending the answer to the waiter having it. */
async function cycle(subject: Subject): Promise<number> {
  const id = await subject.ask();
  const waiting = subject.wait(id);
  const sent = performance.now();
  let resumed = 0;
  await Promise.all([
    waiting.then(() => {
      resumed = performance.now();
    }),
    subject.answer(id),
  ]);
  return resumed - sent;
}

async function oneAtATime(subject: Subject, ms: number) {
  const answers: number[] = [];
  const cycles: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const start = performance.now();
    answers.push(await cycle(subject));
    cycles.push(performance.now() - start);
  }
  answers.sort((a, b) => a - b);
  cycles.sort((a, b) => a - b);
  return {
    answerP50: percentile(answers, 0.5),
    answerP99: percentile(answers, 0.99),
    cycleP50: percentile(cycles, 0.5),
  };
}

/** From sending an answer to one replica to the waiter at another having it; milliseconds. */
async function wakesAcross(
  ask: Subject["ask"],
  { wait, answer }: Pick<Subject, "wait" | "answer">,
  ms: number,
): Promise<number[]> {
  const wakes: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const id = await ask();
    const waiting = wait(id);
    await new Promise((resolve) => setTimeout(resolve, 20)); // so that it waits, and is not just read
    const sent = performance.now();
    const answering = answer(id);
    await waiting;
    wakes.push(performance.now() - sent);
    await answering;
  }
  return wakes.sort((a, b) => a - b);
}

async function inFlight(subject: Subject, count: number, ms: number): Promise<number> {
  let done = 0;
  const start = performance.now();
  const end = start + ms;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() < end) {
        await cycle(subject);
        done += 1;
      }
    }),
  );
  return (done / (performance.now() - start)) * 1000;
}

async function parkedBytes(subject: Subject, count: number): Promise<number> {
  const ids: string[] = [];
  for (let start = 0; start < count; start += 500) {
    ids.push(
      ...(await Promise.all(Array.from({ length: Math.min(500, count - start) }, () => subject.ask()))),
    );
  }
  await settled();
  const before = await subject.memory();
  const waits = ids.map((id) => subject.wait(id));
  await settled();
  const after = await subject.memory();
  for (let start = 0; start < count; start += 500) {
    await Promise.all(ids.slice(start, start + 500).map((id) => subject.answer(id)));
  }
  await Promise.all(waits);
  return (after - before) / count;
}

/** Long enough for a server to take what is on the wire and for its sweep to pass. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 3_000));

async function measure(
  start: () => Promise<Subject & Pick<HilSubject, "acrossReplicas">>,
  { runMs, parked }: CycleOptions,
): Promise<Figures> {
  await using subject = await start();
  process.stderr.write(`${subject.name}: warming up …`);
  await inFlight(subject, 64, 6_000);
  process.stderr.write(" one at a time …");
  const single = await oneAtATime(subject, runMs);
  process.stderr.write(" 64 in flight …");
  const cyclesPerSecond = await inFlight(subject, 64, runMs);
  let acrossReplicas = {};
  if (subject.acrossReplicas) {
    process.stderr.write(" across replicas …");
    const wakes = await wakesAcross(subject.ask, subject.acrossReplicas, runMs);
    acrossReplicas = { acrossP50: percentile(wakes, 0.5), acrossP99: percentile(wakes, 0.99) };
  }
  process.stderr.write(` ${parked} parked …`);
  await using fresh = await start();
  const bytesPerWait = await parkedBytes(fresh, parked);
  process.stderr.write(" done\n");
  return { ...single, ...acrossReplicas, cyclesPerSecond, bytesPerWait };
}

/** Measures and prints. */
export async function benchCycle(options: CycleOptions): Promise<void> {
  const floorBefore = await measure(startFloor, options);
  const hil = await measure(options.startHil, options);
  const floorAfter = await measure(startFloor, options);
  const floor = Object.fromEntries(
    (Object.keys(floorBefore) as (keyof Figures)[]).map((key) => [
      key,
      (floorBefore[key]! + floorAfter[key]!) / 2,
    ]),
  ) as unknown as Figures;

  if (options.json) {
    console.log(JSON.stringify({ floorBefore, floorAfter, hil }, null, 2));
  } else {
    const row = (name: string, key: keyof Figures, digits: number, unit: string) => {
      const [ours, least] = [hil[key], floor[key]];
      if (ours === undefined) return;
      const beside = least === undefined ? "–" : least.toFixed(digits);
      const ratio = least === undefined ? "" : `${(ours / least).toFixed(2).padStart(6)}×`;
      console.log(
        `${name.padEnd(34)} ${ours.toFixed(digits).padStart(9)} ${beside.padStart(9)} ${unit.padEnd(9)} ${ratio}`.trimEnd(),
      );
    };
    console.log(
      `\n${"".padEnd(34)} ${"HIL".padStart(9)} ${"floor".padStart(9)} ${"".padEnd(9)} ${"ratio".padStart(7)}`,
    );
    row("answer → waiter resumed, p50", "answerP50", 2, "ms");
    row("answer → waiter resumed, p99", "answerP99", 2, "ms");
    row("create → answer → resumed, p50", "cycleP50", 2, "ms");
    row("wake across replicas, p50", "acrossP50", 2, "ms");
    row("wake across replicas, p99", "acrossP99", 2, "ms");
    row("64 in flight", "cyclesPerSecond", 0, "cycles/s");
    row(`${options.parked} parked waits`, "bytesPerWait", 0, "bytes");
  }
}
