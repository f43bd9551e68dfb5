import * as http2 from "node:http2";
import { text } from "node:stream/consumers";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readResult } from "../testing/adapter-process.ts";
import { accessOf, agentKey } from "../testing/agent-keys.ts";
import { type HilProcess, startHil } from "../testing/hil-process.ts";
import { connectOldOverHttp, connectOverHttp, post } from "../testing/http-client.ts";

const LIST = { id: 1, method: "tools/list" };

let hil: HilProcess;
beforeAll(async () => {
  hil = await startHil();
});
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
});

describe.each(["legacy", "auto", "modern"] as const)("a client of today's SDK, era %s", (era) => {
  test("asks, hears progress, and reads who answered", async () => {
    await using agent = await connectOverHttp(hil, hil.key(), { era, name: "claude-code" });
    const message = `Over HTTP? (${era})`;
    const beats: unknown[] = [];
    const asking = agent.call(
      "send_and_wait_reply",
      { message },
      { onprogress: (beat: unknown) => beats.push(beat) },
    );
    await vi.waitUntil(() => beats.length > 0);
    await hil.answer(message, "yes");
    expect(readResult(await asking)).toMatchObject({
      status: "success",
      replies: [{ content: "yes", from_user: { name: "Zhang San" } }],
    });
    expect((await hil.asked(message)).asker!.clientName).toBe("claude-code");
    await vi.waitUntil(async () => (await hil.asked(message)).takenTime !== undefined, 10_000);
  });

  test("F30: gives a call up, calls again with the same words and gets the answer to the first question", async () => {
    await using agent = await connectOverHttp(hil, hil.key(), { era });
    const message = `Abandoned over HTTP? (${era})`;
    const giveUp = new AbortController();
    const first = agent.call("send_and_wait_reply", { message }, { signal: giveUp.signal });
    const { id } = await hil.asked(message);
    giveUp.abort();
    await expect(first).rejects.toThrow();
    await hil.answer(message, "not lost");
    const again = readResult(await agent.call("send_and_wait_reply", { message }));
    expect(again).toMatchObject({ status: "success", replies: [{ content: "not lost" }], session_id: id });
    expect((await hil.sessions()).filter(({ body }) => body === message)).toHaveLength(1);
  });
});

test("a client of the older SDK asks with its key in the address", async () => {
  await using agent = await connectOldOverHttp(`${hil.url}/k/${hil.key()}/mcp`);
  const asking = agent.client.callTool({ name: "send_and_wait_reply", arguments: { message: "Older?" } });
  await hil.answer("Older?", "works");
  expect((await asking).structuredContent).toMatchObject({ replies: [{ content: "works" }] });
});

test("the address of an entry says which chat and project its questions are for", async () => {
  await using agent = await connectOverHttp(hil, hil.key(), {
    path: "/mcp?chat_id=wrk9&project_name=shop&timeout=7200",
  });
  const giveUp = new AbortController();
  const asking = agent.call("send_and_wait_reply", { message: "Where?" }, { signal: giveUp.signal });
  expect(await hil.asked("Where?")).toMatchObject({
    projectName: "shop",
    audience: { targets: [{ chatId: "wrk9" }] },
  });
  giveUp.abort();
  await asking.catch(() => undefined);
});

test("the address of an entry says how long one call waits", async () => {
  await using agent = await connectOverHttp(hil, hil.key(), { path: "/mcp?slice_seconds=1" });
  const first = readResult(await agent.call("send_and_wait_reply", { message: "A short slice?" }));
  expect(first).toMatchObject({ status: "waiting", session_id: expect.any(String) });
});

test("B1 B3: two principals never see each other's questions, by list, by id, by words or by request id", async () => {
  const [one, other] = await Promise.all(["one", "other"].map((name) => agentKey(hil, name)));
  await using mine = await connectOverHttp(hil, one!.secret);
  await using theirs = await connectOverHttp(hil, other!.secret);
  const input = { message: "Whose?", request_id: "shared-1" };
  const asking = mine.call("send_and_wait_reply", input);
  const { id } = await hil.asked("Whose?");
  expect(readResult(await theirs.call("list_pending"))).toMatchObject({ pending: [] });
  for (const tool of ["wait_for_reply", "cancel_request"]) {
    const refused = await theirs.call(tool, { session_id: id });
    expect(refused.isError).toBe(true);
    expect(readResult(refused).message).toContain("no such session");
  }
  const own = theirs.call("send_and_wait_reply", input);
  await vi.waitUntil(async () => (await hil.sessions()).filter(({ body }) => body === "Whose?").length === 2);
  const ids = (await hil.sessions()).filter(({ body }) => body === "Whose?").map((each) => each.id);
  for (const each of ids) {
    await hil.owner().answerSession({
      sessionId: each,
      requestId: `answer-${each}`,
      value: { kind: { case: "text", value: { text: each } } },
    });
  }
  expect(readResult(await asking)).toMatchObject({ session_id: id, replies: [{ content: id }] });
  expect(readResult(await own)).toMatchObject({ session_id: ids.find((each) => each !== id) });
});

