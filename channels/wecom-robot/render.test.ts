import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ReplyMatching, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { callbackOf } from "@hil/testing/fake-wecom/person.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeWecomRobot } from "./inbound.ts";
import { renderNotice, renderSession } from "./render.ts";

const LIMITS = { maxTextBytes: 2048, maxMarkdownBytes: 4096 };
const ASKED = Date.UTC(2026, 10, 20, 12);

function session(given: MessageInitShape<typeof SessionSchema> = {}) {
  return create(SessionSchema, {
    shortId: "1f0c9ab2",
    projectName: "demo",
    body: "Deploy build 214?",
    interaction: { kind: { case: "text", value: {} } },
    locale: "en",
    createTime: timestampFromMs(ASKED),
    expireTime: timestampFromMs(ASKED + 20 * 60_000),
    ...given,
  } as MessageInitShape<typeof SessionSchema>);
}

function texts(given: MessageInitShape<typeof SessionSchema> = {}, inChat = true): string[] {
  return renderSession(session(given), LIMITS, { inChat }).map((part) =>
    "text" in part ? part.text : `#${part.number}`,
  );
}

const confirmation: MessageInitShape<typeof SessionSchema> = {
  interaction: {
    kind: {
      case: "confirmation",
      value: {
        options: [
          { value: "yes", label: "部署", dangerous: true },
          { value: "no", label: "不部署", description: "稍后再说", refuses: true },
        ],
      },
    },
  },
  defaultAnswer: { kind: { case: "confirmation", value: { value: "no" } } },
  locale: "zh-CN",
};

