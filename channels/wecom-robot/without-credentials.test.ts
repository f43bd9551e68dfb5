import { expect, test } from "vitest";
import { decodeWecomRobot } from "./inbound.ts";
import { withoutCredentials } from "./without-credentials.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array | undefined) => new TextDecoder().decode(body);

test("the vendor's addresses with a key go, everything else stays as it was", () => {
  const message = {
    webhook_url: "http://in.qyapi.example/cgi-bin/webhook/send?key=hush",
    msgid: "CAIQ1",
    chatid: "wr8Zk",
    chattype: "group",
    from: { userid: "lina", name: "Li Na" },
    get_chat_info_url: "https://qyapi.weixin.qq.com/cgi-bin/webhook/get_chat_info?code=hush",
    msgtype: "text",
    text: { content: "@HIL approve 你好" },
  };
  const body = bytes(JSON.stringify(message));
  const kept = withoutCredentials(body)!;
  expect(text(kept)).not.toContain("hush");
  expect(decodeWecomRobot(kept)).toEqual(decodeWecomRobot(body));
});

test("a body without such addresses is not touched, byte for byte", () => {
  const body = bytes(' {"msgid": 12345678901234567890, "__proto__": {"a": 1}, "msgtype":"text"}\n');
  expect(withoutCredentials(body)).toBe(body);
});

test("a key called __proto__ stays a key", () => {
  const kept = withoutCredentials(bytes('{"__proto__":{"polluted":1},"webhook_url":"x","msgtype":"text"}'));
  expect(text(kept)).toBe('{"__proto__":{"polluted":1},"msgtype":"text"}');
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test.each([bytes("not JSON"), bytes("[1]"), bytes("null"), new Uint8Array([0x7b, 0xff, 0x7d])])(
  "what is no JSON object in UTF-8 is nothing",
  (body) => {
    expect(withoutCredentials(body)).toBeUndefined();
  },
);
