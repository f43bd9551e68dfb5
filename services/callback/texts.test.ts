import { create } from "@bufbuild/protobuf";
import { MessageTemplate_Kind, MessageTemplateSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { InboundSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ChatType, Session_Outcome, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plainWords } from "./plain-words.ts";
import { readTag } from "./tag.ts";
import { createTexts } from "./texts.ts";

const timeOfDay = () => "11:04:05";
const chinese = createTexts({ locale: "zh-CN", templates: [], timeOfDay });
const english = createTexts({ locale: "en", templates: [], timeOfDay });
const session = (shortId: string, more: object = {}) =>
  create(SessionSchema, { shortId, projectName: "demo", body: "Deploy build 214?", ...more });

test("the chat-id hint greets, and says id, kind, time and setting", () => {
  const inbound = create(InboundSchema, {
    chatId: "wrk7",
    chatType: ChatType.GROUP,
    sender: { name: "张三" },
  });
  expect(chinese.chatIdHint(inbound)).toBe(`张三，您好！这里目前没有等待回复的问题。

**会话 ID**：\`wrk7\`
**会话类型**：群聊
**时间**：11:04:05

如需把问题发到这里，请使用以下配置：
\`\`\`
DEFAULT_CHAT_ID=wrk7
\`\`\``);
  expect(english.chatIdHint({ ...inbound, chatType: ChatType.SINGLE })).toMatch(/private.*11:04:05/s);
});

test("the several-sessions hint lists five at most and says how to answer one", () => {
  const sessions = ["a", "b", "c", "d", "e", "f", "1"].map((each) => session(each.repeat(8)));
  const hint = chinese.severalHint("张三", sessions);
  expect(hint).toContain("张三，这里有 7 个问题在等待回复");
  expect(hint.match(/^\d\. /gm)).toHaveLength(5);
  expect(hint).toContain("1. [#aaaaaaaa] (demo): Deploy build 214?");
  expect(hint).toContain("另有 2 个");
  expect(hint).toContain("引用回复");
  expect(hint).toContain("`#aaaaaaaa 您的回复`");
  expect(
    english.severalHint("", [session("abababab", { projectName: "", title: "x".repeat(31) })]),
  ).toContain(`1. [#abababab]: ${"x".repeat(30)}…`);
});

test.each([chinese, english])("whoever quotes the hint names none of its questions", ({ severalHint }) => {
  const hint = severalHint("Li Na", [session("aaaaaaaa"), session("bbbbbbbb")]);
  expect(readTag({ quotedText: hint, text: "yes" })).toEqual({ kind: "several" });
  const unnumbered = hint.replace(/^\d\. /gm, "").replace(/\n+/g, "\n");
  expect(readTag({ quotedText: `HIL：\n${unnumbered}`, text: "yes" })).toEqual({ kind: "several" });
});

test.each([
  [Session_Outcome.ANSWERED, "已经有人回答了", "answered"],
  [Session_Outcome.REJECTED, "已经有人回答了", "answered"],
  [Session_Outcome.EXPIRED, "已经超时", "expired"],
  [Session_Outcome.CANCELLED, "已经被取消", "cancelled"],
  [Session_Outcome.UNDELIVERABLE, "已经结束", "ended"],
  [undefined, "已经结束", "ended"],
])("the outcome %s is said in words", (outcome, zh, en) => {
  expect(chinese.closedTag("aaaaaaaa", outcome)).toContain(`#aaaaaaaa ${zh}`);
  expect(english.closedTag("aaaaaaaa", outcome)).toContain(en);
});

test("every refusal says what to do, and names the number it is about", () => {
  for (const texts of [chinese, english]) {
    expect(texts.unknownTag("aaaaaaaa")).toContain("#aaaaaaaa");
    expect(texts.notAllowed("aaaaaaaa")).toContain("#aaaaaaaa");
  }
  expect(english.linkInvalid).toContain("administrator");
  expect(chinese.linkInvalid).toContain("管理员");
});

test("I6: the hint for several tenants names no question and no number", () => {
  for (const texts of [chinese, english]) {
    const hint = texts.quoteHint("Li Na");
    expect(hint).toContain("Li Na");
    expect(hint).not.toMatch(/\d|#/);
  }
});

describe("a tenant's own words", () => {
  const template = (kind: MessageTemplate_Kind, text: string, locale = "") =>
    create(MessageTemplateSchema, { kind, text, locale });
  const inbound = create(InboundSchema, {
    chatId: "wrk7",
    chatType: ChatType.GROUP,
    sender: { name: "Li {sender} Na" },
  });

  test("stand for the hints, and what people are called is not read as one of them", () => {
    const texts = createTexts({
      locale: "en",
      templates: [
        template(MessageTemplate_Kind.CHAT_ID_HINT, "{sender}: nothing here, {chat_type} {chat_id}"),
        template(MessageTemplate_Kind.SEVERAL_HINT, "Which one, {sender}?\n{candidates}"),
      ],
      timeOfDay,
    });
    expect(texts.chatIdHint(inbound)).toBe("Li {sender} Na: nothing here, group wrk7");
    expect(texts.severalHint("Li Na", [session("aaaaaaaa"), session("bbbbbbbb")])).toBe(
      "Which one, Li Na?\n1. \u200b[#aaaaaaaa] (demo): Deploy build 214?\n2. [#bbbbbbbb] (demo): Deploy build 214?",
    );
  });

  test("make no tag of the list lead, whatever stands before it", () => {
    const templates = [template(MessageTemplate_Kind.SEVERAL_HINT, "Which one:\n{candidates}")];
    const texts = createTexts({ locale: "en", templates, timeOfDay });
    const hint = texts.severalHint("", [session("aaaaaaaa"), session("bbbbbbbb")]);
    for (const quotedText of [hint, hint.replace(/^\d\. /gm, "")]) {
      expect(readTag({ quotedText, text: "yes" })).toEqual({ kind: "several" });
    }
  });

  test("in another language do not", () => {
    const templates = [template(MessageTemplate_Kind.CHAT_ID_HINT, "{chat_id}", "en")];
    const texts = createTexts({ locale: "zh-CN", templates, timeOfDay });
    expect(texts.chatIdHint(inbound)).toContain("会话 ID");
  });
});

describe("words of strangers", () => {
  test.each([
    ["<@all> look", "＜＠all＞ look"],
    ["[click](http://evil.example)", "［click］(http：//evil．example)"],
    ["[#deadbeef demo] x", "［＃deadbeef demo］ x"],
    ["**bold** `code` _x_", "＊＊bold＊＊ 'code' ＿x＿"],
    ["a\n\n# title\u202e\u0007", "a ＃ title"],
    ["build 2.14 of index.ts", "build 2.14 of index．ts"],
  ])("%j is shown as %j", (words, shown) => {
    expect(plainWords(words, 100)).toBe(shown);
  });

  test("whatever they are, they are one short line that mentions, links and names nothing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string()), (words) => {
        const shown = plainWords(words, 30);
        expect([...shown].length).toBeLessThanOrEqual(31);
        expect(shown).not.toMatch(/[\n<>[\]@#`*]|:\/\//);
        expect(shown.isWellFormed()).toBe(true);
      }),
    );
  });
});
