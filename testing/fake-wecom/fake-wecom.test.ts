import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { startFakeWecom } from "./fake-wecom.ts";
import { callbackOf } from "./person.ts";

async function send(url: string, body: object, key = "k") {
  const response = await fetch(`${url}/cgi-bin/webhook/send?key=${key}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { errcode: number }).errcode;
}

const text = (content: string, chatid: string | undefined = "wr") => ({
  chatid,
  msgtype: "text",
  text: { content },
});

test("text is limited in bytes, not characters", async () => {
  await using wecom = await startFakeWecom({ key: "k" });
  expect(await send(wecom.url, text("好".repeat(682)))).toBe(0);
  expect(await send(wecom.url, text("好".repeat(683)))).toBe(40058);
  expect(await send(wecom.url, text(""))).toBe(40058);
  expect(await send(wecom.url, { chatid: "wr", msgtype: "card" })).toBe(40058);
  expect(await send(wecom.url, text("hi"), "wrong")).toBe(93000);
  expect(wecom.messages).toHaveLength(1);
});

test("a call-back robot without a chat writes to all groups, and the fake says so", async () => {
  await using wecom = await startFakeWecom({ key: "k" });
  expect(await send(wecom.url, { msgtype: "text", text: { content: "hi" } })).toBe(0);
  expect(wecom.broadcasts).toHaveLength(1);
});

test("a chat takes so many messages a minute, then 45009", async () => {
  let ms = 0;
  await using wecom = await startFakeWecom({ key: "k", perMinute: 2, now: () => new Date(ms) });
  expect(await send(wecom.url, text("1"))).toBe(0);
  expect(await send(wecom.url, text("2"))).toBe(0);
  expect(await send(wecom.url, text("3"))).toBe(45009);
  expect(await send(wecom.url, text("3", "other"))).toBe(0);
  ms = 60_000;
  expect(await send(wecom.url, text("3"))).toBe(0);
});

test("a callback that is not answered 200 is repeated three times with the same msgid", async () => {
  const bodies: { msgid: string }[] = [];
  const receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push({ ...JSON.parse(body), auth: request.headers["x-api-key"] });
      response.writeHead(bodies.length < 4 ? 503 : 200).end("{}");
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  await using wecom = await startFakeWecom({
    key: "k",
    callbackUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    callbackHeader: ["x-api-key", "v"],
    callbackRetryMs: 1,
  });
  const result = await wecom.person.reply({ chatid: "wr", text: "yes" });
  expect(result).toMatchObject({ statuses: [503, 503, 503, 200], taken: true });
  expect(new Set(bodies.map(({ msgid }) => msgid))).toEqual(new Set([result.msgid]));
  expect(bodies[0]).toMatchObject({ auth: "v", chatid: "wr", text: { content: "@Robot yes" } });
  receiver.close();
});

test("a quotation stands inside the text, before the answer", () => {
  const body = callbackOf({ chatid: "wr", text: "yes", quote: "[#1f0c9ab2 demo]\nDeploy?" }, "Robot");
  expect(body.text).toEqual({ content: "“Robot：\n[#1f0c9ab2 demo]\nDeploy?”\n------\n@Robot yes" });
});
