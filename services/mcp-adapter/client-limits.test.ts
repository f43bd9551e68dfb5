// What becomes of a call whose client limits it, with every kind of client at once: the question is asked once, and its
// answer is never lost. Short times stand for a client's 60 s and a person's 3 minutes.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "../../testing/fake-wecom/fake-wecom.ts";
import { readResult } from "./testing/adapter-process.ts";
import { type Agent, KINDS, type Kind, startAgent, type Way } from "./testing/agents.ts";
import { type HilProcess, startHil } from "./testing/hil-process.ts";

const KEY = "0f1e2d3c-0000-4000-8000-123456789abc";
const CHAT = "wrk1";
/** The client's limit for one call. Progress comes four times as often. */
const LIMIT_MS = 4_000;
/** How long the person takes: longer than the limit. */
const ANSWER_MS = 6_000;
const PATIENCE_MS = 90_000;
const TIMED_OUT = /timed out|timeout/i;
const WAYS: readonly Way[] = ["stdio", "HTTP"];

/** A client of one kind, over one transport. */
interface Subject {
  readonly way: Way;
  readonly kind: Kind;
  /** Its calls wait long, and say so every second. */
  readonly patient: Agent;
  /** Its calls wait for a second. */
  readonly brief: Agent;
}

let wecom: FakeWecom;
let hil: HilProcess;
let subjects: readonly Subject[];
beforeAll(async () => {
  wecom = await startFakeWecom({ key: KEY, perMinute: 0 });
  hil = await startHil({ BOT_KEY: KEY, WECOM_API_URL: wecom.url, WECOM_ROBOT_MESSAGES_PER_MINUTE: "0" });
  subjects = await Promise.all(
    WAYS.flatMap((way) =>
      KINDS.map(async (kind) => {
        const start = (entry: object) => startAgent(hil, way, kind, { chatId: CHAT, ...entry });
        const [patient, brief] = await Promise.all([
          start({ sliceS: 60, progressS: 1 }),
          start({ sliceS: 1 }),
        ]);
        return { way, kind, patient, brief };
      }),
    ),
  );
}, 120_000);
afterAll(async () => {
  for (const { patient, brief } of subjects) {
    await patient[Symbol.asyncDispose]();
    await brief[Symbol.asyncDispose]();
  }
  await hil[Symbol.asyncDispose]();
  await wecom[Symbol.asyncDispose]();
}, 60_000);

/** Holds something for every kind of client, each with a question of its own. */
async function forEveryClient(
  what: string,
  hold: (subject: Subject, question: string) => Promise<void>,
): Promise<void> {
  expect(subjects).toHaveLength(6);
  await Promise.all(subjects.map((subject) => hold(subject, `${what} (${subject.way}, ${subject.kind})`)));
}

/** What the person saw of a question. */
const shown = (question: string) => wecom.messages.filter(({ text }) => text.includes(question));

async function answer(question: string): Promise<void> {
  await hil.answer(question, `re: ${question}`);
}

/** Answers after longer than the client's limit. */
async function answerLate(question: string): Promise<void> {
  await hil.asked(question);
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
  await answer(question);
}

/** The answer is there, and the person was asked for it once. */
async function expectAnswer(result: Record<string, unknown>, question: string): Promise<void> {
  expect(result).toMatchObject({ status: "success", replies: [{ content: `re: ${question}` }] });
  await vi.waitUntil(() => shown(question).length > 0, 20_000);
  expect(shown(question)).toHaveLength(1);
}