test("S6: a key that is revoked ends the waits of its agent within 5 s", async () => {
  const { secret, keyId } = await agentKey(hil, "to be revoked");
  await using agent = await connectOverHttp(hil, secret);
  const asking = agent.call("send_and_wait_reply", { message: "Revoked meanwhile?" });
  await hil.asked("Revoked meanwhile?");
  await accessOf(hil).revokeApiKey({ keyId });
  const ended = await asking;
  expect(ended.isError).toBe(true);
  expect(readResult(ended).message).toContain("works no more");
  expect((await hil.asked("Revoked meanwhile?")).state).toBe(Session_State.OPEN);
});

test("pictures come as data: URLs; a path is never read from the server's disk", async () => {
  await using agent = await connectOverHttp(hil, hil.key());
  const picture = `data:image/png;base64,${Buffer.from(png()).toString("base64")}`;
  const told = await agent.call("send_message_only", {
    message: "Pictures",
    image_paths: [picture, "/etc/passwd", "data:text/plain;base64,aGVsbG8="],
  });
  expect(readResult(told).message).toMatch(
    /Pictures left out: \/etc\/passwd \(files are not read over HTTP.*\), picture-3 \(/,
  );
  expect((await hil.asked("Pictures")).attachments).toMatchObject([
    { name: "picture-1", mediaType: "image/png" },
  ]);
});

describe("a client of the transport of 2024-11-05", () => {
  const connectStream = async (url: string, name = "streams") => {
    const client = new OldClient({ name, version: "1" });
    await client.connect(new SSEClientTransport(new URL(url)));
    return { client, [Symbol.asyncDispose]: () => client.close() };
  };
  /** Opens a stream as any program could; gives what it says, and where it wants its messages. */
  async function openStream(key: string) {
    const response = await fetch(`${hil.url}/sse`, { headers: { authorization: `Bearer ${key}` } });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    const path = /^event: endpoint\ndata: (\S+)\n\n$/.exec(value!)![1]!;
    return { response, reader, messages: `${hil.url}/${path}` };
  }
  const send = (url: string, key: string, message: unknown) =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(message),
    });

  test("asks over its stream, with the key in its address, and lets go of a call that it cancels", async () => {
    await using agent = await connectStream(`${hil.url}/k/${hil.key()}/sse`, "cursor");
    const ask = (signal?: AbortSignal) =>
      agent.client.callTool(
        { name: "send_and_wait_reply", arguments: { message: "Streamed?" } },
        undefined,
        signal ? { signal } : {},
      );
    const giveUp = new AbortController();
    const first = ask(giveUp.signal);
    expect((await hil.asked("Streamed?")).asker!.clientName).toBe("cursor");
    giveUp.abort();
    await expect(first).rejects.toThrow();
    await hil.answer("Streamed?", "yes");
    expect((await ask()).structuredContent).toMatchObject({
      status: "success",
      replies: [{ content: "yes" }],
    });
    expect((await hil.sessions()).filter(({ body }) => body === "Streamed?")).toHaveLength(1);
  });

  test("B1: a stream takes messages of its own principal only", async () => {
    const [one, other] = await Promise.all(["stream one", "stream other"].map((name) => agentKey(hil, name)));
    const { reader, messages } = await openStream(one!.secret);
    expect((await send(messages, other!.secret, { jsonrpc: "2.0", ...LIST })).status).toBe(404);
    expect((await send(messages, one!.secret, { jsonrpc: "2.0", ...LIST })).status).toBe(202);
    expect((await reader.read()).value).toContain("send_and_wait_reply");
    await reader.cancel();
    await vi.waitUntil(async () => (await send(messages, one!.secret, LIST)).status === 404);
  });

  test("what is no message of JSON-RPC is refused, and the stream goes on", async () => {
    const { reader, messages } = await openStream(hil.key());
    expect((await send(messages, hil.key(), { hello: 1 })).status).toBe(400);
    expect((await send(messages, hil.key(), [{ jsonrpc: "2.0", ...LIST }])).status).toBe(202);
    expect((await reader.read()).value).toContain("send_and_wait_reply");
    expect((await fetch(`${hil.url}/sse`, { method: "POST" })).status).toBe(405);
    await reader.cancel();
  });

  test("S6: a stream ends when its key is revoked", async () => {
    const { secret, keyId } = await agentKey(hil, "stream to be revoked");
    const { reader } = await openStream(secret);
    await accessOf(hil).revokeApiKey({ keyId });
    expect((await reader.read()).done).toBe(true);
  });
});

test("without a key it serves on loopback, as the endpoints of hil-mcp do; a wrong key is refused", async () => {
  const keyless = await post(hil.url, LIST);
  expect(keyless.status).toBe(200);
  expect(await keyless.text()).toContain("send_and_wait_reply");
  const wrong = await post(hil.url, LIST, { authorization: "Bearer hil_wrong" });
  expect(wrong.status).toBe(401);
  const forwarded = await post(hil.url, LIST, { "x-forwarded-for": "10.0.0.9" });
  expect(forwarded.status).toBe(401);
});

