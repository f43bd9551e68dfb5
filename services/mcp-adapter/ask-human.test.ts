import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { AnswerValue, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { interactionOf } from "./interactions.ts";
import { readResult } from "./testing/adapter-process.ts";
import { type HilProcess, startHil } from "./testing/hil-process.ts";
import { connectOverHttp } from "./testing/http-client.ts";
import { askHumanInput } from "./tool-schemas.ts";

let hil: HilProcess;
beforeAll(async () => {
  hil = await startHil({ HIL_MIN_TIMEOUT: "600", HIL_MAX_TIMEOUT: "7200", HIL_DEFAULT_TIMEOUT: "900" });
});
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
});

type Kind = {
  [K in AnswerValue["kind"]["case"] & string]: { case: K; value: object };
}[AnswerValue["kind"]["case"] & string];

async function answer(body: string, kind: Kind, note = ""): Promise<Session> {
  const { id } = await hil.asked(body);
  const { session } = await hil.owner().answerSession({
    sessionId: id,
    requestId: `answer-${id}`,
    value: { kind: kind as never },
    note,
    responderName: "Zhang San",
  });
  return session!;
}

const connect = () => connectOverHttp(hil, hil.key(), { path: "/mcp?chat_id=wrk1" });

test("a decision comes back as the asker's own value, and says whether it refuses", async () => {
  await using agent = await connect();
  for (const [question, value, refused] of [
    ["Delete the branch?", "yes", false],
    ["Delete the tag?", "no", true],
  ] as const) {
    const asking = agent.call("ask_human", { question, kind: "confirm" });
    await answer(question, { case: "confirmation", value: { value } }, "since I say so");
    expect(readResult(await asking)).toMatchObject({
      status: "success",
      choices: [value],
      refused,
      replies: [
        { content: value, note: "since I say so", untrusted: true, from_user: { name: "Zhang San" } },
      ],
    });
  }
});

test("a choice of several options comes back as its values, with what was written besides", async () => {
  await using agent = await connect();
  const asking = agent.call("ask_human", {
    question: "Which regions?",
    options: [{ value: "eu", label: "Europe" }, { value: "us", dangerous: true }, { value: "cn" }],
    max_choices: 3,
    allow_other: true,
    facts: { command: "deploy --all" },
  });
  const session = await answer("Which regions?", {
    case: "selection",
    value: { values: ["cn", "eu"], other: "and Mars" },
  });
  expect(session).toMatchObject({ context: [{ key: "command", value: "deploy --all" }] });
  expect(readResult(await asking)).toMatchObject({
    choices: ["cn", "eu"],
    refused: false,
    replies: [{ content: "cn, eu, and Mars" }],
  });
});

test("a person may be asked for text, and the result is that of send_and_wait_reply", async () => {
  await using agent = await connect();
  const asking = agent.call("ask_human", { question: "What name?" });
  await answer("What name?", { case: "text", value: { text: "Ada" } });
  const result = readResult(await asking);
  expect(result).toMatchObject({ status: "success", replies: [{ content: "Ada" }] });
  expect(result).not.toHaveProperty("choices");
});

test("the same words with other options are another question", async () => {
  await using agent = await connect();
  const question = "Same words?";
  const first = agent.call("ask_human", { question, options: [{ value: "a" }] });
  await hil.asked(question);
  const second = agent.call("ask_human", { question, options: [{ value: "b" }] });
  const both = async () => (await hil.sessions()).filter(({ body }) => body === question);
  while ((await both()).length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const { id, interaction } of await both()) {
    const options = (interaction!.kind.value as { options: { value: string }[] }).options;
    await hil.owner().answerSession({
      sessionId: id,
      requestId: `answer-${id}`,
      value: { kind: { case: "selection", value: { values: [options[0]!.value] } } },
    });
  }
  expect(readResult(await first).choices).toEqual(["a"]);
  expect(readResult(await second).choices).toEqual(["b"]);
});

test("a model neither chooses who is asked nor shortens the time that people have below what the tenant allows", async () => {
  await using agent = await connect();
  const spanS = async (question: string, timeout: number) => {
    const giveUp = new AbortController();
    const input = { question, timeout, chat_id: "wrk-of-the-model", responders: ["me"] };
    const asking = agent.call("ask_human", input, { signal: giveUp.signal }).catch(() => undefined);
    const { createTime, expireTime, audience } = await hil.asked(question);
    giveUp.abort();
    await asking;
    expect(audience!.targets).toMatchObject([{ chatId: "wrk1" }]);
    return (timestampDate(expireTime!).getTime() - timestampDate(createTime!).getTime()) / 1000;
  };
  expect(await spanS("One second?", 1)).toBe(900);
  expect(await spanS("An hour?", 3600)).toBe(3600);
  expect(await spanS("A day, above the maximum?", 86_400)).toBe(900);
});

test.each<[Record<string, unknown>, string]>([
  [{ kind: "choose" }, "needs options"],
  [{ kind: "text", options: [{ value: "a" }] }, 'use "choose"'],
  [{ options: [{ value: "a" }, { value: "a" }] }, "a value of its own"],
  [{ options: [{ value: "a" }], max_choices: 2 }, "more than there are options"],
  [{ kind: "confirm", options: Array.from({ length: 21 }, (_, n) => ({ value: `${n}` })) }, "at most 20"],
])("what does not fit together is told to the model: %j", (input, sentence) => {
  expect(interactionOf(askHumanInput.parse({ question: "?", ...input }))).toContain(sentence);
});

test("arguments that are not of the schema are told to the model, as a result that it reads", async () => {
  await using agent = await connect();
  const refused = await agent.call("ask_human", { question: "", kind: "dance" });
  expect(refused.isError).toBe(true);
  expect(JSON.stringify(refused.content)).toMatch(/Invalid arguments for ask_human.*question.*kind/);
  await expect(agent.call("no_such_tool")).rejects.toThrow(/no tool no_such_tool/);
});
