import { randomUUID } from "node:crypto";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { ZIP } from "@hil/platform/pictures/testing/hostile-files.ts";
import { png, pngChunk } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { expect, test } from "vitest";
import { type RunningGateway, startGateway } from "../testing/running-gateway.ts";
import { SENT } from "./texts.ts";

const PNG = png();
const LARGE_PNG = png(2, 2, [pngChunk("prVt", Buffer.alloc(2 * 1024 * 1024))]);
const GIF = Buffer.from("GIF89a-------");

async function send(gateway: RunningGateway, body: unknown, path = "/send", headers = {}) {
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> & SendBody };
}
interface SendBody {
  success: boolean;
  session_id: string;
  message: string;
  error: string;
  detail: { loc: unknown[]; type: string; msg: string }[];
}

async function poll(gateway: RunningGateway, id: string, path = "/poll/") {
  const response = await fetch(gateway.url + path + id);
  return { status: response.status, body: (await response.json()) as PollBody };
}
interface PollBody {
  status: string;
  has_reply: boolean;
  replies: Record<string, unknown>[];
  message: string;
  error: string | null;
  detail?: string;
}

const ask = { message: "Deploy build 214?", chat_id: "chat-1", timeout: 600 };

/** What callback hands over when a person writes in the chat. */
function reply(gateway: RunningGateway, sessionId: string, text: string) {
  return gateway.sessions.submitReply({
    sessionId,
    inboundId: randomUUID(),
    channelId: "wecom-robot",
    chatId: "chat-1",
    sender: { userId: "lina", name: "Li Na", alias: "lina" },
    text,
    vendorMessage: JSON.stringify({ msgtype: "text", from: { userid: "lina" }, text: { content: text } }),
  });
}

async function load(gateway: RunningGateway, sessionId: string): Promise<Session> {
  return (await gateway.sessions.getSession({ sessionId })).session!;
}

test("trap 1: every path of the earlier client is served with and without /api, and with a key before it", async () => {
  await using gateway = await startGateway();
  for (const prefix of ["", "/api", `/k/${gateway.ownerKey}`, `/k/${gateway.ownerKey}/api`]) {
    const { body } = await send(gateway, ask, `${prefix}/send`);
    expect(body).toEqual({ success: true, session_id: expect.any(String), message: SENT, error: null });
    expect((await poll(gateway, body.session_id, `${prefix}/poll/`)).body.status).toBe("waiting");
    const ended = await fetch(`${gateway.url}${prefix}/session/${body.session_id}/timeout`, {
      method: "POST",
    });
    expect(await ended.json()).toEqual({ success: true });
    expect((await fetch(`${gateway.url}${prefix}/health`)).status).toBe(200);
    expect((await fetch(`${gateway.url}${prefix}/`)).status).toBe(200);
  }
});

test("a reply of the chat is polled with all its fields, any number of times, and is taken once it was read", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, { ...ask, project_name: "demo]\n2" });
  expect(gateway.ordered[0]).toMatchObject({
    projectName: "demo 2",
    body: ask.message,
    asker: { clientName: "hil-mcp" },
  });
  expect((await poll(gateway, sent.session_id)).body).toEqual({
    session_id: sent.session_id,
    status: "waiting",
    has_reply: false,
    replies: [],
    message: "会话状态: waiting",
    error: null,
  });
  await reply(gateway, sent.session_id, "yes, go");
  await fetch(`${gateway.url}/poll/${sent.session_id}`, { method: "HEAD" });
  expect((await load(gateway, sent.session_id)).takenTime).toBeUndefined();
  for (let times = 0; times < 3; times++) {
    const { body } = await poll(gateway, sent.session_id);
    expect(body).toMatchObject({ status: "replied", has_reply: true, message: "会话状态: replied" });
    expect(body.replies).toEqual([
      {
        msg_type: "text",
        content: "yes, go",
        image_url: null,
        from_user: { userid: "lina", name: "Li Na", alias: "lina" },
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/),
        raw_data: { msgtype: "text", from: { userid: "lina" }, text: { content: "yes, go" } },
      },
    ]);
  }
  await expect.poll(async () => (await load(gateway, sent.session_id)).takenTime).toBeDefined();
});

test("an answer given in the console is polled as text, with the words of the person's choice", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  await gateway.sessions.answerSession({
    sessionId: sent.session_id,
    requestId: "r1",
    value: { kind: { case: "text", value: { text: "go" } } },
    note: "after lunch",
    channelId: "console",
  });
  const { body } = await poll(gateway, sent.session_id);
  expect(body.replies).toMatchObject([
    { msg_type: "text", content: "go\nafter lunch", image_url: null, raw_data: {} },
  ]);
});

