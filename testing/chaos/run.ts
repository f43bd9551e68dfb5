// One run: agents ask, people answer, things break; in the end everything is read and checked.

import { createClient } from "@connectrpc/connect";
import {
  type Inbound,
  Inbound_Disposition,
  Inbound_DispositionSchema,
} from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { Event_Type, Reply_Disposition } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type FakeWecom, startFakeWecom } from "../fake-wecom/fake-wecom.ts";
import { ask, drawRival, endOf, persist, type Sessions, sessionsOf, transportOf } from "./askers.ts";
import { answerTimes, check, resumeTimes, slowResumes, type Violation } from "./checkers.ts";
import type { Deployment } from "./deployment.ts";
import { createHistory, type History } from "./history.ts";
import { createPeople, messageName } from "./people.ts";
import { createRandom } from "./random.ts";

const ROBOT_KEY = "chaos-robot-key";
const CHATS = 200;
const ENDINGS: readonly Event_Type[] = [
  Event_Type.ANSWERED,
  Event_Type.EXPIRED,
  Event_Type.CANCELLED,
  Event_Type.UNDELIVERABLE,
];
/** How long everything may take to calm down once nothing breaks any more. */
const CALM_PATIENCE_MS = 60_000;

/** Breaks a deployment and mends it again. Resolves when everything is in order. */
export type Trouble<D extends Deployment = Deployment> = (
  deployment: D,
  options: {
    readonly history: History;
    readonly random: ReturnType<typeof createRandom>;
    readonly onProgress: (line: string) => void;
  },
) => Promise<void>;

export interface RunOptions<D extends Deployment> {
  /** Starts HIL with what the fake vendor needs. */
  readonly deploy: (environment: Record<string, string>) => Promise<D>;
  /** Agents ask for as long as it lasts. */
  readonly trouble: Trouble<D>;
  /** Agents that ask at the same time. */
  readonly agents: number;
  readonly seed: number;
  /** How long everything may take to calm down once nothing breaks any more. */
  readonly patienceMs?: number;
  /** Every entry is appended here. */
  readonly historyFile?: string;
  readonly onProgress?: (line: string) => void;
}

export interface RunReport {
  readonly form: string;
  readonly seed: number;
  readonly seconds: number;
  readonly kills: Record<string, number>;
  readonly pauses: number;
  /** Stores of NATS that were deleted, networks that went bad, and whatever else broke. */
  readonly otherFaults: Record<string, number>;
  readonly asked: number;
  readonly shown: number;
  readonly copies: number;
  readonly replies: number;
  readonly acked: number;
  readonly late: number;
  /** From the vendor's call being taken, or the last fault before it being over, to the waiter being told. */
  readonly resumeMs: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly over3s: number;
  };
  /** The same from the vendor's call being taken, whatever was broken. */
  readonly answerMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly violations: readonly Violation[];
}

export async function run<D extends Deployment>(options: RunOptions<D>): Promise<RunReport> {
  const { trouble, agents, seed, patienceMs = CALM_PATIENCE_MS, onProgress = () => {} } = options;
  const history = createHistory(options.historyFile);
  const random = createRandom(seed);
  let wecom!: FakeWecom;
  const people = createPeople({ wecom: () => wecom, history, random });
  wecom = await startFakeWecom({ key: ROBOT_KEY, perMinute: 0, callbackRetryMs: 500, onMessage: people.see });
  await using deployment = await options.deploy({ BOT_KEY: ROBOT_KEY, WECOM_API_URL: wecom.url });
  wecom.callbackUrl = deployment.callbackUrl ?? `${deployment.url}/k/${deployment.ownerKey}/api/callback`;
  const sessions = sessionsOf(deployment);
  const stop = new AbortController();
  let over = false;
  let requests = 0;
  const agent = async () => {
    while (!over) {
      const request = `seed-${seed}-${++requests}`;
      const question = { request, chatId: `chat-${requests % CHATS}`, ...drawRival(random) };
      await ask(sessions, question, history, stop.signal);
    }
  };
  const asking = Promise.all(Array.from({ length: agents }, agent));
  asking.catch(() => {}); // awaited below
  await trouble(deployment, { history, random, onProgress });
  over = true;
  const patience = setTimeout(() => stop.abort(), patienceMs);
  await asking.catch(() => {}); // whoever was never told is found by the check
  clearTimeout(patience);
  await people.settled();
  await readFinals(deployment, sessions, history, patienceMs);
  await wecom.close();
  return report(deployment.form, seed, history);
}

