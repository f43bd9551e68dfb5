// The distributed form as it is run: real processes, PostgreSQL, NATS, and the stand-in for WeCom.

import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeWecom, startFakeWecom } from "./fake-wecom/fake-wecom.ts";
import { type Distributed, type ServiceProcess, startDistributed } from "./processes/start-distributed.ts";

// Ten processes, a database and a bus on one machine, which does other things too.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const CHAT = "wrk-distributed";
let wecom: FakeWecom;
let hil: Distributed;
let asked = 0;

beforeAll(async () => {
  wecom = await startFakeWecom({ key: "robot-key" });
  hil = await startDistributed({
    replicas: { session: 2, callback: 2, gateway: 2 },
    environment: { BOT_KEY: "robot-key", WECOM_API_URL: wecom.url },
  });
  wecom.callbackUrl = `${hil.url}/k/${hil.ownerKey}/api/callback`;
});
afterAll(async () => {
  await hil?.[Symbol.asyncDispose]();
  await wecom?.close();
});

/** Sessions by way of one process: a gateway as anybody, a replica of session as the gateways reach it. */
function sessionsAt(url: string): Client<typeof SessionService> {
  return createClient(
    SessionService,
    createConnectTransport({
      httpVersion: "2",
      baseUrl: url,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${hil.ownerKey}`);
          return next(request);
        },
      ],
    }),
  );
}

const process = (name: string): ServiceProcess => hil.processes.find((each) => each.name === name)!;

async function ask(sessions: Client<typeof SessionService>, chatId = ""): Promise<Session> {
  const { session } = await sessions.createSession({
    requestId: `ask-${++asked}`,
    body: `question ${asked}`,
    interaction: { kind: { case: "text", value: {} } },
    audience: { targets: chatId === "" ? [] : [{ chatId }] },
  });
  return session!;
}

const waitFor = (sessions: Client<typeof SessionService>, { id }: Session) =>
  sessions.waitSession({ sessionId: id, untilEnded: true, wait: { seconds: 60n } });

const answer = (sessions: Client<typeof SessionService>, { id }: Session, text: string) =>
  sessions.answerSession({
    sessionId: id,
    requestId: `answer-${id}`,
    value: { kind: { case: "text", value: { text } } },
  });

const textOf = (session: Session | undefined) =>
  session?.answer?.value?.kind.case === "text" ? session.answer.value.kind.value.text : undefined;

/** Makes sure that what was sent before on the same connection has been taken up. */
const behind = (sessions: Client<typeof SessionService>, { id }: Session) =>
  sessions.getSession({ sessionId: id });

test("a question goes to a chat, and the reply comes back to whoever waits, through six services", async () => {
  const sessions = sessionsAt(hil.url);
  const session = await ask(sessions, CHAT);
  const waiting = waitFor(sessions, session);
  await vi.waitUntil(() => wecom.messages.some(({ text }) => text.includes(session.shortId)), {
    timeout: 30_000,
  });
  const quote = wecom.messages.find(({ text }) => text.includes(session.shortId))!;
  const { taken } = await wecom.person.reply({ chatid: CHAT, text: "go ahead", quote });
  expect(taken).toBe(true);
  const { session: ended } = await waiting;
  expect(ended?.state).toBe(Session_State.ANSWERED);
  expect(textOf(ended)).toBe("go ahead");
});

test("I2, I7: a wait on one replica is woken by an answer that entered through the other", async () => {
  const one = sessionsAt(process("session-1").url);
  const other = sessionsAt(process("session-2").url);
  const session = await ask(one);
  const waiting = waitFor(one, session);
  await behind(one, session);
  await answer(other, session, "from the other");
  expect(textOf((await waiting).session)).toBe("from the other");
});

test("I1, I8, F1: kill -9 of a replica costs none of the waits that a gateway holds for its callers", async () => {
  const sessions = sessionsAt(hil.url);
  const session = await ask(sessions);
  const waits = Array.from({ length: 20 }, () => waitFor(sessions, session));
  for (let n = 0; n < 2; n++) await behind(sessions, session); // one replica after the other
  await process("session-1").kill("SIGKILL");
  await answer(sessions, session, "all the same");
  const ends = await Promise.all(waits);
  expect(ends.map((each) => textOf(each.session))).toEqual(ends.map(() => "all the same"));
  await process("session-1").restart();
});

test("SIGTERM: a replica of session ends its waits as if their time were over, and goes with 0 within 10 s", async () => {
  const replica = process("session-2");
  const direct = sessionsAt(replica.url);
  const session = await ask(direct);
  const waiting = waitFor(direct, session);
  await behind(direct, session);
  const gone = replica.kill("SIGTERM");
  const { session: asItIs } = await waiting;
  expect(asItIs?.state).toBe(Session_State.OPEN);
  expect(await gone).toBe(0);
  expect(replica.logged()).not.toContain("did not end in time"); // it did not have to be cut
  // Nobody notices who calls through a gateway.
  const { session: answered } = await answer(sessionsAt(hil.url), session, "still there");
  expect(textOf(answered)).toBe("still there");
  await replica.restart();
});

test("SIGTERM: a gateway answers the waits that it holds, and another serves on", async () => {
  const gateway = process("gateway-2");
  const through = sessionsAt(gateway.url);
  const session = await ask(through);
  const waiting = waitFor(through, session);
  await behind(through, session);
  const gone = gateway.kill("SIGTERM");
  expect((await waiting).session?.state).toBe(Session_State.OPEN);
  expect(await gone).toBe(0);
  await answer(sessionsAt(hil.url), session, "elsewhere");
  await gateway.restart();
});

test("every process tells what it misses, and without NATS all goes on, only later", async () => {
  const readyz = async ({ url }: ServiceProcess) => {
    const response = await fetch(`${url}/readyz`);
    const { missing, impaired } = (await response.json()) as { missing: string[]; impaired: string[] };
    return { status: response.status, missing, impaired };
  };
  for (const each of hil.processes)
    expect(await readyz(each)).toMatchObject({ status: 200, missing: [], impaired: [] });
  await hil.nats.kill();
  await vi.waitUntil(async () => (await readyz(process("session-1"))).impaired.includes("nats"), {
    timeout: 20_000,
  });
  expect(await readyz(process("session-1"))).toMatchObject({ status: 200, missing: [] });
  const one = sessionsAt(process("session-1").url);
  const session = await ask(one);
  const waiting = waitFor(one, session);
  await behind(one, session);
  await answer(sessionsAt(process("session-2").url), session, "by the sweep");
  expect(textOf((await waiting).session)).toBe("by the sweep");
  await hil.nats.restart();
  await vi.waitUntil(async () => (await readyz(process("session-1"))).impaired.length === 0, {
    timeout: 20_000,
  });
});

test("I10: a lost database is UNAVAILABLE and never a false success, and nothing needs a restart afterwards", async () => {
  const sessions = sessionsAt(hil.url);
  const kept = await ask(sessions);
  await hil.postgres.kill("SIGQUIT");
  const refused = await ask(sessions).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConnectError);
  expect((refused as ConnectError).code).toBe(Code.Unavailable);
  expect(reasonOf(refused)).toBe(ErrorReason.STORAGE_UNAVAILABLE);
  await vi.waitUntil(async () => (await fetch(`${process("session-1").url}/readyz`)).status === 503, {
    timeout: 20_000,
  });
  await hil.postgres.restart();
  await vi.waitUntil(async () => (await fetch(`${hil.url}/readyz`)).ok, { timeout: 30_000 });
  await vi.waitUntil(
    () =>
      answer(sessions, kept, "after all").then(
        () => true,
        () => false,
      ),
    { timeout: 30_000 },
  );
  const { session } = await sessions.getSession({ sessionId: kept.id });
  expect(textOf(session)).toBe("after all");
});

test("a process whose settings are wrong says all of them, and no value, and ends with 78", async () => {
  const { spawnSync } = await import("node:child_process");
  const { execPath } = await import("node:process");
  const { status, stderr } = spawnSync(execPath, ["services/session/main.ts"], {
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
    env: { HIL_HOST: "0.0.0.0", HIL_SERVICE_KEY: "too-short", HIL_PORT: "many", HIL_RETENTION_DAYS: "1" },
  });
  expect(status).toBe(78);
  for (const name of [
    "HIL_SERVICE_KEY",
    "HIL_PORT",
    "HIL_DATABASE_URL",
    "HIL_NATS_URL",
    "HIL_ACCESS_URL",
    "HIL_RETENTION_DAYS",
  ]) {
    expect(stderr).toContain(name);
  }
  expect(stderr).not.toContain("too-short");
});
