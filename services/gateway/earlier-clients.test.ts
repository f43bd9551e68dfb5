// What an unchanged client of the earlier systems sees of the whole product, with a fake of the vendor only.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Embedded, startEmbedded } from "@hil/cli/embedded.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type FakeWecom, startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { afterEach, expect, test } from "vitest";

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function startProduct(settings: NodeJS.ProcessEnv = {}): Promise<{ hil: Embedded; wecom: FakeWecom }> {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-earlier-"));
  opened.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const wecom = await startFakeWecom({ key: "robot-key", callbackRetryMs: 20 });
  opened.push(() => wecom.close());
  const hil = await startEmbedded({
    environment: {
      HIL_PORT: "0",
      HIL_DATA_DIR: dataDir,
      BOT_KEY: "robot-key",
      WECOM_API_URL: wecom.url,
      HIL_LOCALE: "en",
      ...settings,
    },
    log: silentLog,
  });
  opened.push(() => hil.close());
  wecom.callbackUrl = `${hil.url}/api/callback`;
  return { hil, wecom };
}

async function send(hil: Embedded, body: object) {
  const response = await fetch(`${hil.url}/send`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as { success: boolean; session_id: string; message: string; error: string };
}

async function poll(hil: Embedded, id: string) {
  const response = await fetch(`${hil.url}/poll/${id}`);
  return (await response.json()) as {
    status: string;
    has_reply: boolean;
    replies: Record<string, unknown>[];
  };
}

test("a question goes out with its tag, and the reply of the chat comes back as the vendor sent it", async () => {
  const { hil, wecom } = await startProduct();
  const sent = await send(hil, { message: "Deploy?", chat_id: "chat-1", project_name: "demo", timeout: 60 });
  expect(sent).toMatchObject({ success: true, message: "消息发送成功", error: null });
  expect(wecom.messages.length).toBe(1);
  expect((await poll(hil, sent.session_id)).status).toBe("waiting");
  const taken = await wecom.person.reply({ chatid: "chat-1", text: "yes, go ahead" });
  expect(JSON.parse(taken.body)).toEqual({ errcode: 0, errmsg: "ok" });
  await expect.poll(async () => (await poll(hil, sent.session_id)).has_reply).toBe(true);
  expect((await poll(hil, sent.session_id)).replies).toMatchObject([
    {
      msg_type: "text",
      content: "yes, go ahead",
      from_user: { userid: "zhang", name: "Zhang San", alias: "zhangsan" },
      raw_data: { msgtype: "text", chatid: "chat-1" },
    },
  ]);
});

test("trap 4: a notice of the earliest client leaves a plain reply to the question that is polled", async () => {
  const { hil, wecom } = await startProduct();
  const notice = await send(hil, { message: "Tests are green", chat_id: "chat-1" });
  const question = await send(hil, { message: "Deploy?", chat_id: "chat-1", timeout: 60 });
  await poll(hil, question.session_id);
  await wecom.person.reply({ chatid: "chat-1", text: "yes" });
  await expect.poll(async () => (await poll(hil, question.session_id)).has_reply).toBe(true);
  expect((await poll(hil, notice.session_id)).status).toBe("waiting");
});

test("what the vendor refuses for good is told to the agent", async () => {
  const { hil, wecom } = await startProduct();
  wecom.decide(() => ({ kind: "errcode", errcode: 93000, errmsg: "invalid webhook url" }));
  const sent = await send(hil, { message: "Deploy?", chat_id: "chat-1", timeout: 60 });
  expect(sent).toMatchObject({ success: false, session_id: null, message: "" });
  expect(sent.error).toContain("93000");
  expect(sent.error).not.toContain("robot-key");
});

test("without a robot the question waits in the console, and the answer given there is polled", async () => {
  const { hil } = await startProduct({ BOT_KEY: "" });
  const sent = await send(hil, { message: "Deploy?", chat_id: "chat-1", timeout: 60 });
  expect(sent).toMatchObject({ success: true, message: expect.stringContaining("console") });
  await fetch(`${hil.url}/k/${hil.localKey}/api/sessions/${sent.session_id}/respond`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"response":{"text":"go"},"user_id":"lina"}',
  });
  expect(await poll(hil, sent.session_id)).toMatchObject({
    status: "replied",
    has_reply: true,
    replies: [{ content: "go", raw_data: {} }],
  });
});

test("a robot of one group takes a message without a chat id", async () => {
  const { hil, wecom } = await startProduct({ WECOM_ROBOT_KIND: "public" });
  expect(await send(hil, { message: "Deploy?", timeout: 60 })).toMatchObject({ success: true });
  expect(wecom.calls.length).toBe(1);
});

test("an answer that was given survives a restart and stays readable (I1, D9)", async () => {
  const { hil, wecom } = await startProduct();
  const sent = await send(hil, { message: "Deploy?", chat_id: "chat-1", timeout: 60 });
  await wecom.person.reply({ chatid: "chat-1", text: "yes" });
  await expect.poll(async () => (await poll(hil, sent.session_id)).has_reply).toBe(true);
  await hil.close();
  const again = await startEmbedded({
    environment: { HIL_PORT: "0", HIL_DATA_DIR: hil.dataDir, BOT_KEY: "robot-key", WECOM_API_URL: wecom.url },
    log: silentLog,
  });
  opened.push(() => again.close());
  expect((await poll(again, sent.session_id)).replies).toMatchObject([{ content: "yes" }]);
});