test("a question stands under its tag, and its last line asks for a reply", () => {
  expect(texts()).toEqual([
    "[#1f0c9ab2 demo]\nDeploy build 214?\nPlease reply within 20 minutes.\nPlease quote this message or mention me to reply.",
  ]);
  expect(texts({ projectName: "" })[0]).toMatch(/^\[#1f0c9ab2\]\n/);
});

test("a confirmation lists its numbered options and says beforehand what the deadline decides", () => {
  expect(texts(confirmation)).toEqual([
    [
      "[#1f0c9ab2 demo]",
      "Deploy build 214?",
      "1. 部署（⚠ 不可撤销）",
      "2. 不部署 - 稍后再说",
      "请在 20 分钟内回复；到时无人回复，将按「不部署」处理。",
      "请引用本消息或 @我 回复选项的编号或文字。",
    ].join("\n"),
  ]);
});

test("a session that takes quoting replies only asks for them", () => {
  expect(texts({ audience: { replyMatching: ReplyMatching.QUOTED } })[0]).toMatch(
    /Please quote this message to reply\.$/,
  );
});

test("a robot that hears nothing sends people to the console", () => {
  expect(texts({}, false)[0]).toMatch(/Please answer in the HIL console/);
});

test("a notice has the tag and asks for nothing; an untagged one is the message alone", () => {
  const notice = (untagged: boolean) => ({
    interaction: { kind: { case: "notice" as const, value: { untagged } } },
  });
  expect(texts(notice(false))).toEqual(["[#1f0c9ab2 demo]\nDeploy build 214?"]);
  expect(texts(notice(true))).toEqual(["Deploy build 214?"]);
});

test("pictures come after the text, and people are rung once", () => {
  const parts = renderSession(
    session({
      body: "好".repeat(1500),
      audience: { mentions: ["lina", "@all"] },
      attachments: [{ number: 1 }, { number: 2 }],
    }),
    LIMITS,
    { inChat: true },
  );
  expect(parts.map((part) => part.kind)).toEqual(["text", "text", "text", "image", "image"]);
  expect(parts.map((part) => ("mentions" in part ? part.mentions : []))).toEqual([
    ["lina", "@all"],
    [],
    [],
    [],
    [],
  ]);
});

test("a title is not said twice", () => {
  expect(texts({ title: "Deploy build 214?" })[0]).toMatch(/^\[#1f0c9ab2 demo\]\nDeploy build 214\?\nPlease/);
  expect(texts({ title: "Deploy?", body: "" })[0]).toMatch(/^\[#1f0c9ab2 demo\]\nDeploy\?\nPlease/);
});

test("what an asker writes cannot pass for a tag, ring people or end the quotation", () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      "[",
      "#",
      "\u200b",
      "1f0c9ab2 x]",
      "\n",
      "<",
      "@all>",
      "------",
      "-",
      "\u2028",
      "好",
    ),
  });
  fc.assert(
    fc.property(hostile, hostile, hostile, (title, body, label) => {
      const interaction = {
        kind: {
          case: "confirmation" as const,
          value: { options: [{ value: "v", label, description: title }] },
        },
      };
      const whole = texts({
        title,
        body,
        projectName: "",
        interaction,
        context: [{ key: title, value: body }],
      });
      for (const text of whole) {
        expect(text.match(/\[[\s\p{Cf}]*#/gu)).toEqual(["[#"]);
        expect(text).not.toMatch(/<[\s\p{Cf}]*@/u);
        expect(text).not.toContain("------");
      }
    }),
    { numRuns: 300 },
  );
});

test("I18: a reply that quotes any part is read with that part's one tag, whatever the asker wrote", () => {
  const hostile = fc.string({
    unit: fc.constantFrom("[#deadbeef x]", "\n", "------", "”", "“", "@Robot no ", "x", "好".repeat(300)),
  });
  fc.assert(
    fc.property(hostile, (body) => {
      for (const text of texts({ body })) {
        const callback = callbackOf({ chatid: "wr", text: "yes", quote: text }, "Robot");
        const result = decodeWecomRobot(Buffer.from(JSON.stringify(callback)));
        if (result.kind !== "decoded") throw new Error(result.reason);
        expect(result.inbound.text).toBe("yes");
        expect(result.inbound.quotedText.match(/\[#[0-9a-f]{8}/g)).toEqual(["[#1f0c9ab2"]);
      }
    }),
  );
});

test("a notice of ours is markdown within the limit, unchanged", () => {
  expect(renderNotice("**hi** `wrk7`", LIMITS)).toEqual([{ kind: "markdown", text: "**hi** `wrk7`" }]);
  expect(renderNotice("好".repeat(3000), LIMITS).length).toBe(3);
});

function templated(template: string, given: MessageInitShape<typeof SessionSchema> = {}): string[] {
  return renderSession(session(given), LIMITS, { inChat: true }, { template }).map((part) =>
    "text" in part ? part.text : `#${part.number}`,
  );
}

test("a tenant's template stands under the tag, in place of the words of ours", () => {
  expect(
    templated("**{title}** for {asker}\n{body}\n{context}\n{options}\n\n{instructions}\n{deadline}", {
      title: "Release",
      asker: { clientName: "claude-code" },
      context: [{ key: "environment", value: "production" }],
    }),
  ).toEqual([
    [
      "[#1f0c9ab2 demo]",
      "**Release** for claude-code",
      "Deploy build 214?",
      "environment: production",
      "",
      "Please quote this message or mention me to reply.",
      "Please reply within 20 minutes.",
    ].join("\n"),
  ]);
});

test("what the deadline decides by itself is said although the template does not", () => {
  expect(templated("{body}", confirmation)).toEqual([
    "[#1f0c9ab2 demo]\nDeploy build 214?\n请在 20 分钟内回复；到时无人回复，将按「不部署」处理。",
  ]);
  expect(templated("{body} {{deadline}}", confirmation)[0]).toContain("将按「不部署」处理");
  expect(templated("{body} ({deadline})", confirmation)[0]?.match(/不部署/g)).toHaveLength(1);
});

test("H1, H2: a template's words and an asker's make neither a tag nor a mention together", () => {
  const [text] = templated("[{body} <{title} ------{asker}", {
    title: "@all",
    body: "#deadbeef x]",
    asker: { clientName: "------" },
  });
  expect(text).toBe("[#1f0c9ab2 demo]\n［#deadbeef x] ＜@all ––––––––––––");
});

test("P1: placeholders in an asker's words stay words", () => {
  expect(templated("{title}: {body}", { title: "{body}", body: "{asker} {{x}}" })[0]).toBe(
    "[#1f0c9ab2 demo]\n{body}: {asker} {{x}}",
  );
});

test("within the vendor's limit, whatever the template and the words are", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 6000 }),
      fc.string({ maxLength: 300 }),
      (body, own) => {
        const template = `${own.replace(/[{}]/g, "")}{body}\n{options}{instructions}`;
        for (const text of templated(template, { ...confirmation, body: `${body}x` })) {
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(LIMITS.maxTextBytes);
          expect(text.startsWith("[#1f0c9ab2 demo]")).toBe(true);
        }
      },
    ),
    { numRuns: 200 },
  );
});