describe.concurrent("with the older SDK and with today's in both eras, over stdio and over HTTP", () => {
  test(
    "a call without progress fails at the client's limit, and wait_for_reply recovers its answer (F30)",
    () =>
      forEveryClient("No progress?", async ({ patient }, question) => {
        const answering = answerLate(question);
        const call = patient.call("send_and_wait_reply", { message: question }, { timeout: LIMIT_MS });
        await expect(call).rejects.toThrow(TIMED_OUT);
        const { pending } = readResult(await patient.call("list_pending", {})) as {
          pending: { message: string; session_id: string }[];
        };
        const { session_id } = pending.find(({ message }) => message === question)!;
        await expectAnswer(readResult(await patient.call("wait_for_reply", { session_id })), question);
        await answering;
      }),
    PATIENCE_MS,
  );

  test(
    "a call whose client resets its limit on progress outlives that limit",
    () =>
      forEveryClient("Progress?", async ({ patient }, question) => {
        const answering = answerLate(question);
        const beats: number[] = [];
        const result = await patient.call(
          "send_and_wait_reply",
          { message: question },
          {
            timeout: LIMIT_MS,
            resetTimeoutOnProgress: true,
            onprogress: ({ progress }) => void beats.push(progress),
          },
        );
        await expectAnswer(readResult(result), question);
        expect(beats.length).toBeGreaterThanOrEqual(4);
        expect(beats).toEqual(beats.map((_, index) => index + 1));
        await answering;
      }),
    PATIENCE_MS,
  );

  test(
    "asking for a reset without listening for progress changes nothing: no token is sent",
    () =>
      forEveryClient("Reset alone?", async ({ patient }, question) => {
        const input = { message: question, request_id: question };
        const options = { timeout: LIMIT_MS, resetTimeoutOnProgress: true };
        await expect(patient.call("send_and_wait_reply", input, options)).rejects.toThrow(TIMED_OUT);
        await answer(question);
        await expectAnswer(readResult(await patient.call("send_and_wait_reply", input)), question);
      }),
    PATIENCE_MS,
  );

  test(
    "a limit on the whole call holds in spite of progress, and the same request_id finds the answer (F30)",
    () =>
      forEveryClient("In all?", async ({ patient }, question) => {
        // The SDKs give such a call up without a word, so that the server takes its answer for handed over.
        const input = { message: question, request_id: question };
        const call = patient.call("send_and_wait_reply", input, {
          timeout: LIMIT_MS,
          maxTotalTimeout: LIMIT_MS + 1_000,
          resetTimeoutOnProgress: true,
          onprogress: () => {},
        });
        await expect(call).rejects.toThrow(TIMED_OUT);
        await answer(question);
        await expectAnswer(readResult(await patient.call("send_and_wait_reply", input)), question);
      }),
    PATIENCE_MS,
  );

  test(
    "slices shorter than the limit reach the answer, however long it takes",
    () =>
      forEveryClient("Slices?", async ({ brief }, question) => {
        const answering = answerLate(question);
        const call = async (tool: string, input: Record<string, unknown>) =>
          readResult(await brief.call(tool, input, { timeout: 30_000 }));
        let result = await call("send_and_wait_reply", { message: question });
        let slices = 0;
        while (result.status === "waiting") {
          slices += 1;
          result = await call("wait_for_reply", { session_id: result.session_id });
        }
        await expectAnswer(result, question);
        expect(slices).toBeGreaterThanOrEqual(2);
        await answering;
      }),
    PATIENCE_MS,
  );

  test(
    "the same request_id after the limit joins the same question, and finds its answer again later (I8, F30)",
    () =>
      forEveryClient("Same request?", async ({ patient }, question) => {
        const input = { message: question, request_id: question };
        const answering = answerLate(question);
        const first = patient.call("send_and_wait_reply", input, { timeout: LIMIT_MS });
        await expect(first).rejects.toThrow(TIMED_OUT);
        const second = readResult(await patient.call("send_and_wait_reply", input));
        await expectAnswer(second, question);
        const third = readResult(await patient.call("send_and_wait_reply", input));
        expect(third).toEqual(second);
        await answering;
      }),
    PATIENCE_MS,
  );

  test(
    "a client that is killed leaves its question, and the next one finds it by the same request_id (I1, F30)",
    () =>
      forEveryClient("Killed?", async ({ way, kind }, question) => {
        const input = { message: question, request_id: question };
        const start = () => startAgent(hil, way, kind, { chatId: CHAT, sliceS: 60 });
        const killed = await start();
        const lost = killed.call("send_and_wait_reply", input).catch(() => undefined);
        const { id } = await hil.asked(question);
        await killed.kill();
        await lost;
        await using next = await start();
        const again = next.call("send_and_wait_reply", input);
        await answer(question);
        const result = readResult(await again);
        expect(result.session_id).toBe(id);
        await expectAnswer(result, question);
      }),
    PATIENCE_MS,
  );
});
