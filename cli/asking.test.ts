import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { expect, test } from "vitest";
import { type AskOptions, askRequest } from "./asking.ts";
import { CommandError, EXIT } from "./exit-code.ts";
import { saidLocaleOf } from "./terminal.ts";

const ask = (options: AskOptions, question = "Go on?") => askRequest(question, options, "r1");

test("a plain question asks for text and leaves the deadline to the server", () => {
  const request = ask({});
  expect(request).toMatchObject({ body: "Go on?", requestId: "r1", clientName: "hil ask" });
  expect(request.interaction?.kind.case).toBe("text");
  expect(request.timeout).toBeUndefined();
  expect(request.audience).toBeUndefined();
});

test("--confirm leaves the options to the server, so that their labels are in its language", () => {
  expect(ask({ confirm: true }).interaction?.kind).toMatchObject({
    case: "confirmation",
    value: { options: [] },
  });
});

test("--multiple allows as many choices as there are options", () => {
  const { kind } = ask({ choice: ["a", "b", "c"], multiple: true }).interaction!;
  expect(kind).toMatchObject({ case: "selection", value: { maxChoices: 3 } });
});

test("--timeout none asks without a deadline", () => {
  expect(ask({ timeout: "none" })).toMatchObject({ withoutDeadline: true });
  expect(ask({ timeout: "none" }).timeout).toBeUndefined();
  expect(ask({ timeout: "1.5s" }).timeout).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
});

test("--default is read as an answer to what is asked", () => {
  expect(ask({ confirm: true, default: "n" }).defaultAnswer?.kind).toMatchObject({ value: { value: "no" } });
  expect(ask({ choice: ["a", "b"], default: "2" }).defaultAnswer?.kind).toMatchObject({
    value: { values: ["b"] },
  });
  expect(ask({ default: "later" }).defaultAnswer?.kind).toMatchObject({ value: { text: "later" } });
});

test("--chat-id names the chat, and the channel may be left to the server", () => {
  expect(ask({ chatId: "wrk1" }).audience?.targets).toMatchObject([{ channelId: "", chatId: "wrk1" }]);
});

test("only those who are named may answer, and without a name there is no such rule", () => {
  expect(ask({}).answerPolicy).toBeUndefined();
  const options = { byMember: ["m1"], byRole: [Role.ADMINISTRATOR], byUser: ["lilei"] };
  expect(ask(options).answerPolicy).toMatchObject({
    members: ["m1"],
    roles: [Role.ADMINISTRATOR],
    userIds: ["lilei"],
  });
  expect([ask({}).sensitive, ask({ sensitive: true }).sensitive]).toEqual([false, true]);
});

test("the words around a question are in the language that the environment names, else in the tenant's", () => {
  expect(saidLocaleOf({ LANG: "en_US.UTF-8" })).toBe("en");
  expect(saidLocaleOf({ LANG: "en_US.UTF-8", LC_ALL: "zh_CN.UTF-8" })).toBe("zh-CN");
  expect(saidLocaleOf({ LANG: "C.UTF-8" })).toBeUndefined();
  expect(ask({}).locale).toBe("");
  expect(ask({ locale: "en" }).locale).toBe("en");
  expect(() => ask({ locale: "fr" })).toThrow("zh-CN or en");
});

test("what is asked for keeps the contract's rules", () => {
  const request = ask({ choice: ["a", "b"], timeout: "20m", project: "shop", default: "a" });
  expect(createValidator().validate(CreateSessionRequestSchema, request).kind).toBe("valid");
  expect(create(CreateSessionRequestSchema, request)).toEqual(request);
});

test.each<[string, AskOptions, string?]>([
  ["an empty question", {}, "  "],
  ["--confirm with --choice", { confirm: true, choice: ["a"] }],
  ["--multiple alone", { multiple: true }],
  ["the same --choice twice", { choice: ["a", "a"] }],
  ["a --timeout that is none", { timeout: "soon" }],
  ["a --default that is no option", { choice: ["a"], default: "b" }],
])("%s is a fault of the command line", (_, options, question) => {
  const error = (() => {
    try {
      return ask(options, question);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(CommandError);
  expect((error as CommandError).exitCode).toBe(EXIT.usage);
});
