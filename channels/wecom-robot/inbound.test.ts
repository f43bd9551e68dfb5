import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DecodedInbound } from "../inbound.ts";
import { decodeWecomRobot } from "./inbound.ts";

const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const from = { userid: "zhang", name: "Zhang San", alias: "zhangsan" };
const envelope = { chatid: "wrk7", chattype: "group", from };

function decode(value: unknown): DecodedInbound {
  const result = decodeWecomRobot(bytes(value));
  if (result.kind === "refused") throw new Error(result.reason);
  return result.inbound;
}

function refusal(value: unknown): string {
  const result = decodeWecomRobot(bytes(value));
  return result.kind === "refused" ? result.reason : "";
}

describe("what people send", () => {
  test("a text is read without the mention of the robot", () => {
    expect(decode({ ...envelope, msgtype: "text", text: { content: "@Robot yes, go ahead" } })).toMatchObject(
      {
        kind: "message",
        chatId: "wrk7",
        chatType: "group",
        sender: { userId: "zhang", name: "Zhang San", alias: "zhangsan" },
        vendorMessageId: "",
        text: "yes, go ahead",
        quotedText: "",
      },
    );
  });

  test.each([
    ["@Robot\u2005yes", "yes"],
    ["@Robot\nyes, go", "yes, go"],
    ["@Robot", "@Robot"],
    ["@Build Robot yes", "Robot yes"],
    ["mail me@example.com now", "mail me@example.com now"],
  ])("the mention of %j leaves %j", (content, text) => {
    expect(decode({ ...envelope, msgtype: "text", text: { content } }).text).toBe(text);
  });

  test("a quoted message is parted from the reply below the line of hyphens", () => {
    const content = "“Robot：\n[#1f0c9ab2 demo]\nDeploy build 214?”\n------\n@Robot yes, go ahead";
    expect(decode({ ...envelope, msgtype: "text", text: { content } })).toMatchObject({
      quotedText: "Robot：\n[#1f0c9ab2 demo]\nDeploy build 214?",
      text: "yes, go ahead",
    });
  });

  test("a line of hyphens inside the quoted message does not become part of the reply", () => {
    const content = "“Robot：\n[#1f0c9ab2]\nPlan\n------\nGo?”\n----------\nyes\n------\nreally";
    expect(decode({ ...envelope, msgtype: "text", text: { content } })).toMatchObject({
      quotedText: "Robot：\n[#1f0c9ab2]\nPlan\n------\nGo?",
      text: "yes\n------\nreally",
    });
  });

  test.each(["“Robot: hi”\n------\nyes", "”Robot: hi”\r\n------\r\nyes", "“@Robot hi\n--------\n@Robot yes"])(
    "the quotation %j is recognised",
    (content) => {
      const inbound = decode({ ...envelope, msgtype: "text", text: { content } });
      expect(inbound.text).toBe("yes");
      expect(inbound.quotedText).toMatch(/hi$/);
    },
  );

  test("a text with a curly quote but no line of hyphens is all reply", () => {
    const content = "“Deploy” is what I want -- really";
    expect(decode({ ...envelope, msgtype: "text", text: { content } })).toMatchObject({
      quotedText: "",
      text: content,
    });
  });

  test("an image is its address", () => {
    const inbound = decode({
      ...envelope,
      chattype: "single",
      msgtype: "image",
      image: { image_url: "https://p.example/1" },
    });
    expect(inbound).toMatchObject({
      kind: "message",
      chatType: "single",
      text: "",
      imageUrls: ["https://p.example/1"],
    });
    expect(JSON.parse(inbound.vendorMessage)).toMatchObject({
      msgtype: "image",
      image: { image_url: "https://p.example/1" },
    });
  });

  const items = [
    { msg_type: "text", text: { content: "@Robot look" } },
    { msg_type: "image", image: { image_url: "https://p.example/1" } },
    { msgtype: "text", text: { content: "and" } },
    { msgtype: "image", image: { url: "https://p.example/2" } },
    { msgtype: "voice" },
  ];
  test.each(["mixed_message", "mixed"])("a mixed message is read from %s", (field) => {
    const inbound = decode({ ...envelope, msgtype: "mixed", [field]: { msg_item: items } });
    expect(inbound.text).toBe("look\nand");
    expect(inbound.imageUrls).toEqual(["https://p.example/1", "https://p.example/2"]);
    expect(JSON.parse(inbound.vendorMessage).mixed_message.msg_item).toHaveLength(5);
  });

  test.each([
    { msgtype: "text", text: { content: "[#1f0c9ab2 demo]\nGo?" } },
    {
      msgtype: "mixed",
      mixed: { msg_item: [{ msgtype: "text", text: { content: "[#1f0c9ab2 demo]\nGo?" } }] },
    },
  ])("a quote object of $msgtype is what was quoted", (quote) => {
    const inbound = decode({ ...envelope, msgtype: "text", text: { content: "@Robot yes" }, quote });
    expect(inbound).toMatchObject({ quotedText: "[#1f0c9ab2 demo]\nGo?", text: "yes" });
  });

  test("a quote object that cannot be read costs the quotation, not the answer", () => {
    const quote = { msgtype: "mixed", mixed: { msg_item: 7 } };
    expect(decode({ ...envelope, msgtype: "text", text: { content: "yes" }, quote })).toMatchObject({
      text: "yes",
      quotedText: "",
    });
  });
});

