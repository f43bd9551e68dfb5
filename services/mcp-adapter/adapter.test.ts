import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startFakeWecom } from "../../testing/fake-wecom/fake-wecom.ts";
import { adapterCommand, connectClient, readResult } from "./testing/adapter-process.ts";
import { type HilProcess, startHil } from "./testing/hil-process.ts";

const SHORT_SLICE = { HIL_MCP_SLICE_SECONDS: "1" };

let hil: HilProcess;
beforeAll(async () => {
  hil = await startHil();
});
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
});

describe.each(["legacy", "auto"] as const)("a client of today's SDK, era %s", (era) => {
  test("asks, and reads who answered what and when", async () => {
    await using adapter = await connectClient(hil, { era, name: "claude-code" });
    const message = `Continue? (${era})`;
    const asking = adapter.call("send_and_wait_reply", { message, project_name: "demo" });
    await hil.answer(message, "yes, go ahead");
    const result = await asking;
    expect(result.isError).toBe(false);
    expect(readResult(result)).toEqual({
      status: "success",
      replies: [
        {
          msg_type: "text",
          content: "yes, go ahead",
          untrusted: true,
          from_user: { userid: "owner", name: "Zhang San", alias: "" },
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/),
        },
      ],
      message: "No chat_id is set, so this is shown in the console only. The person answered.",
      session_id: expect.any(String),
    });
    expect(await hil.asked(message)).toMatchObject({
      projectName: "demo",
      asker: { clientName: "claude-code" },
    });
  });

  test("is told at the end of a slice that the question is open, and goes on waiting by its id", async () => {
    await using adapter = await connectClient(hil, { era, environment: SHORT_SLICE });
    const message = `Still there? (${era})`;
    const first = readResult(await adapter.call("send_and_wait_reply", { message }));
    expect(first).toMatchObject({
      status: "waiting",
      replies: [],
      next: expect.stringContaining("wait_for_reply"),
    });
    const waiting = adapter.call("wait_for_reply", { session_id: first.session_id });
    await hil.answer(message, "here");
    expect(readResult(await waiting)).toMatchObject({
      status: "success",
      replies: [{ content: "here" }],
      session_id: first.session_id,
    });
  });

  test("hears progress at once, while it waits", async () => {
    await using adapter = await connectClient(hil, { era });
    const message = `Progress? (${era})`;
    const heard: { progress: number; message?: string }[] = [];
    const asking = adapter.call(
      "send_and_wait_reply",
      { message },
      { onprogress: (beat: never) => heard.push(beat) },
    );
    await vi.waitUntil(() => heard.length > 0);
    expect(heard[0]).toMatchObject({ progress: 1, message: "waiting for a reply, 0 s" });
    await hil.answer(message, "done");
    await asking;
  });

  test("F30: gives a call up, calls again with the same words and gets the answer to the first question", async () => {
    await using adapter = await connectClient(hil, { era });
    const message = `Abandoned? (${era})`;
    const giveUp = new AbortController();
    const first = adapter.call("send_and_wait_reply", { message }, { signal: giveUp.signal });
    const asked = await hil.asked(message);
    giveUp.abort();
    await expect(first).rejects.toThrow();
    expect((await hil.asked(message)).state).toBe(Session_State.OPEN);
    await hil.answer(message, "not lost");
    const again = readResult(await adapter.call("send_and_wait_reply", { message }));
    expect(again).toMatchObject({
      status: "success",
      replies: [{ content: "not lost" }],
      session_id: asked.id,
    });
    expect((await hil.sessions()).filter(({ body }) => body === message)).toHaveLength(1);
  });
});

test("a client of the older SDK lists the tools with their schemas, asks and reads the answer", async () => {
  const client = new OldClient({ name: "older", version: "1.0.0" });
  await client.connect(new OldStdioClientTransport(adapterCommand(hil)));
  try {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "ask_human",
      "send_and_wait_reply",
      "send_message_only",
      "wait_for_reply",
      "list_pending",
      "cancel_request",
    ]);
    expect(tools[1]!.inputSchema.required).toEqual(["message"]);
    expect(client.getServerVersion()!.name).toBe("wecom-hil");
    const message = "Older SDK?";
    const asking = client.callTool({
      name: "send_and_wait_reply",
      arguments: { message, chat_id: null, image_paths: null },
    });
    await hil.answer(message, "works");
    expect((await asking).structuredContent).toMatchObject({
      status: "success",
      replies: [{ content: "works" }],
    });
  } finally {
    await client.close();
  }
});

