import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { type Distributed, startDistributed } from "@hil/testing/processes/start-distributed.ts";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "../../../testing/fake-wecom/fake-wecom.ts";
import { readResult } from "../testing/adapter-process.ts";
import { connectOverHttp } from "../testing/http-client.ts";

const PATIENCE_MS = 120_000;

const KEY = "0f1e2d3c-0000-4000-8000-123456789abc";

let wecom: FakeWecom;
let hil: Distributed;
beforeAll(async () => {
  wecom = await startFakeWecom({ key: KEY, perMinute: 0 });
  hil = await startDistributed({
    replicas: { "mcp-adapter": 2, gateway: 2 },
    environment: { BOT_KEY: KEY, WECOM_API_URL: wecom.url },
  });
}, 200_000);
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
  await wecom[Symbol.asyncDispose]();
}, 60_000);

function owner() {
  const withKey: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${hil.ownerKey}`);
    return next(request);
  };
  const session = hil.processes.find(({ service }) => service === "session")!;
  const transport = createConnectTransport({
    baseUrl: session.url,
    httpVersion: "1.1",
    interceptors: [withKey],
  });
  return createClient(SessionService, transport);
}

async function asked(body: string): Promise<Session> {
  return vi.waitUntil(
    async () => (await owner().listSessions({})).sessions.find((session) => session.body === body),
    { timeout: 30_000, interval: 50 },
  ) as Promise<Session>;
}

async function answer(body: string, words: string): Promise<Session> {
  const { id } = await asked(body);
  const value = { kind: { case: "text" as const, value: { text: words } } };
  const { session } = await owner().answerSession({ sessionId: id, requestId: `answer-${id}`, value });
  return session!;
}

const connect = (gateway: number, era: "legacy" | "modern") =>
  connectOverHttp({ url: hil.urls[gateway]! }, hil.ownerKey, { era, path: "/mcp?chat_id=wrk1" });

const processOf = (service: "mcp-adapter" | "gateway" | "session", index: number) =>
  hil.processes.filter((each) => each.service === service)[index]!;

test.each(["legacy", "modern"] as const)(
  "a question asked through one gateway is waited for through the other, era %s",
  async (era) => {
    await using one = await connect(0, era);
    await using other = await connect(1, era);
    const message = `Either gateway? (${era})`;
    const asking = one.call("send_and_wait_reply", { message });
    const { id } = await asked(message);
    const waiting = other.call("wait_for_reply", { session_id: id });
    await answer(message, "yes");
    for (const call of [asking, waiting]) {
      expect(readResult(await call)).toMatchObject({ status: "success", replies: [{ content: "yes" }] });
    }
  },
  PATIENCE_MS,
);

test.each(["legacy", "modern"] as const)(
  "F30: a call that its client cancels lets go of its wait, at whichever replica, era %s",
  async (era) => {
    await using agent = await connect(0, era);
    const message = `Cancelled at a replica? (${era})`;
    const giveUp = new AbortController();
    const first = agent.call("send_and_wait_reply", { message }, { signal: giveUp.signal });
    const { id } = await asked(message);
    giveUp.abort();
    await expect(first).rejects.toThrow();
    await answer(message, "kept");
    const again = readResult(await agent.call("send_and_wait_reply", { message }));
    expect(again).toMatchObject({ status: "success", session_id: id, replies: [{ content: "kept" }] });
  },
  PATIENCE_MS,
);

test(
  "messages of an event stream reach the replica that has it, through any gateway",
  async () => {
    const posted: string[] = [];
    const transport = new SSEClientTransport(new URL(`${hil.urls[0]}/k/${hil.ownerKey}/sse`), {
      // Opens the stream at one gateway, and sends its messages to the other.
      fetch: (url, init) => {
        const target = new URL(url);
        if (init?.method === "POST") {
          target.port = new URL(hil.urls[posted.push(target.pathname) % 2]!).port;
        }
        return fetch(target, init);
      },
    });
    const client = new OldClient({ name: "sse", version: "1" });
    await client.connect(transport);
    const asking = client.callTool({ name: "send_and_wait_reply", arguments: { message: "Streamed?" } });
    await answer("Streamed?", "yes");
    expect((await asking).structuredContent).toMatchObject({ replies: [{ content: "yes" }] });
    expect(posted).toContain(`/k/${hil.ownerKey}/messages`);
    await client.close();
  },
  PATIENCE_MS,
);

test.each(["mcp-adapter", "gateway"] as const)(
  "I7: when the %s drains, calls that wait answer waiting at once, and the question stays open",
  async (service) => {
    await using agent = await connect(0, "modern");
    const message = `Drained ${service}?`;
    const asking = agent.call("send_and_wait_reply", { message });
    const { id } = await asked(message);
    const drained = service === "gateway" ? [0] : [0, 1];
    const ended = Promise.all(drained.map((index) => processOf(service, index).kill("SIGTERM")));
    expect(readResult(await asking)).toMatchObject({ status: "waiting", session_id: id });
    expect(await ended).toEqual(drained.map(() => 0));
    expect((await asked(message)).state).toBe(Session_State.OPEN);
    await Promise.all(drained.map((index) => processOf(service, index).restart()));
    await using next = await connect(0, "modern");
    const waiting = next.call("wait_for_reply", { session_id: id });
    await answer(message, "after the restart");
    expect(readResult(await waiting)).toMatchObject({ replies: [{ content: "after the restart" }] });
  },
  PATIENCE_MS,
);

test(
  "I1: a replica that is killed loses no answer: the same call again finds the same question",
  async () => {
    await using agent = await connect(0, "modern");
    const input = { message: "Killed replica?", request_id: "killed-replica" };
    const lost = agent.call("send_and_wait_reply", input).catch((error: unknown) => error);
    const { id } = await asked(input.message);
    await Promise.all([0, 1].map((index) => processOf("mcp-adapter", index).kill()));
    expect(String(await lost)).toContain("nothing is asked twice");
    await answer(input.message, "found again");
    const refused = agent.call("list_pending");
    await expect(refused).rejects.toThrow(/HIL cannot take this now/);
    await Promise.all([0, 1].map((index) => processOf("mcp-adapter", index).restart()));
    const again = readResult(await agent.call("send_and_wait_reply", input));
    expect(again).toMatchObject({ session_id: id, replies: [{ content: "found again" }] });
  },
  PATIENCE_MS,
);

test(
  "I7: a session service that is killed and comes back is not noticed by a call that waits",
  async () => {
    await using agent = await connect(0, "modern");
    const asking = agent.call("send_and_wait_reply", { message: "Killed session service?" });
    const { id } = await asked("Killed session service?");
    await processOf("session", 0).kill();
    await processOf("session", 0).restart();
    await answer("Killed session service?", "not noticed");
    expect(readResult(await asking)).toMatchObject({ session_id: id, replies: [{ content: "not noticed" }] });
  },
  PATIENCE_MS,
);

test(
  "F30: after all these retries, drains and kills nobody was asked anything twice",
  async () => {
    const { sessions } = await owner().listSessions({
      filter: { chat: { channelId: "wecom-robot", chatId: "wrk1" } },
    });
    const questions = sessions.map(({ body }) => body);
    expect(questions.length).toBeGreaterThanOrEqual(7);
    expect(new Set(questions).size).toBe(questions.length);
    // A question that was answered before it was sent is not sent any more.
    const timesShown = questions.map(
      (question) => wecom.messages.filter(({ text }) => text.includes(question)).length,
    );
    expect(Math.max(...timesShown)).toBe(1);
  },
  PATIENCE_MS,
);