describe("what is kept and not matched", () => {
  test.each([{ msgtype: "event", event: { event_type: "enter_chat" } }, { msgtype: "enter_chat" }])(
    "$msgtype is an event",
    (event) => {
      expect(decode({ ...event, from })).toMatchObject({ kind: "event", chatId: "", text: "" });
    },
  );

  test.each([
    {
      msgtype: "attachment",
      attachment: { callbackid: "c", actions: [{ name: "n", value: "yes", type: "button" }] },
    },
    { msgtype: "voice", voice: { url: "https://p.example/v" } },
  ])("$msgtype has no content", (given) => {
    expect(decode({ ...envelope, ...given })).toMatchObject({ kind: "unknown", text: "", imageUrls: [] });
  });
});

describe("identity", () => {
  test("a missing chattype is a group", () => {
    expect(decode({ chatid: "wrk7", from, msgtype: "text", text: { content: "x" } }).chatType).toBe("group");
  });

  test("a private chat without an id is that of the person", () => {
    expect(decode({ chattype: "single", from, msgtype: "text", text: { content: "x" } }).chatId).toBe(
      "zhang",
    );
  });

  test("an id of digits is kept, one that JSON rounds counts as none (I2)", () => {
    const text = { msgtype: "text", text: { content: "x" } };
    expect(decode({ ...envelope, ...text, msgid: 77 }).vendorMessageId).toBe("77");
    expect(decode(`{"chatid":"c","msgtype":"text","msgid":90071992547409931}`).vendorMessageId).toBe("");
  });

  test("addresses that carry credentials reach nobody", () => {
    const inbound = decode({
      ...envelope,
      msgtype: "text",
      text: { content: "x" },
      msgid: "m1",
      webhook_url: "http://in.example/send?key=SECRET",
      get_chat_info_url: "https://q.example/get_chat_info?code=SECRET",
    });
    expect(JSON.stringify(inbound)).not.toContain("SECRET");
    expect(JSON.parse(inbound.vendorMessage)).toEqual({
      msgtype: "text",
      msgid: "m1",
      chatid: "wrk7",
      chattype: "group",
      from,
      text: { content: "x" },
    });
  });
});

describe("hostile bodies", () => {
  test.each([
    ["", "not a JSON object"],
    ["{", "not a JSON object"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ['"text"', "not a JSON object"],
    ["{}", "msgtype"],
    ['{"msgtype":5}', "msgtype"],
    ['{"msgtype":"text","text":{"content":"x"}}', "chatid"],
    ['{"msgtype":"text","chatid":"a\\nb","text":{"content":"x"}}', "chatid"],
    ['{"msgtype":"text","chatid":["c"],"text":{"content":"x"}}', "chatid"],
    [`{"msgtype":"text","chatid":"${"c".repeat(201)}"}`, "chatid"],
    ['{"msgtype":"text","chatid":"c","text":"x"}', "text"],
    ['{"msgtype":"mixed","chatid":"c","mixed_message":{"msg_item":{"length":9}}}', "mixed_message"],
    [`{"msgtype":"text","chatid":"c","text":{"content":"${"x".repeat(70_000)}"}}`, "larger"],
    [`{"msgtype":"text","chatid":"c","text":{"content":"${"x".repeat(60_000)}"}}`, "longer"],
  ])("%.60j is refused for %j", (body, reason) => {
    expect(refusal(body)).toContain(reason);
  });

  test("bytes that are no UTF-8 are refused", () => {
    expect(decodeWecomRobot(Uint8Array.of(0x7b, 0xff, 0x7d)).kind).toBe("refused");
  });

  test("a refusal repeats nothing of the message", () => {
    expect(refusal({ ...envelope, msgtype: "text", text: { content: ["SECRET"] } })).not.toContain("SECRET");
  });

  test("deep nesting and __proto__ change nothing", () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const body = `{"__proto__":{"polluted":1,"chatid":"p"},"constructor":{"prototype":{"polluted":1}},"x":${deep},
      "chatid":"c","msgtype":"text","from":{"__proto__":{"userid":"p"}},"text":{"content":"x"}}`;
    expect(decode(body)).toMatchObject({ chatId: "c", sender: { userId: "" }, text: "x" });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("a picture is never an address that runs something", () => {
    const item = (image_url: string) => ({ msg_type: "image", image: { image_url } });
    const msg_item = [
      "javascript:alert(1)",
      "data:text/html,x",
      "file:///etc/passwd",
      "https://p.example/1",
    ].map(item);
    expect(decode({ ...envelope, msgtype: "mixed", mixed_message: { msg_item } }).imageUrls).toEqual([
      "https://p.example/1",
    ]);
  });

  test("names that are no names, NUL and lone surrogates are made harmless", () => {
    const inbound = decode(
      '{"chatid":"c","msgtype":"text","from":{"userid":"u","name":{},"alias":"a\\u0000b"},"text":{"content":"a\\u0000\\ud800b"}}',
    );
    expect(inbound.sender).toEqual({ userId: "u", name: "", alias: "a b" });
    expect(inbound.text).toBe("a\ufffdb");
  });

  test("any JSON is decoded or refused, never thrown at", () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          chatid: fc.jsonValue(),
          msgtype: fc.constantFrom("text", "image", "mixed", "event", "x"),
          from: fc.jsonValue(),
          text: fc.jsonValue(),
          mixed: fc.jsonValue(),
          quote: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(value, (json) => {
        const result = decodeWecomRobot(bytes(JSON.stringify(json)));
        if (result.kind === "decoded") expect(result.inbound.text.isWellFormed()).toBe(true);
      }),
    );
  });
});