test("I8: the same request_id asks once, from two adapters, and still answers after the answer was taken", async () => {
  await using one = await connectClient(hil);
  await using two = await connectClient(hil);
  const input = { message: "Twice?", request_id: "twice-1" };
  const calls = [one.call("send_and_wait_reply", input), two.call("send_and_wait_reply", input)];
  await hil.answer("Twice?", "once");
  const results = (await Promise.all(calls)).map(readResult);
  const third = readResult(await one.call("send_and_wait_reply", input));
  expect(new Set([...results, third].map(({ session_id }) => session_id)).size).toBe(1);
  expect(third).toMatchObject({ status: "success", replies: [{ content: "once" }] });
});

test("I8: a request_id with other content is refused in words", async () => {
  await using adapter = await connectClient(hil, { environment: SHORT_SLICE });
  await adapter.call("send_and_wait_reply", { message: "One thing?", request_id: "reused" });
  const refused = await adapter.call("send_and_wait_reply", { message: "Another?", request_id: "reused" });
  expect(refused.isError).toBe(true);
  expect(readResult(refused).message).toContain("request_id was used before");
});

test("the same words asked by two adapters at the same moment are one question", async () => {
  await using one = await connectClient(hil, { environment: SHORT_SLICE });
  await using two = await connectClient(hil, { environment: SHORT_SLICE });
  const message = "At once?";
  const calls = [one, two].map((adapter) => adapter.call("send_and_wait_reply", { message }));
  const [first, second] = (await Promise.all(calls)).map(readResult);
  expect(first).toMatchObject({ status: "waiting" });
  expect(second).toMatchObject({ status: "waiting", session_id: first!.session_id });
  expect((await hil.sessions()).filter(({ body }) => body === message)).toHaveLength(1);
});

test("the same words ask anew once the first answer was taken", async () => {
  await using adapter = await connectClient(hil);
  const message = "Next step?";
  const first = adapter.call("send_and_wait_reply", { message });
  const { id } = await hil.answer(message, "build");
  await first;
  await vi.waitUntil(async () => (await hil.asked(message)).takenTime !== undefined);
  const second = adapter.call("send_and_wait_reply", { message });
  await vi.waitUntil(async () => (await hil.asked(message)).id !== id);
  await hil.answer(message, "ship");
  expect(readResult(await second)).toMatchObject({ replies: [{ content: "ship" }] });
});

test("an adapter that is killed loses nothing: the next one joins the question, and list_pending shows it", async () => {
  const killed = await connectClient(hil);
  const message = "Killed?";
  const lost = killed.call("send_and_wait_reply", { message }).catch(() => undefined);
  const { id } = await hil.asked(message);
  process.kill(killed.pid, "SIGKILL");
  await lost;
  await using next = await connectClient(hil);
  const pending = readResult(await next.call("list_pending"));
  expect(pending.pending).toContainEqual(
    expect.objectContaining({ session_id: id, status: "waiting", message, replies: 0 }),
  );
  const again = next.call("send_and_wait_reply", { message });
  await hil.answer(message, "resumed");
  expect(readResult(await again)).toMatchObject({ session_id: id, replies: [{ content: "resumed" }] });
});

test("a service that is killed and comes back within the slice is not noticed", async () => {
  await using own = await startHil();
  await using adapter = await connectClient(own);
  const asking = adapter.call("send_and_wait_reply", { message: "Survive?" });
  await own.asked("Survive?");
  await own.kill();
  await own.start();
  await own.answer("Survive?", "survived");
  expect(readResult(await asking)).toMatchObject({ status: "success", replies: [{ content: "survived" }] });
});

test("a service that stays away leaves the question open, with its id", async () => {
  await using own = await startHil();
  await using adapter = await connectClient(own, { environment: SHORT_SLICE });
  const first = readResult(await adapter.call("send_and_wait_reply", { message: "Away?" }));
  await own.kill();
  const second = readResult(await adapter.call("wait_for_reply", { session_id: first.session_id }));
  expect(second).toMatchObject({ status: "waiting", session_id: first.session_id });
  expect(second.message).toMatch(/HIL does not answer at http:\/\/127\.0\.0\.1:\d+ .*npm start/);
});

test("an answer that came late is offered by list_pending and read with wait_for_reply", async () => {
  await using adapter = await connectClient(hil, { args: ["--timeout", "1"] });
  const message = "Too late?";
  const expired = readResult(await adapter.call("send_and_wait_reply", { message }));
  expect(expired).toMatchObject({ status: "timeout", replies: [] });
  await hil.answer(message, "sorry").catch(() => undefined);
  const pending = readResult(await adapter.call("list_pending")).pending as { session_id: unknown }[];
  expect(pending.map(({ session_id }) => session_id)).toContain(expired.session_id);
  const read = readResult(await adapter.call("wait_for_reply", { session_id: expired.session_id }));
  expect(read).toMatchObject({ status: "timeout", replies: [{ content: "sorry", late: true }] });
});