test("trap 2: what is not known is final for pollers: 404 on the bare path, not_found under /api", async () => {
  await using gateway = await startGateway();
  for (const id of [randomUUID(), "no-uuid", "__proto__", "9".repeat(400), "%00", "%zz"]) {
    const bare = await poll(gateway, id);
    expect(bare).toMatchObject({ status: 404, body: { detail: "会话不存在或已过期" } });
    const api = await poll(gateway, id, "/api/poll/");
    expect(api).toMatchObject({
      status: 200,
      body: { status: "not_found", has_reply: false, replies: [], message: "会话不存在或已过期" },
    });
  }
});

test("trap 2: without a database pollers are told 503 and never not_found, and sending says so in words", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  await gateway.loseSessions();
  for (const path of ["/poll/", "/api/poll/"]) {
    const { status, body } = await poll(gateway, sent.session_id, path);
    expect(status).toBe(503);
    expect(body.detail).toEqual(expect.any(String));
  }
  const ended = await fetch(`${gateway.url}/session/${sent.session_id}/timeout`, { method: "POST" });
  expect(ended.status).toBe(503);
  const refused = await send(gateway, ask);
  expect(refused.status).toBe(200);
  expect(refused.body).toMatchObject({ success: false, session_id: null, message: "" });
});

test("trap 2: an answered session stays readable past its deadline", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, { ...ask, timeout: 1 });
  await reply(gateway, sent.session_id, "yes");
  const { expireTime } = await load(gateway, sent.session_id);
  await expect.poll(() => Date.now() / 1000 > Number(expireTime!.seconds) + 1, { timeout: 5000 }).toBe(true);
  expect((await poll(gateway, sent.session_id)).body).toMatchObject({ status: "replied", has_reply: true });
});

test("trap 3: the client's timeout never takes an answer back (I3)", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  await reply(gateway, sent.session_id, "yes");
  const ended = await fetch(`${gateway.url}/session/${sent.session_id}/timeout`, { method: "POST" });
  expect(await ended.json()).toEqual({ success: true });
  expect((await poll(gateway, sent.session_id)).body.status).toBe("replied");
  const unknown = await fetch(`${gateway.url}/session/${randomUUID()}/timeout`, { method: "POST" });
  expect(await unknown.json()).toEqual({ success: false });
});

test("a late reply is shown with the timeout and is no reply (I4)", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  await fetch(`${gateway.url}/session/${sent.session_id}/timeout`, { method: "POST" });
  await reply(gateway, sent.session_id, "too late");
  expect((await poll(gateway, sent.session_id)).body).toMatchObject({
    status: "timeout",
    has_reply: false,
    replies: [{ content: "too late" }],
  });
});

test("a session that was cancelled is a timeout with the reason, never not_found", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  const headers = { authorization: `Bearer ${gateway.ownerKey}`, "content-type": "application/json" };
  await fetch(`${gateway.url}/api/sessions/${sent.session_id}/cancel`, {
    method: "POST",
    headers,
    body: '{"reason":"build was withdrawn"}',
  });
  expect((await poll(gateway, sent.session_id)).body).toMatchObject({
    status: "timeout",
    has_reply: false,
    error: "build was withdrawn",
  });
});

test("trap 4: a message without a timeout is answered by quoting only, until somebody polls for it", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, { message: "Tests are green", chat_id: "chat-1" });
  const matching = async () => (await load(gateway, sent.session_id)).audience!.replyMatching;
  expect(await matching()).toBe(3); // REPLY_MATCHING_QUOTED_UNTIL_WAITED, also after /send waited for the vendor
  const { createTime, expireTime } = await load(gateway, sent.session_id);
  expect(Number(expireTime!.seconds - createTime!.seconds)).toBe(300);
  await poll(gateway, sent.session_id);
  expect(await matching()).toBe(1); // REPLY_MATCHING_PLAIN
  const { body: timed } = await send(gateway, ask);
  expect((await load(gateway, timed.session_id)).audience!.replyMatching).toBe(1);
});

test("a notice of a later client has no session for it and goes out without a tag", async () => {
  await using gateway = await startGateway();
  const { body } = await send(gateway, { message: "done", chat_id: "chat-1", wait_reply: false });
  expect(body).toEqual({ success: true, session_id: null, message: SENT, error: null });
  expect(gateway.ordered[0]!.interaction!.kind).toMatchObject({ case: "notice", value: { untagged: true } });
});

