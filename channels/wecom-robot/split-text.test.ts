import fc from "fast-check";
import { expect, test } from "vitest";
import { byteLength, splitText } from "./split-text.ts";

const text = fc.string({ unit: "binary", maxLength: 4000 });
const split = fc.record({
  header: fc.constantFrom("", "[#1f0c9ab2]", "[#1f0c9ab2 演示项目]"),
  content: fc.oneof(
    text,
    fc.string({ unit: fc.constantFrom("好", "a", "\n", " ", "😀", "。"), maxLength: 4000 }),
  ),
  closing: fc.constantFrom(
    "",
    "请引用本消息回复。",
    "Please reply within 20 minutes.\nPlease quote this message to reply.",
  ),
  maxBytes: fc.integer({ min: 512, max: 2048 }),
  cutNotice: fc.constant("…"),
});

function contentOf(message: string, header: string): string {
  const start = header === "" ? "" : `${header} `;
  const mark = /^\(\d+\/\d+\)\n/.exec(message.slice(start.length))![0];
  return message.slice(start.length + mark.length);
}

test("every message is within the limit and ends between code points", () => {
  fc.assert(
    fc.property(split, (given) => {
      for (const message of splitText(given)) {
        expect(byteLength(message)).toBeLessThanOrEqual(given.maxBytes);
        if (given.content.isWellFormed()) expect(message.isWellFormed()).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("the messages put together are the content, each under the header, the closing on the last only", () => {
  fc.assert(
    fc.property(split, (given) => {
      const { header, content, closing } = given;
      const tail = closing === "" ? "" : `\n${closing}`;
      const messages = splitText(given);
      if (messages.length === 1) {
        expect(messages[0]).toBe(`${header === "" ? "" : `${header}\n`}${content}${tail}`);
        return;
      }
      for (const [index, message] of messages.entries()) {
        const mark = `(${index + 1}/${messages.length})\n`;
        expect(message.startsWith(header === "" ? mark : `${header} ${mark}`)).toBe(true);
      }
      expect(messages.map((message) => contentOf(message, header)).join("")).toBe(content + tail);
    }),
    { numRuns: 300 },
  );
});

test("a text that just fits stays one message; one byte more makes two", () => {
  const given = { header: "[#1f0c9ab2]", closing: "?", maxBytes: 512, cutNotice: "…" };
  const most = 512 - byteLength("[#1f0c9ab2]\n\n?");
  expect(splitText({ ...given, content: "a".repeat(most) })).toHaveLength(1);
  expect(splitText({ ...given, content: "a".repeat(most + 1) })).toHaveLength(2);
});

test("a text beyond 99 messages ends with a word about the rest", () => {
  const messages = splitText({
    header: "[#1f0c9ab2]",
    content: "好".repeat(100_000),
    closing: "",
    maxBytes: 512,
    cutNotice: "the console has the rest",
  });
  expect(messages).toHaveLength(99);
  expect(messages.at(-1)).toMatch(/\nthe console has the rest$/);
});

test("a break between lines is preferred to one inside a word", () => {
  const line = `${"word ".repeat(20).trim()}\n`;
  const messages = splitText({
    header: "",
    content: line.repeat(12),
    closing: "",
    maxBytes: 512,
    cutNotice: "…",
  });
  for (const message of messages) expect(message.endsWith("\n")).toBe(true);
});