test("only cancel_request takes a question back, and says so when it has ended", async () => {
  await using adapter = await connectClient(hil, { environment: SHORT_SLICE });
  const { session_id } = readResult(await adapter.call("send_and_wait_reply", { message: "Cancel?" }));
  const cancelled = readResult(await adapter.call("cancel_request", { session_id, reason: "not needed" }));
  expect(cancelled.status).toBe("success");
  const read = await adapter.call("wait_for_reply", { session_id });
  expect(read.isError).toBe(true);
  expect(readResult(read).message).toBe("The question was taken back: not needed.");
});

test("a notice goes out without waiting", async () => {
  await using adapter = await connectClient(hil);
  const told = readResult(
    await adapter.call("send_message_only", { message: "Build done", mentioned_list: ["@all"] }),
  );
  expect(told).toMatchObject({ status: "success", session_id: expect.any(String) });
  expect((await hil.asked("Build done")).interaction!.kind.case).toBe("notice");
});

test("a notice that its chat cannot get is an error that says why, and the console shows it all the same", async () => {
  await using adapter = await connectClient(hil, { args: ["--chat-id", "wrk1"] });
  const told = await adapter.call("send_message_only", { message: "Nobody hears" });
  expect(told.isError).toBe(true);
  expect(readResult(told).message).toMatch(/^It was not sent to chat wrk1: .*BOT_KEY/);
  expect((await hil.asked("Nobody hears")).state).toBe(Session_State.OPEN);
});

test("A1 A2 A3: a question goes to the chat, and the quoting reply of a person there comes back", async () => {
  const key = "0f1e2d3c-0000-4000-8000-123456789abc";
  await using wecom = await startFakeWecom({ key });
  await using own = await startHil({ BOT_KEY: key, WECOM_API_URL: wecom.url });
  wecom.callbackUrl = `${own.url}/api/callback`;
  await using adapter = await connectClient(own, { args: ["--chat-id", "wrk1", "--project-name", "shop"] });
  const asking = adapter.call("send_and_wait_reply", { message: "Deploy build 214?" });
  const shown = await wecom.waitForMessage(({ text }) => text.includes("Deploy build 214?"));
  expect(shown.text).toMatch(/^\[#[0-9a-f]{8} shop\]/);
  await wecom.person.reply({ chatid: "wrk1", text: "yes, go ahead", quote: shown });
  expect(readResult(await asking)).toMatchObject({
    status: "success",
    replies: [
      {
        msg_type: "text",
        content: "yes, go ahead",
        from_user: { userid: "zhang", name: "Zhang San", alias: "zhangsan" },
      },
    ],
    message: "The person answered.",
  });
  const told = readResult(await adapter.call("send_message_only", { message: "Build 214 is live" }));
  expect(told).toMatchObject({ status: "success", message: "The message was sent." });
});

test("chat, project and deadline of the entry go with the question; a model can lengthen the deadline only", async () => {
  await using adapter = await connectClient(hil, {
    environment: { ...SHORT_SLICE, DEFAULT_CHAT_ID: "wrk1", hil_project_name: "shop" },
    args: ["--timeout", "600"],
  });
  const spanS = async (message: string, timeout: number) => {
    await adapter.call("send_and_wait_reply", { message, timeout });
    const session = await hil.asked(message);
    expect(session).toMatchObject({ projectName: "shop", audience: { targets: [{ chatId: "wrk1" }] } });
    return (
      (timestampDate(session.expireTime!).getTime() - timestampDate(session.createTime!).getTime()) / 1000
    );
  };
  expect(await spanS("Shorter?", 1)).toBe(600);
  expect(await spanS("Longer?", 1800)).toBe(1800);
});

test("pictures go with the question, and those that cannot are named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hil-mcp-images-"));
  const [plan, broken] = [join(folder, "plan.png"), join(folder, "broken.png")];
  await writeFile(plan, png());
  await writeFile(broken, png().subarray(0, 30));
  await using adapter = await connectClient(hil, { environment: SHORT_SLICE });
  const asked = await adapter.call("send_and_wait_reply", {
    message: "Like this?",
    image_paths: [plan, broken, join(folder, "missing.png")],
  });
  expect(readResult(asked).message).toMatch(/broken\.png \(is .*missing\.png \(not found\)/);
  expect((await hil.asked("Like this?")).attachments).toMatchObject([
    { name: "plan.png", mediaType: "image/png" },
  ]);
  await rm(folder, { recursive: true });
});

