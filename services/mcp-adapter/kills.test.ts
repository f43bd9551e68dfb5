// kill -9 of each process on the way of a question while a call waits: the answer is recovered each time, and the person
// is asked once.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "../../testing/fake-wecom/fake-wecom.ts";
import { readResult } from "./testing/adapter-process.ts";
import { type Kind, startAgent, type Way } from "./testing/agents.ts";
import { type HilProcess, startHil } from "./testing/hil-process.ts";

const KEY = "0f1e2d3c-0000-4000-8000-123456789abc";
const ENTRY = { chatId: "wrk1", sliceS: 60 };
const PATIENCE_MS = 120_000;
const WAYS = [
  ["stdio", "the older SDK"],
  ["stdio", "today's SDK, 2026-07-28"],
  ["HTTP", "the older SDK"],
  ["HTTP", "today's SDK, 2026-07-28"],
] as const satisfies [Way, Kind][];

let wecom: FakeWecom;
let hil: HilProcess;
beforeAll(async () => {
  wecom = await startFakeWecom({ key: KEY, perMinute: 0 });
  hil = await startHil({ BOT_KEY: KEY, WECOM_API_URL: wecom.url });
}, 60_000);
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
  await wecom[Symbol.asyncDispose]();
});

/** The answer is that of the question, and the person was shown the question once. */
async function expectRecovered(result: Record<string, unknown>, question: string, id: string): Promise<void> {
  expect(result).toMatchObject({ session_id: id, replies: [{ content: `re: ${question}` }] });
  const shown = () => wecom.messages.filter(({ text }) => text.includes(question));
  await vi.waitUntil(() => shown().length > 0, 30_000);
  expect(shown()).toHaveLength(1);
}

const answer = (question: string) => hil.answer(question, `re: ${question}`);
const inputOf = (question: string) => ({ message: question, request_id: question });

/** A call by an agent in a process of its own. */
async function spawnCall(way: Way, kind: Kind, question: string) {
  const told = {
    url: hil.url,
    key: hil.key(),
    dataDir: hil.dataDir,
    way,
    kind,
    entry: ENTRY,
    tool: "send_and_wait_reply",
    input: inputOf(question),
  };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "testing", "calling-agent.ts"), JSON.stringify(told)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const { adapterPid } = JSON.parse((await lines.next()).value!) as { adapterPid?: number };
  return {
    adapterPid,
    result: async () => JSON.parse((await lines.next()).value!) as Record<string, unknown>,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

test(
  "I1: kill -9 of a client; its adapter ends by itself, and the next client finds its question",
  () =>
    forEveryWay("Client killed?", async (way, kind, question) => {
      const killed = await spawnCall(way, kind, question);
      const { id } = await hil.asked(question);
      await killed.kill();
      if (way === "stdio") await vi.waitUntil(() => isGone(killed.adapterPid!), 30_000);
      await answer(question);
      const next = await spawnCall(way, kind, question);
      await expectRecovered(await next.result(), question, id);
      await next.kill();
    }),
  PATIENCE_MS,
);

test(
  "I1: kill -9 of the adapter over stdio; the next one finds its question",
  async () => {
    const question = "Adapter killed?";
    const call = await spawnCall("stdio", "today's SDK, 2026-07-28", question);
    const { id } = await hil.asked(question);
    process.kill(call.adapterPid!, "SIGKILL");
    await call.kill();
    await using next = await startAgent(hil, "stdio", "today's SDK, 2026-07-28", ENTRY);
    const again = next.call("send_and_wait_reply", inputOf(question));
    await answer(question);
    await expectRecovered(readResult(await again), question, id);
  },
  PATIENCE_MS,
);

test(
  "I1: kill -9 of the service; over stdio the same call goes on, over HTTP the next one finds its question",
  async () => {
    let down: () => void = () => {};
    const isDown = new Promise<void>((resolve) => {
      down = resolve;
    });
    let waiting = 0;
    await forEveryWay("Service killed?", async (way, kind, question) => {
      await using agent = await startAgent(hil, way, kind, ENTRY);
      // A client whose stream broke may notice that by its own limit only.
      const options = way === "HTTP" ? { timeout: 10_000 } : {};
      const first = agent.call("send_and_wait_reply", inputOf(question), options);
      const outcome = first.catch((error: unknown) => error);
      const { id } = await hil.shown(question); // a message that a kill cuts off on its way is sent again (R4)
      waiting += 1;
      if (waiting === WAYS.length) {
        await hil.kill();
        await hil.start();
        down();
      }
      await isDown;
      if (way === "HTTP") expect(await outcome).toBeInstanceOf(Error);
      await answer(question);
      await using next = await startAgent(hil, way, kind, ENTRY);
      const result =
        way === "stdio" ? await first : await next.call("send_and_wait_reply", inputOf(question));
      await expectRecovered(readResult(result), question, id);
    });
  },
  PATIENCE_MS,
);

/** Holds something for every way at once, each with a question of its own. */
async function forEveryWay(
  what: string,
  hold: (way: Way, kind: Kind, question: string) => Promise<void>,
): Promise<void> {
  await Promise.all(WAYS.map(([way, kind]) => hold(way, kind, `${what} (${way}, ${kind})`)));
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true; // there is no such process any more
  }
}
