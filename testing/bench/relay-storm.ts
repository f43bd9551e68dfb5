// All relays of a delivery service lose it at once and come back (F18, G9).

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { sessionsOf, transportOf } from "../chaos/askers.ts";
import { startEmbeddedDeployment } from "../chaos/embedded-deployment.ts";
import { createRelayKey } from "../processes/relay-key.ts";
import { startDistributed } from "../processes/start-distributed.ts";
import { startProcess } from "../processes/start-process.ts";
import { freePort } from "../servers/free-port.ts";
import type { StormState } from "./relay-storm-relays.ts";

const RELAYS_MODE = { HIL_MODE: "relay", BOT_KEY: "" };
const LOOK_MS = 20;
const PATIENCE_MS = 120_000;
/** How many call at the same time. */
const CALLERS = 2;
const CALLER_PAUSE_MS = 5;

/** The service that serves relays, in a form. */
export interface StormSubject extends AsyncDisposable {
  readonly url: string;
  readonly ownerKey: string;
  readonly relayPort: number;
  /** Whether others are served while it is away. */
  readonly othersAreServed: boolean;
  kill(): Promise<unknown>;
  /** Resolves when it serves again. */
  restart(): Promise<void>;
}

export interface StormFigures {
  readonly relays: number;
  /** From the kill until it serves again, and until the last relay is attached; milliseconds. */
  readonly servedMs: number;
  readonly attachedMs: number;
  /** Milliseconds of ordinary calls, before, and until the last relay was attached. */
  readonly quietMs: readonly number[];
  readonly stormMs: readonly number[];
  /** Calls that failed while others should have been served. */
  readonly failed: number;
  /** Messages of vendors that relays heard before and while it was away, and those of them that are in the inbox. */
  readonly said: number;
  readonly kept: number;
}

/** One process of HIL. */
export async function startEmbeddedStorm(): Promise<StormSubject> {
  const relayPort = await freePort();
  const hil = await startEmbeddedDeployment({ ...RELAYS_MODE, HIL_RELAY_PORT: String(relayPort) });
  return {
    url: hil.url,
    ownerKey: hil.ownerKey,
    relayPort,
    othersAreServed: false,
    kill: () => hil.targets[0]!.kill(),
    restart: () => hil.targets[0]!.restart(),
    [Symbol.asyncDispose]: () => hil[Symbol.asyncDispose](),
  };
}

/** A process for each service, one of them the delivery service. */
export async function startDistributedStorm(): Promise<StormSubject> {
  const hil = await startDistributed({ environment: RELAYS_MODE });
  const delivery = hil.processes.find(({ service }) => service === "delivery")!;
  return {
    url: hil.url,
    ownerKey: hil.ownerKey,
    relayPort: hil.relayPorts[0]!,
    othersAreServed: true,
    kill: () => delivery.kill(),
    restart: () => delivery.restart(),
    [Symbol.asyncDispose]: () => hil[Symbol.asyncDispose](),
  };
}

/** Attaches `count` relays, measures others for so long, kills the service that holds them, and starts it again. */
export async function measureStorm(
  hil: StormSubject,
  { count, quietMs: beforeMs }: { count: number; quietMs: number },
): Promise<StormFigures> {
  const folder = mkdtempSync(join(tmpdir(), "hil-bench-storm-"));
  try {
    const keys: string[] = [];
    for (let index = 0; index < count; index += 1) keys.push(await createRelayKey(hil, `plant-${index}`));
    const file = join(folder, "keys");
    writeFileSync(file, keys.join("\n"), { mode: 0o600 });
    await using process = await startProcess(
      join(import.meta.dirname, "relay-storm-relays.ts"),
      [String(hil.relayPort), file],
      {},
    );
    const relays = controlOf(`http://127.0.0.1:${process.port}`);
    await relays.until(({ attached }) => attached === count);

    const before = callAround(hil);
    await pause(beforeMs);
    const { times: quietMs } = await before.end();
    await relays.say();
    const meanwhile = hil.othersAreServed ? callAround(hil) : undefined;
    const killed = performance.now();
    await hil.kill();
    await relays.say();
    await hil.restart();
    const servedMs = performance.now() - killed;
    const calling = meanwhile ?? callAround(hil);
    await relays.until(({ attached, attachments }) => attached === count && attachments >= 2 * count);
    const attachedMs = performance.now() - killed;
    const { times: stormMs, failed } = await calling.end();
    await relays.until(({ waiting }) => waiting === 0);
    const said = await relays.said();
    const inbox = await inboxOf(hil);
    return {
      relays: count,
      servedMs,
      attachedMs,
      quietMs,
      stormMs,
      failed,
      said: said.length,
      kept: said.filter((each) => inbox.get(each) === 1).length,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Opens and answers questions that have nothing to do with relays, until told to end. */
function callAround(hil: StormSubject) {
  const sessions = sessionsOf(hil);
  const times: number[] = [];
  let failed = 0;
  let isOver = false;
  const timed = async <T>(call: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try {
      return await call();
    } finally {
      times.push(performance.now() - start);
    }
  };
  const caller = async () => {
    while (!isOver) {
      try {
        const { session } = await timed(() =>
          sessions.createSession({
            requestId: crypto.randomUUID(),
            projectName: "bench",
            body: "Deploy build 214 to production?",
            interaction: { kind: { case: "text", value: {} } },
          }),
        );
        const value = { kind: { case: "text", value: { text: "yes" } } } as const;
        await timed(() =>
          sessions.answerSession({ sessionId: session!.id, requestId: crypto.randomUUID(), value }),
        );
      } catch {
        failed += 1;
      }
      await pause(CALLER_PAUSE_MS);
    }
  };
  const calling = Promise.all(Array.from({ length: CALLERS }, caller));
  return {
    async end() {
      isOver = true;
      await calling;
      return { times, failed };
    },
  };
}

function controlOf(url: string) {
  const ask = async (path: string, method = "GET") =>
    (await (await fetch(`${url}${path}`, { method })).json()) as StormState;
  return {
    say: () => ask("/say", "POST"),
    said: async () => (await ask("/said")).said,
    async until(holds: (state: StormState) => boolean): Promise<void> {
      for (const end = performance.now() + PATIENCE_MS; ; await pause(LOOK_MS)) {
        const state = await ask("/");
        if (holds(state)) return;
        if (performance.now() > end)
          throw new Error(`the relays are not so in time: ${JSON.stringify(state)}`);
      }
    },
  };
}

/** How often each message of a vendor is in the inbox. */
async function inboxOf(hil: StormSubject): Promise<Map<string, number>> {
  const callbacks = createClient(CallbackService, transportOf(hil));
  const counts = new Map<string, number>();
  for (let pageToken = ""; ; ) {
    const page = await callbacks.listInbound({ pageSize: 200, pageToken });
    for (const { vendorMessageId: id } of page.inbounds) counts.set(id, (counts.get(id) ?? 0) + 1);
    pageToken = page.nextPageToken;
    if (!pageToken) return counts;
  }
}