test("without a key the adapter starts, and its tools say how to set one", async () => {
  await using adapter = await connectClient(hil, {
    environment: { HIL_DATA_DIR: "/nowhere" },
    args: ["--service-url", "http://hil.invalid"],
  });
  const refused = await adapter.call("send_and_wait_reply", { message: "Who am I?" });
  expect(refused.isError).toBe(true);
  expect(readResult(refused).message).toContain("HIL_API_KEY");
});

test("a key of another tenant than --tenant-id names asks nobody; one of that tenant asks as it (B1, I6)", async () => {
  const owner = createClient(
    AccessService,
    createConnectTransport({
      baseUrl: hil.url,
      httpVersion: "1.1",
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${hil.key()}`);
          return next(request);
        },
      ],
    }),
  );
  for (const tenantId of ["red", "blue"]) await owner.createTenant({ tenantId });
  const { secret } = await owner.createApiKey({ tenantId: "red", name: "agent", roles: [Role.AGENT] });
  const ask = async (tenantId: string, message: string) => {
    await using adapter = await connectClient(hil, {
      environment: { ...SHORT_SLICE, HIL_API_KEY: secret, HIL_TENANT_ID: tenantId },
    });
    return readResult(await adapter.call("send_and_wait_reply", { message }));
  };
  const refused = await ask("blue", "For whom?");
  expect(refused).toMatchObject({ status: "error", message: expect.stringContaining("HIL_TENANT_ID") });
  expect(await ask("red", "For red")).toMatchObject({ status: "waiting" });
  expect(await ask("_default", "For red, from an old set-up")).toMatchObject({ status: "waiting" });
  expect((await hil.sessions()).map((session) => session.body)).not.toContain("For red");
});

test("a wrong key is told apart from none, and never repeated", async () => {
  await using adapter = await connectClient(hil, { environment: { HIL_API_KEY: "hil_owner_WRONG" } });
  const { message } = readResult(await adapter.call("list_pending"));
  expect(message).toContain("does not know this key");
  expect(message).not.toContain("WRONG");
});

test.each<[string, (url: URL, key: string) => string]>([
  ["userinfo", (url, key) => `http://key:${key}@${url.host}`],
  ["a path", (url, key) => `http://${url.host}/k/${key}/api`],
])("the key may stand in the address as %s", async (_form, address) => {
  await using adapter = await connectClient(hil, {
    environment: { HIL_DATA_DIR: "/nowhere" },
    args: ["--service-url", address(new URL(hil.url), hil.key())],
  });
  expect(readResult(await adapter.call("list_pending")).status).toBe("success");
});

test("A18: a service elsewhere is reached through the proxy of the environment", async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request.url!);
    const { pathname } = new URL(request.url!);
    const headers = { ...request.headers, host: new URL(hil.url).host };
    const onward = httpRequest(new URL(pathname, hil.url), { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  try {
    const { port } = proxy.address() as AddressInfo;
    await using adapter = await connectClient(hil, {
      environment: { http_proxy: `http://127.0.0.1:${port}`, HIL_API_KEY: hil.key() },
      args: ["--service-url", "http://hil.invalid:8080"],
    });
    expect(readResult(await adapter.call("list_pending")).status).toBe("success");
    expect(seen).toContain("http://hil.invalid:8080/hil.session.v1.SessionService/ListSessions");
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

describe("the process", () => {
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
  };
  const ask = (message: string) => ({
    jsonrpc: "2.0",
    id: 2,
    method: "tools/call",
    params: { name: "send_and_wait_reply", arguments: { message }, _meta: { progressToken: 7 } },
  });
  function spawnAdapter() {
    const { command, args, env } = adapterCommand(hil);
    const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    const lines: string[] = [];
    createInterface(child.stdout).on("line", (line) => lines.push(line));
    const send = (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`);
    return { child, lines, send, exited: once(child, "exit") };
  }

  test("ends with code 0 when stdin closes during a wait, and the question stays open", async () => {
    const { child, lines, send, exited } = spawnAdapter();
    send(initialize);
    send({ jsonrpc: "2.0", method: "notifications/initialized" });
    send(ask("Stdin closes?"));
    await hil.asked("Stdin closes?");
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect((await hil.asked("Stdin closes?")).state).toBe(Session_State.OPEN);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: "2.0" });
  });

  test.each(["SIGTERM", "SIGINT"] as const)("ends with code 0 on %s during a wait", async (signal) => {
    const { child, send, exited } = spawnAdapter();
    send(initialize);
    send({ jsonrpc: "2.0", method: "notifications/initialized" });
    send(ask(`Signal ${signal}?`));
    await hil.asked(`Signal ${signal}?`);
    child.kill(signal);
    expect(await exited).toEqual([0, null]);
  });
});
