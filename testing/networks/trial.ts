// One trial: a relay works, its line to HIL goes bad in one way and good again, and everything is counted.

import { setTimeout as pause } from "node:timers/promises";
import { type HilServer, startHilServer } from "./hil-server.ts";
import { createNamespace, type LineTrouble, type Namespace } from "./namespace.ts";
import { startRelayHost } from "./relay-host.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

const LOOK_MS = 20;
/** How long all may take to be there once nothing is wrong any more. */
const CALM_PATIENCE_MS = 120_000;
const CALM_LOOK_MS = 500;
const FLAP_MS = 2_000;
const LONG_CHARS = 2_000;

/** What happens to the line. */
export type Trial =
  | { readonly name: string; readonly kind: "trouble"; readonly trouble: LineTrouble; readonly forMs: number }
  /** HIL is killed and started again before the line comes back: its connections are open at one end only. */
  | { readonly name: string; readonly kind: "half-open"; readonly forMs: number }
  /** Connections are reset for 2 s, then let be for 2 s, and so on. */
  | { readonly name: string; readonly kind: "flapping"; readonly forMs: number }
  /** Long messages wait for a line that comes back with so many bits a second, and stays so until they are through. */
  | {
      readonly name: string;
      readonly kind: "backlog";
      readonly bitsPerSecond: number;
      readonly forMs: number;
    };

export interface TrialReport {
  readonly name: string;
  /** Messages of people that the vendor got a 200 for, and how many of them HIL does not have. */
  readonly acked: number;
  readonly lost: number;
  /** Questions, and how many of them nobody was shown, or are without the answer that the vendor got a 200 for. */
  readonly questions: number;
  readonly unshown: number;
  readonly unanswered: number;
  /** Questions that were shown again, or messages that HIL has again; those with a try whose end nobody knows apart. */
  readonly copies: number;
  readonly ambiguousCopies: number;
  /** From the line going bad to each side knowing. Undefined: it never had to. */
  readonly detectedMs: number | undefined;
  readonly detectedByHilMs: number | undefined;
  /** From the line being good again to HIL having a message of a person, and to people being shown a question. */
  readonly firstMs: number;
  readonly firstShownMs: number;
  /** Of one processor, while the line was bad. */
  readonly cpuPercent: number;
  readonly streams: number;
}

/** Runs a trial on a host of its own. */
export async function runTrial(trial: Trial, { program }: { program?: string } = {}): Promise<TrialReport> {
  await using namespace = await createNamespace();
  await using hil = await startHilServer({ host: namespace.outside });
  let traffic: Traffic | undefined;
  await using host = await startRelayHost({
    namespace,
    url: `grpc://${namespace.outside}:${hil.relayPort}`,
    token: hil.token,
    ...(program === undefined ? {} : { program }),
    wecom: { onMessage: (message) => traffic?.see(message) },
  });
  await until(() => hil.isAttached(), "the relay attaches");
  const padding = trial.kind === "backlog" ? "x".repeat(LONG_CHARS) : "";
  traffic = startTraffic({ hil, wecom: () => host.wecom, padding });
  const { acked, answered, shown } = traffic;
  await until(() => acked.size > 3 && answered.size > 3, "messages go both ways");

  const cpuBefore = host.cpuMs();
  const beganMs = performance.now();
  let isBad = true;
  const detected = async (isAttached: () => Promise<boolean>): Promise<number | undefined> => {
    for (; isBad; await pause(LOOK_MS)) {
      // Nobody who is killed knows anything.
      if (!(await isAttached().catch(() => true))) return Math.round(performance.now() - beganMs);
    }
    return undefined;
  };
  const detecting = [detected(host.isAttached), detected(hil.isAttached)] as const;
  await makeBad(trial, namespace, hil.replace);
  const badMs = performance.now() - beganMs;
  const cpuPercent = Math.round(((host.cpuMs() - cpuBefore) / badMs) * 100);
  isBad = false;
  const healedMs = performance.now();
  const [newest, shownBefore] = [await hil.newestInbound(), shown.size];
  const sinceHealed = async (holds: () => boolean | Promise<boolean>, what: string) => {
    await until(holds, `${what} after the line is good again`);
    return Math.round(performance.now() - healedMs);
  };
  const [firstMs, firstShownMs] = await Promise.all([
    sinceHealed(async () => (await hil.newestInbound()) !== newest, "a message arrives"),
    sinceHealed(() => shown.size > shownBefore, "a question is shown"),
  ]);
  const [detectedMs, detectedByHilMs] = await Promise.all(detecting);
  await traffic.stop();
  return {
    name: trial.name,
    ...(await countInTheEnd(hil, traffic)),
    detectedMs,
    detectedByHilMs,
    firstMs,
    firstShownMs,
    cpuPercent,
    streams: await hil.streams(),
  };
}

type Counts = Pick<
  TrialReport,
  "acked" | "lost" | "questions" | "unshown" | "unanswered" | "copies" | "ambiguousCopies"
>;

/** Waits until all is where it belongs, or it has had long enough, and counts. */
async function countInTheEnd(hil: HilServer, traffic: Traffic): Promise<Counts> {
  for (const endMs = performance.now() + CALM_PATIENCE_MS; ; await pause(CALM_LOOK_MS)) {
    const counts = await count(hil, traffic);
    const { lost, unshown, unanswered } = counts;
    if (lost + unshown + unanswered === 0 || performance.now() > endMs) return counts;
  }
}

async function count(hil: HilServer, { acked, questions, answered, shown }: Traffic): Promise<Counts> {
  const inbox = (await hil.inbox()).map(({ vendorMessageId }) => vendorMessageId);
  const there = new Set(inbox);
  const open = await hil.openSessions();
  let copies = inbox.length - there.size;
  let ambiguousCopies = 0;
  for (const { id, shortId } of questions) {
    const again = (shown.get(shortId) ?? 0) - 1;
    if (again <= 0) continue;
    const ambiguous = Math.min(again, await hil.unknownAttempts(id));
    ambiguousCopies += ambiguous;
    copies += again - ambiguous;
  }
  return {
    acked: acked.size,
    lost: [...acked].filter((id) => !there.has(id)).length,
    questions: questions.length,
    unshown: questions.filter(({ shortId }) => !shown.has(shortId)).length,
    unanswered: questions.filter(({ id, shortId }) => answered.has(shortId) && open.has(id)).length,
    copies,
    ambiguousCopies,
  };
}

async function makeBad(trial: Trial, namespace: Namespace, replaceHil: () => Promise<void>): Promise<void> {
  switch (trial.kind) {
    case "trouble":
      await namespace.trouble(trial.trouble);
      await pause(trial.forMs);
      await namespace.heal();
      return;
    case "half-open":
      await namespace.trouble({ kind: "cut" });
      await replaceHil();
      await pause(trial.forMs);
      await namespace.heal();
      return;
    case "backlog":
      await namespace.trouble({ kind: "cut" });
      await pause(trial.forMs);
      await namespace.heal();
      await namespace.trouble({ kind: "slow", bitsPerSecond: trial.bitsPerSecond });
      return;
    case "flapping":
      for (const endMs = performance.now() + trial.forMs; ; await pause(FLAP_MS)) {
        await namespace.trouble({ kind: "reset" });
        await pause(FLAP_MS);
        await namespace.heal();
        if (performance.now() > endMs) return;
      }
  }
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const endMs = performance.now() + CALM_PATIENCE_MS; !(await holds()); await pause(LOOK_MS)) {
    if (performance.now() > endMs) throw new Error(`it did not come to pass in time that ${what}`);
  }
}