test("trap 5: what is refused of a message is said with 200 and words", async () => {
  await using gateway = await startGateway({ environment: { HIL_MAX_TIMEOUT: "900" } });
  const noChat = await send(gateway, { message: "hello" });
  expect(noChat).toMatchObject({ status: 200, body: { success: false, session_id: null, message: "" } });
  expect(noChat.body.error).toContain("--chat-id");
  const cases = [
    { ...ask, timeout: 0 },
    { ...ask, timeout: -5 },
    { ...ask, timeout: 901 },
    { ...ask, timeout: 999_999_999_999 },
    { ...ask, message: "" },
    { ...ask, message: "x".repeat(50_001) },
    { ...ask, chat_id: "c".repeat(201) },
    { ...ask, request_id: "r".repeat(201) },
  ];
  for (const body of cases) {
    const refused = await send(gateway, body);
    expect(refused).toMatchObject({ status: 200, body: { success: false, session_id: null, message: "" } });
    expect(refused.body.error.length).toBeGreaterThan(10);
  }
  expect(gateway.ordered).toEqual([]);
});

test("a timeout that nobody named gives way to the tenant's rules", async () => {
  await using gateway = await startGateway({ environment: { HIL_MIN_TIMEOUT: "600" } });
  expect((await send(gateway, { message: "hello", chat_id: "c" })).body.success).toBe(true);
});

test("a robot of one group needs no chat id", async () => {
  await using gateway = await startGateway({ needsChat: false });
  const { body } = await send(gateway, { message: "hello", timeout: 60 });
  expect(body.success).toBe(true);
});

test("the answer of /send says what became of the message", async () => {
  const cases = [
    { vendor: { state: "SENT" as const }, success: true, words: SENT },
    { vendor: { state: "SUPPRESSED" as const }, success: true, words: "console" },
    { vendor: { state: "FAILED" as const, reason: "93000 invalid chatid" }, success: false, words: "93000" },
    { vendor: { state: "PENDING" as const }, success: true, words: "retried" },
    { vendor: { state: "PENDING" as const }, robotRunsOn: [], success: true, words: "no relay (worker) is" },
    { vendor: { state: "PENDING" as const }, robotRunsOn: ["plant-2"], success: true, words: "retried" },
  ];
  const seen = cases.map(async ({ vendor, robotRunsOn, success, words }) => {
    await using gateway = await startGateway({
      vendor: () => vendor,
      ...(robotRunsOn && { robotRunsOn }),
    });
    const timeout = vendor.state === "PENDING" ? 6 : 600;
    const { status, body } = await send(gateway, { ...ask, timeout });
    expect(status).toBe(200);
    expect(body.success).toBe(success);
    expect(success ? body.message : body.error).toContain(words);
    expect(body.session_id === null).toBe(!success);
  });
  await Promise.all(seen);
});

test("the same request_id asks once, as a field or as Idempotency-Key (I8)", async () => {
  await using gateway = await startGateway();
  const first = await send(gateway, { ...ask, request_id: "r1" });
  const again = await send(gateway, ask, "/api/send", { "idempotency-key": "r1" });
  expect(again.body.session_id).toBe(first.body.session_id);
  expect(gateway.ordered.length).toBe(1);
  const other = await send(gateway, { ...ask, message: "other", request_id: "r1" });
  expect(other).toMatchObject({ status: 200, body: { success: false } });
});

test("trap 9: raw_data has what the callback kept of the vendor's message, and nothing of our own", async () => {
  await using gateway = await startGateway();
  const { body: sent } = await send(gateway, ask);
  await reply(gateway, sent.session_id, "yes");
  const { body } = await poll(gateway, sent.session_id);
  expect(Object.keys(body.replies[0]!.raw_data as object)).toEqual(["msgtype", "from", "text"]);
});

test('trap 10: "group" of the client says nothing about the chat; "single" does', async () => {
  await using gateway = await startGateway();
  await send(gateway, { ...ask, chat_type: "group" });
  await send(gateway, { ...ask, chat_type: "single" });
  expect(gateway.ordered.map((session) => session.audience!.targets[0]!.chatType)).toEqual([0, 2]);
});

test("pictures go along; what is none, too large or too many is left out and said", async () => {
  await using gateway = await startGateway();
  const small = `data:image/png;base64,${PNG.toString("base64")}`;
  const large = `data:image/png;base64,${LARGE_PNG.toString("base64")}`;
  const { body } = await send(gateway, {
    ...ask,
    images: [
      small,
      "http://127.0.0.1/x.png",
      `data:image/png;base64,${GIF.toString("base64")}`,
      large,
      "data:,",
    ],
  });
  expect(body.success).toBe(true);
  expect(body.message).toContain("4 pictures");
  expect((await load(gateway, body.session_id)).attachments.length).toBe(1);
  const many = await send(gateway, { ...ask, images: Array(12).fill(small) });
  expect((await load(gateway, many.body.session_id)).attachments.length).toBe(10);
});

