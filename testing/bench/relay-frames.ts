// How many frames a second go through one stream, in either direction, at two boundaries: with nothing behind the
// stream, and with every message on disk behind it.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { delivered, openRawRelay, type RawRelay, ROBOT } from "../../services/delivery/testing/raw-relay.ts";
import { startEmbeddedDeployment } from "../chaos/embedded-deployment.ts";
import { callbackOf } from "../fake-wecom/person.ts";
import { createRelayKey } from "../processes/relay-key.ts";
import { startProcess } from "../processes/start-process.ts";
import { freePort } from "../servers/free-port.ts";

/** Two of them fill the window, so that one is on its way while the other is worked on. */
const BATCH = 32;
const WARM_UP_MS = 2_000;
/** More than the window, so that there is always one to say. */
const COMMANDS_UNDER_WAY = 128;

/** What went through. */
export interface Flow {
  readonly perSecond: number;
  /** Processor time of the server for each, which is the same however busy the machine is; microseconds. */
  readonly cpuMicros: number;
}

export interface FrameFigures {
  /** Messages of vendors that were acknowledged, with a callback service that only counts. */
  readonly counted: Flow;
  /** Events into the inbox of the embedded form, each on disk before it is acknowledged. */
  readonly kept: Flow;
  /** Words of people that answer nothing: kept like events, matched, and their chats told so. */
  readonly matched: Flow;
  /** Commands that had their result: a frame each way. */
  readonly commands: Flow;
}

export async function measureFrames(runMs: number): Promise<FrameFigures> {
  const bare = await measureBare(runMs);
  return { ...bare, kept: await measureKept("event", runMs), matched: await measureKept("text", runMs) };
}

/** The stream with nothing behind it. */
async function measureBare(runMs: number): Promise<Pick<FrameFigures, "counted" | "commands">> {
  const folder = mkdtempSync(join(tmpdir(), "hil-bench-frames-"));
  try {
    await using server = await startProcess(join(import.meta.dirname, "relay-frame-server.ts"), [folder], {});
    const url = `http://127.0.0.1:${server.port}`;
    const ask = async (path: string, method = "GET") =>
      (await (await fetch(`${url}${path}`, { method })).json()) as { results: number; relayPort: number };
    const { relayPort } = await ask("/");
    await using relay = openRawRelay(relayPort, { token: "relay/_default/bench" });
    await relay.hello();
    const counted = await floodInbound(relay, "text", { pid: server.pid, runMs });
    relay.wellBehaved = false; // results acknowledge commands as well
    answerInBatches(relay);
    await ask(`/commands/${COMMANDS_UNDER_WAY}`, "POST");
    await pause(WARM_UP_MS);
    const commands = await flow(async () => (await ask("/")).results, { pid: server.pid, runMs });
    return { counted, commands };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The stream of the embedded form. */
async function measureKept(kind: Kind, runMs: number): Promise<Flow> {
  const port = await freePort();
  await using hil = await startEmbeddedDeployment({
    HIL_MODE: "relay",
    HIL_RELAY_PORT: String(port),
    BOT_KEY: "",
  });
  await using relay = openRawRelay(port, { token: await createRelayKey(hil, "bench") });
  relay.answer = delivered;
  await relay.hello();
  return await floodInbound(relay, kind, { pid: hil.server.pid, runMs });
}

type Kind = "text" | "event";

function bodyOf(kind: Kind, count: number): Record<string, unknown> {
  const body = callbackOf({ chatid: `chat-${count % 200}`, text: `good morning ${count}` }, "Robot");
  if (kind === "text") return body;
  const { text: _, ...event } = body;
  return { ...event, msgtype: "event", event: { event_type: "enter_chat" } };
}

/** Keeps the window full of messages. */
async function floodInbound(
  relay: RawRelay,
  kind: Kind,
  run: { readonly pid: number; readonly runMs: number },
): Promise<Flow> {
  let count = 0;
  let isOver = false;
  let isLost = false;
  void relay.ended.then(() => {
    isLost = true;
  });
  const say = () => {
    while (!isOver && relay.onTheWay <= BATCH) {
      relay.frames(
        ...Array.from({ length: BATCH }, () => {
          count += 1;
          return {
            kind: {
              case: "inbound" as const,
              value: {
                inboundId: uuidV7(Date.now()),
                channelId: ROBOT.channelId,
                body: Buffer.from(JSON.stringify(bodyOf(kind, count))),
                receiveTime: timestampNow(),
              },
            },
          };
        }),
      );
    }
  };
  relay.onHeard = say;
  say();
  await pause(WARM_UP_MS);
  const found = await flow(() => count - relay.onTheWay, run);
  isOver = true;
  while (relay.onTheWay > 0 && !isLost) await pause(20);
  if (isLost) throw new Error("the stream ended under the flood");
  relay.onHeard = undefined;
  return found;
}

/** Says the results of all commands of a message in one. */
function answerInBatches(relay: RawRelay): void {
  const results: ReturnType<typeof delivered>[] = [];
  relay.answer = (command) => {
    results.push(delivered(command));
    return undefined;
  };
  relay.onHeard = () => {
    if (results.length === 0) return;
    relay.frames(...results.splice(0).map((value) => ({ kind: { case: "result" as const, value } })));
  };
}

/** How much `count` grows while time passes, and what that costs a process. */
async function flow(
  count: () => number | Promise<number>,
  { pid, runMs }: { readonly pid: number; readonly runMs: number },
): Promise<Flow> {
  const [before, spent, start] = [await count(), processorMs(pid), performance.now()];
  await pause(runMs);
  const many = (await count()) - before;
  return {
    perSecond: (many / (performance.now() - start)) * 1000,
    cpuMicros: ((processorMs(pid) - spent) / many) * 1000,
  };
}

/** Processor time of a process, in user code and in the system. Linux counts it in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