test("a page of another origin, or by another name, reaches nothing", async () => {
  expect((await post(hil.url, LIST, { origin: "http://evil.example" })).status).toBe(403);
});

test("what is not JSON, too large, or of another method is refused in JSON-RPC", async () => {
  const send = (init: RequestInit) =>
    fetch(`${hil.url}/mcp`, { method: "POST", headers: { "content-type": "application/json" }, ...init });
  const malformed = await send({ body: "{" });
  expect([malformed.status, (await malformed.json()).error.code]).toEqual([400, -32700]);
  const large = await send({ body: JSON.stringify({ a: "x".repeat(13 * 1024 * 1024) }) });
  expect(large.status).toBe(413);
  const form = await send({ body: "{}", headers: { "content-type": "text/plain" } });
  expect(form.status).toBe(415);
  const get = await fetch(`${hil.url}/mcp`);
  expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
});

test("over HTTP/2 it is served as over HTTP/1.1", async () => {
  const session = http2.connect(hil.url);
  const stream = session.request({
    ":method": "POST",
    ":path": `/k/${hil.key()}/mcp`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  });
  stream.end(JSON.stringify({ jsonrpc: "2.0", ...LIST }));
  expect(await text(stream)).toContain("send_and_wait_reply");
  session.close();
});

describe("I7: when the process drains", () => {
  test.each(["legacy", "modern"] as const)(
    "a call that waits answers waiting at once, era %s",
    async (era) => {
      await using own = await startHil();
      await using agent = await connectOverHttp(own, own.key(), { era });
      const asking = agent.call("send_and_wait_reply", { message: "Draining?" });
      const { id } = await own.asked("Draining?");
      const ended = own.end();
      expect(readResult(await asking)).toMatchObject({ status: "waiting", session_id: id });
      expect(await ended).toBe(0);
      await own.start();
      expect((await own.asked("Draining?")).state).toBe(Session_State.OPEN);
    },
  );

  test("a call over an event stream is answered, and then the stream ends", async () => {
    await using own = await startHil();
    const client = new OldClient({ name: "streams", version: "1" });
    const closed = new Promise<void>((resolve) => {
      client.onclose = resolve;
    });
    const transport = new SSEClientTransport(new URL(`${own.url}/k/${own.key()}/sse`));
    await client.connect(transport);
    const asking = client.callTool({ name: "send_and_wait_reply", arguments: { message: "Streaming?" } });
    await own.asked("Streaming?");
    const ended = own.end();
    expect((await asking).structuredContent).toMatchObject({ status: "waiting" });
    expect(await ended).toBe(0);
    await client.close();
    await closed;
  });
});

test("S1: whatever a request carries, the answer is one of the protocol, and the next one is served", async () => {
  const anything = fc.oneof(
    { weight: 3, arbitrary: fc.jsonValue({ depthSize: "small" }) },
    {
      weight: 5,
      arbitrary: fc.record({
        jsonrpc: fc.constantFrom("2.0", "1.0", 2, null),
        id: fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.constant({})),
        method: fc.oneof(
          fc.constantFrom(
            "initialize",
            "tools/call",
            "tools/list",
            "resources/read",
            "prompts/get",
            "tasks/get",
          ),
          fc.string(),
          fc.integer(),
        ),
        params: fc.oneof(
          fc.jsonValue({ depthSize: "small" }),
          fc.record({
            name: fc.constantFrom("list_pending", "wait_for_reply", "cancel_request", "__proto__", "x"),
            arguments: fc.jsonValue({ depthSize: "small" }),
            _meta: fc.jsonValue({ depthSize: "small" }),
          }),
        ),
      }),
    },
  );
  const headers = fc.record({
    "mcp-protocol-version": fc.constantFrom("2026-07-28", "2025-11-25", "9999-99-99", "x"),
    "mcp-session-id": fc.constantFrom("", "x", ".", `${"A".repeat(600)}.b`, "bm8.bm8"),
    "mcp-method": fc.constantFrom("tools/call", "x"),
    accept: fc.constantFrom("*/*", "application/json, text/event-stream"),
  });
  await fc.assert(
    fc.asyncProperty(anything, headers, async (body, more) => {
      const response = await fetch(`${hil.url}/mcp`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${hil.key()}`, ...more },
        body: JSON.stringify(body),
      });
      const answer = await response.text();
      expect(response.status, answer).toBeLessThan(500);
    }),
    { numRuns: 400 },
  );
  expect((await post(hil.url, LIST, { authorization: `Bearer ${hil.key()}` })).status).toBe(200);
  const many = Array.from({ length: 21 }, (_, id) => ({ jsonrpc: "2.0", id, method: "tools/list" }));
  const refused = await fetch(`${hil.url}/mcp`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${hil.key()}` },
    body: JSON.stringify(many),
  });
  expect(refused.status).toBe(400);
});
