import { MessageTemplate_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkTemplate, renderTemplate, templateFor } from "./message-template.ts";

const { QUESTION, NOTICE, CHAT_ID_HINT, SEVERAL_HINT } = MessageTemplate_Kind;
const check = (text: string, kind: MessageTemplate_Kind = QUESTION) =>
  checkTemplate({ kind, locale: "", text });

test("a template of known placeholders with the one that says something is taken", () => {
  expect(
    check("**{title}**\n{body}\n{context}\n{options}\n{instructions}\n{deadline} ({asker})"),
  ).toBeUndefined();
  expect(check("{title}: {body} {context} {asker}", NOTICE)).toBeUndefined();
  expect(check("{sender}: {chat_id} ({chat_type})", CHAT_ID_HINT)).toBeUndefined();
  expect(check("{sender}:\n{candidates}", SEVERAL_HINT)).toBeUndefined();
  expect(check("use {{curly}} braces: {body}")).toBeUndefined();
});

test("what a kind does not have, and what is not a placeholder, is refused with the remedy", () => {
  expect(check("{body} {boddy}")).toBe(
    "there is no placeholder {boddy} here; there are {title} {body} {context} {options} {instructions} {deadline} {asker}",
  );
  expect(check("{body} {options}", NOTICE)).toMatch(/there is no placeholder \{options\}/);
  expect(check("{title}")).toBe("{body} is missing; without it the message says nothing");
  expect(check("{{body}}")).toMatch(/\{body\} is missing/);
  expect(check("{body} {")).toBe(
    "the brace at character 8 belongs to no placeholder; write {{ or }} to show one",
  );
  expect(check("{body} {constructor}")).toMatch(/there is no placeholder/);
  expect(check("{Body} {body}")).toMatch(/the brace at character 1/);
  expect(check("[#12345678 x] {body}")).toMatch(/leave out "\[#…\]"/);
  expect(check("{body}", MessageTemplate_Kind.UNSPECIFIED)).toMatch(/not known/);
});

test("P1: a value with braces is shown as it is and fills nothing", () => {
  const values = { title: "{body}", body: "{{x}} {title} $& $1", options: "" };
  expect(renderTemplate("{title}\n{body}\n{options}\nend", values)).toBe("{body}\n{{x}} {title} $& $1\nend");
});

test("P2: a doubled brace is shown once", () => {
  expect(renderTemplate("{{{body}}} {{ }}", { body: "x" })).toBe("{x} { }");
});

test("P3: a line of empty placeholders goes, an empty line of the template stays", () => {
  const text = "{title}\n\n{body}\n{context} {options}\nAsked by {asker}";
  expect(renderTemplate(text, { title: "T", body: "B" })).toBe("T\n\nB\nAsked by");
  expect(renderTemplate("{to_string}{constructor}{body}", { body: "B" })).toBe("B");
});

test("whatever the values are, the template's own words stay in their order, and each value stands whole", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (title, body) => {
      const shown = renderTemplate("<1>{title}<2>{body}<3>", { title, body });
      expect(shown).toBe(`<1>${title}<2>${body}<3>`);
    }),
  );
});

test("the language's own template comes before the one for every language", () => {
  const templates = [
    { kind: QUESTION, locale: "", text: "any" },
    { kind: QUESTION, locale: "en", text: "en" },
    { kind: NOTICE, locale: "en", text: "notice" },
  ];
  expect(templateFor(templates, QUESTION, "en")).toBe("en");
  expect(templateFor(templates, QUESTION, "zh-CN")).toBe("any");
  expect(templateFor(templates, NOTICE, "zh-CN")).toBeUndefined();
  expect(templateFor([], QUESTION, "en")).toBeUndefined();
});
