// Many calls that wait at once: what they take, how fast they wake, and that they outlive their process.

import { setTimeout as pause } from "node:timers/promises";
import type { HilSubject } from "./subject.ts";

const BATCH = 500;
/** Long enough for a server to take what is on the wire and for its sweep to pass. */
const SETTLE_MS = 3_000;
const SINGLE_WAKES = 300;
const MEBIBYTE = 1024 * 1024;

export interface WaiterFigures {
  readonly waits: number;
  /** Resident memory of the largest process that keeps waits, with all of them parked. */
  readonly megabytes: number;
  /** From sending an answer to the one wait that it ends; milliseconds. */
  readonly wakeOneP50: number;
  readonly wakeOneP99: number;
  /** From sending one answer until the last of all waits has it; milliseconds. */
  readonly wakeAll: number;
  /** From killing every process that keeps waits until all of them had their answer; milliseconds. */
  readonly afterKill: number;
  /** Waits that ended with their answer: three times as many, or something was lost. */
  readonly answered: number;
}

/** Measures and prints. */
export async function benchWaiters({
  startHil,
  parked,
}: {
  startHil: () => Promise<HilSubject>;
  parked: number;
}): Promise<void> {
  await using hil = await startHil();
  const found = await measureWaiters(hil, parked);
  for (const [name, value] of Object.entries(found)) console.log(`${name.padEnd(34)} ${value}`);
}

/** Measures `count` waits, each for a question of its own, then for one question, then for one over a kill. */
export async function measureWaiters(hil: HilSubject, count: number): Promise<WaiterFigures> {
  let answered = 0;
  const wait = async (id: string) => {
    await persistently(() => hil.wait(id));
    answered += 1;
  };
  const parked = async (ids: readonly string[]) => {
    const waits = ids.map(wait);
    await pause(SETTLE_MS);
    return waits;
  };

  const ids: string[] = [];
  for (let start = 0; start < count; start += BATCH) {
    ids.push(...(await together(Math.min(BATCH, count - start), () => hil.ask())));
  }
  const waits = await parked(ids);
  const bytes = Math.max(...hil.waitingProcesses());
  const wakes: number[] = [];
  for (const [index, id] of ids.entries()) {
    if (index === SINGLE_WAKES) break;
    const sent = performance.now();
    await Promise.all([waits[index], hil.answer(id)]);
    wakes.push(performance.now() - sent);
  }
  wakes.sort((a, b) => a - b);
  for (let start = wakes.length; start < count; start += BATCH) {
    await Promise.all(ids.slice(start, start + BATCH).map((id) => hil.answer(id)));
  }
  await Promise.all(waits);

  const question = await hil.ask();
  const all = await parked(Array<string>(count).fill(question));
  const sent = performance.now();
  await Promise.all([hil.answer(question), ...all]);
  const wakeAll = performance.now() - sent;

  const survivor = await hil.ask();
  const surviving = await parked(Array<string>(count).fill(survivor));
  const killed = performance.now();
  await hil.restart();
  await persistently(() => hil.answer(survivor));
  await Promise.all(surviving);
  return {
    waits: count,
    megabytes: Math.round(bytes / MEBIBYTE),
    wakeOneP50: round(wakes[wakes.length >> 1]!),
    wakeOneP99: round(wakes[Math.floor(wakes.length * 0.99)]!),
    wakeAll: round(wakeAll),
    afterKill: round(performance.now() - killed),
    answered,
  };
}

/** Calls again until it succeeds, as every client of a wait does: its server may be gone for a moment. */
async function persistently(call: () => Promise<void>): Promise<void> {
  for (const end = performance.now() + 60_000; ; await pause(100)) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

function together<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, work));
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