async function readFinals(
  deployment: Deployment,
  sessions: Sessions,
  history: History,
  patienceMs: number,
): Promise<void> {
  const stop = AbortSignal.timeout(patienceMs);
  const callback = createClient(CallbackService, transportOf(deployment));
  const inbound = await persist(async () => {
    const all = await listInbound(callback);
    const pending = all.some(({ disposition }) => disposition === Inbound_Disposition.UNSPECIFIED);
    if (pending && !stop.aborted) throw new Error("still matching");
    return all;
  }, stop);
  const nameOf = ({ chatId, vendorMessageId }: Inbound) => messageName(chatId, vendorMessageId);
  for (const each of inbound) {
    const disposition = Inbound_DispositionSchema.value[each.disposition]!.localName;
    history.add({ kind: "final_inbound", message: nameOf(each), disposition, session: each.sessionId });
  }
  const messageOf = new Map(inbound.map((each) => [each.id, nameOf(each)]));
  for (const id of new Set(history.of("asked").map(({ session }) => session))) {
    const { session, events } = await persist(async () => {
      const { session } = await sessions.getSession({ sessionId: id });
      const { events } = await sessions.listEvents({ sessionId: id, pageSize: 200 });
      return { session: session!, events };
    }, stop);
    history.add({
      kind: "final_session",
      session: id,
      shortId: session.shortId,
      ...endOf(session),
      answeredBy: messageOf.get(session.answer?.inboundId ?? "") ?? "",
      accepted: session.replies.filter(({ disposition }) => disposition === Reply_Disposition.ACCEPTED)
        .length,
      ends: events.filter(({ type }) => ENDINGS.includes(type)).length,
    });
  }
}

async function listInbound(callback: ReturnType<typeof createClient<typeof CallbackService>>) {
  const all: Inbound[] = [];
  for (let pageToken = ""; ; ) {
    const page = await callback.listInbound({ pageSize: 200, pageToken });
    all.push(...page.inbounds);
    pageToken = page.nextPageToken;
    if (!pageToken) return all;
  }
}

function report(form: string, seed: number, history: History): RunReport {
  const faults = history.of("fault");
  const kills: Record<string, number> = {};
  const otherFaults: Record<string, number> = {};
  for (const { what, target } of faults) {
    if (what === "kill") kills[target] = (kills[target] ?? 0) + 1;
    else if (what !== "pause") otherFaults[what] = (otherFaults[what] ?? 0) + 1;
  }
  const shown = history.of("shown");
  return {
    form,
    seed,
    seconds: Math.round((history.entries.at(-1)?.at ?? 0) / 1000),
    kills,
    pauses: faults.filter(({ what }) => what === "pause").length,
    otherFaults,
    asked: history.of("asked").length,
    shown: shown.length,
    copies: shown.length - new Set(shown.map(({ shortId }) => shortId)).size,
    replies: history.of("replied").length,
    acked: history.of("reply_acked").length,
    late: history.of("final_inbound").filter(({ disposition }) => disposition === "LATE").length,
    resumeMs: { ...spread(resumeTimes(history.entries)), over3s: slowResumes(history.entries) },
    answerMs: spread(answerTimes(history.entries)),
    violations: check(history.entries),
  };
}

/** Of sorted times. */
function spread(times: readonly number[]): { p50: number; p99: number; max: number } {
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: times.at(-1) ?? 0 };
}
