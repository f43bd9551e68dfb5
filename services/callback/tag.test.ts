import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTag } from "./tag.ts";

const shortId = fc.stringMatching(/^[0-9a-f]{8}$/);
const project = fc.stringMatching(/^[\p{L}\p{N} ._-]{1,20}$/u);

test.each([
  ["Robot：\n[#1f0c9ab2 demo]\nDeploy?", "1f0c9ab2"],
  ["Robot: [#1f0c9ab2] Deploy?", "1f0c9ab2"],
  ["[#1f0c9ab2 支付 网关]\nDeploy?", "1f0c9ab2"],
  ["bold text then [#1f0c9ab2 demo] later", "1f0c9ab2"],
  ["[#1f0c9ab2 demo]\nIs it as in [#deadbeef]?", "1f0c9ab2"],
  ["[#1f0c9ab2 demo]\nx\n------\n[#deadbeef]", "1f0c9ab2"],
])("the quoted %j names %j", (quotedText, expected) => {
  expect(readTag({ quotedText, text: "yes" })).toEqual({ kind: "one", shortId: expected, text: "yes" });
});

test.each([
  "",
  "Deploy?",
  "[#1F0C9AB2 demo]",
  "[#1f0c9ab] seven",
  "[#1f0c9ab2f] nine",
  "[#1f0c9ab2\ndemo]",
  "[1f0c9ab2]",
  "#1f0c9ab2",
  "text\n------\n[#1f0c9ab2 demo]",
])("the quoted %j names nothing", (quotedText) => {
  expect(readTag({ quotedText, text: "yes" })).toEqual({ kind: "none" });
});

test.each([
  ["#abc12345 yes", "yes"],
  ["  #abc12345，同意", "同意"],
  ["＃ABC12345: yes", "yes"],
  ["#abc12345\nline\n\nline", "line\n\nline"],
  ["#abc12345", ""],
  ["[#abc12345 demo] yes", "yes"],
])("%j names its session and answers %j", (text, answer) => {
  expect(readTag({ quotedText: "", text })).toEqual({ kind: "one", shortId: "abc12345", text: answer });
});

test.each(["see #abc12345", "yes [#abc12345 demo]", "#abc123456", "#abc1234g", "#abc12345x", "# abc12345"])(
  "%j is an answer without a tag",
  (text) => {
    expect(readTag({ quotedText: "", text })).toEqual({ kind: "none" });
  },
);

describe("a message that names several", () => {
  const hint = "Li Na, 2 questions wait.\n\n1. [#aaaaaaaa] (x): one…\n2. [#bbbbbbbb]: two…";

  test("quoting a list of questions picks none of them", () => {
    expect(readTag({ quotedText: hint, text: "yes" })).toEqual({ kind: "several" });
  });

  test("quoting a list and typing one names that one", () => {
    expect(readTag({ quotedText: hint, text: "#bbbbbbbb yes" })).toMatchObject({
      kind: "one",
      shortId: "bbbbbbbb",
    });
  });

  test("quoting one question and typing another picks neither", () => {
    expect(readTag({ quotedText: "[#aaaaaaaa x]\nGo?", text: "#bbbbbbbb yes" })).toEqual({ kind: "several" });
  });
});

describe("for all tags", () => {
  test("a question that is quoted is named, whatever it says and whatever is replied", () => {
    fc.assert(
      fc.property(shortId, project, fc.string(), fc.string(), (id, name, body, reply) => {
        const tag = readTag({ quotedText: `[#${id} ${name}]\n${body}`, text: `> ${reply}` });
        expect(tag).toMatchObject({ kind: "one", shortId: id });
      }),
    );
  });

  test("what is read is always in the message", () => {
    const words = fc.array(
      fc.oneof(
        shortId.map((id) => `[#${id} p]`),
        shortId.map((id) => `#${id} `),
        fc.constantFrom("------", "\n", "“", "：", "[#", "]"),
        fc.string(),
      ),
    );
    const text = words.map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, text, (quotedText, reply) => {
        const tag = readTag({ quotedText, text: reply });
        if (tag.kind !== "one") return;
        const typed = reply.trimStart().slice(0, 12).toLowerCase();
        const quoted = quotedText.split("------")[0]!;
        expect(typed.includes(tag.shortId) || quoted.includes(`[#${tag.shortId}`)).toBe(true);
      }),
    );
  });
});