test("a body of a wrong form is 422 with where and what, as the earlier server said it", async () => {
  await using gateway = await startGateway();
  const cases: [unknown, unknown[], string][] = [
    [{}, ["body", "message"], "missing"],
    [{ message: 1 }, ["body", "message"], "string_type"],
    [{ message: null }, ["body", "message"], "string_type"],
    [{ message: "m", timeout: "soon" }, ["body", "timeout"], "int_type"],
    [{ message: "m", timeout: 1.5 }, ["body", "timeout"], "int_type"],
    [{ message: "m", timeout: 1e30 }, ["body", "timeout"], "value_error"],
    [{ message: "m", images: "x" }, ["body", "images"], "list_type"],
    [{ message: "m", images: [1] }, ["body", "images", 0], "string_type"],
    [{ message: "m", wait_reply: {} }, ["body", "wait_reply"], "bool_type"],
    [[], ["body"], "dict_type"],
    ["{", ["body"], "json_invalid"],
    ["", ["body"], "missing"],
    ['"text"', ["body"], "dict_type"],
  ];
  for (const [body, loc, type] of cases) {
    const answer = await send(gateway, body);
    expect(answer.status, JSON.stringify(body)).toBe(422);
    expect(answer.body.detail[0], JSON.stringify(body)).toMatchObject({ loc, type });
  }
  expect(gateway.ordered).toEqual([]);
});

test("unknown fields and the names of prototypes change nothing", async () => {
  await using gateway = await startGateway();
  const body = `{"__proto__":{"wait_reply":false},"constructor":{"x":1},"tenant_id":"other","bot_key":"k","message":"m","chat_id":"c","timeout":60}`;
  const answer = await send(gateway, body);
  expect(answer.body).toMatchObject({ success: true, session_id: expect.any(String) });
  expect(gateway.ordered[0]!.tenantId).toBe("_default");
});

test("a body above 12 MiB is 413", async () => {
  await using gateway = await startGateway();
  const answer = await send(gateway, { ...ask, message: "x".repeat(12 * 1024 * 1024) });
  expect(answer).toMatchObject({ status: 413, body: { reason: "REQUEST_TOO_LARGE" } });
});

test("a picture comes back from upload-image as the data URL that /send takes", async () => {
  await using gateway = await startGateway();
  const upload = async (form: BodyInit, headers: Record<string, string> = {}) => {
    const response = await fetch(`${gateway.url}/upload-image`, { method: "POST", body: form, headers });
    return { status: response.status, body: await response.json() };
  };
  const form = (...files: Uint8Array<ArrayBuffer>[]) => {
    const data = new FormData();
    for (const bytes of files) data.append("file", new Blob([bytes], { type: "text/html" }), "../a.html");
    return data;
  };
  const small = new Uint8Array(PNG);
  expect(await upload(form(small))).toEqual({
    status: 200,
    body: { success: true, image_url: `data:image/png;base64,${PNG.toString("base64")}`, error: null },
  });
  expect((await upload(form(new Uint8Array(GIF)))).body.image_url).toContain("data:image/gif;base64,");
  expect((await upload(form(new TextEncoder().encode("<script>")))).body).toMatchObject({
    success: false,
    image_url: null,
  });
  expect((await upload(form(small, small))).body).toMatchObject({ success: false });
  expect((await upload(form(new Uint8Array(LARGE_PNG)))).body).toMatchObject({ success: false });
  const polyglot = new Uint8Array(Buffer.concat([PNG, ZIP]));
  expect((await upload(form(polyglot))).body).toMatchObject({ success: false, image_url: null });
  expect((await upload(form())).status).toBe(422);
  expect((await upload("x", { "content-type": "text/plain" })).status).toBe(422);
  expect((await upload("--b\r\nbroken", { "content-type": "multipart/form-data; boundary=b" })).status).toBe(
    422,
  );
});

test("an ended session that a poller meets first is never waiting", async () => {
  await using gateway = await startGateway({ vendor: () => ({ state: "FAILED", reason: "refused" }) });
  const { body } = await send(gateway, ask);
  expect(body.success).toBe(false);
  const { sessions } = await gateway.sessions.listSessions({
    filter: { states: [Session_State.UNDELIVERABLE] },
  });
  expect((await poll(gateway, sessions[0]!.id)).body).toMatchObject({ status: "timeout", error: "refused" });
});
