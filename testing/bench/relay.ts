// What a relay between HIL and the vendor costs, and how HIL stands many of them.

import { loadavg } from "node:os";
import { percentile } from "./figures.ts";
import { type Flow, measureFrames } from "./relay-frames.ts";
import { measureLatency } from "./relay-latency.ts";
import { measureStorm, type StormSubject } from "./relay-storm.ts";

const RELAYS = 500;
/** How long calls of others are measured before the storm. */
const QUIET_MS = 3_000;

/** Measures and prints. */
export async function benchRelay({
  startStorm,
  runMs,
}: {
  startStorm: () => Promise<StormSubject>;
  /** How long each measurement runs. */
  runMs: number;
}): Promise<void> {
  row("load of this machine", loadavg()[0]!.toFixed(2));
  const { direct, relayed } = await measureLatency(2 * runMs);
  for (const [words, way] of [
    ["asked → at the vendor", "out"],
    ["vendor calls → waiter told", "back"],
  ] as const) {
    const [least, ours] = [direct[way], relayed[way]];
    for (const share of [0.5, 0.99]) {
      const [a, b] = [percentile(least, share), percentile(ours, share)];
      row(
        `${words}, p${share * 100}`,
        `direct ${ms(a)}, relayed ${ms(b)}, added ${ms(b - a)}, ${(b / a).toFixed(2)}×`,
      );
    }
  }
  const frames = await measureFrames(runMs);
  flowRow("vendor messages, only counted", frames.counted);
  flowRow("events, kept in the inbox", frames.kept);
  flowRow("words, kept and matched, chats told", frames.matched);
  flowRow("commands with their results", frames.commands);
  await using hil = await startStorm();
  const storm = await measureStorm(hil, { count: RELAYS, quietMs: QUIET_MS });
  row(`${storm.relays} relays, from kill -9: serves again`, ms(storm.servedMs));
  row("all attached again", ms(storm.attachedMs));
  row("calls of others, p50 before → in the storm", between(storm.quietMs, storm.stormMs, 0.5));
  row("calls of others, p99 before → in the storm", between(storm.quietMs, storm.stormMs, 0.99));
  row("calls in the storm, of them failed", `${storm.stormMs.length}, ${storm.failed}`);
  row("vendor messages said, kept once", `${storm.said}, ${storm.kept}`);
}

function row(name: string, value: string): void {
  console.log(`${name.padEnd(44)} ${value}`);
}

function flowRow(name: string, { perSecond, cpuMicros }: Flow): void {
  row(
    name,
    `${perSecond.toFixed(0)} a second, ${cpuMicros.toFixed(0)} µs of the server's processor time each`,
  );
}

const ms = (value: number) => `${value.toFixed(2)} ms`;

function between(before: readonly number[], after: readonly number[], share: number): string {
  const [a, b] = [percentile(before, share), percentile(after, share)];
  return `${ms(a)} → ${ms(b)}, ${(b / a).toFixed(1)}×`;
}
