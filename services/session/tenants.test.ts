import { Code, type ConnectError } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { expect, test, vi } from "vitest";
import { startSessionService } from "./testing/start-session-service.ts";
import { Waiters } from "./waiters.ts";

const text = { kind: { case: "text" as const, value: {} } };
const question = { body: "Deploy?", interaction: text };
const failure = (call: Promise<unknown>) => call.then(() => undefined).catch((error: unknown) => error);
const refusal = async (call: Promise<unknown>) => reasonOf(await failure(call));
const minutes = (count: number) => ({ seconds: BigInt(count * 60), nanos: 0 });
const to = (...chats: [string, string][]) => ({
  targets: chats.map(([channelId, chatId]) => ({ channelId, chatId })),
});

test("what a tenant lays down for deadlines and language holds for it alone", async () => {
  await using sessions = await startSessionService({ now: new Date("2030-01-01T00:00:00Z") });
  sessions.tenants.set("red", {
    defaultTimeout: minutes(60),
    minTimeout: minutes(30),
    maxTimeout: minutes(120),
    locale: "zh-CN",
  });
  const red = sessions.as({ tenantId: "red" });
  const blue = sessions.as({ tenantId: "blue" });
  const asked = (await red.createSession(question)).session!;
  expect(asked.expireTime!.seconds - asked.createTime!.seconds).toBe(3600n);
  expect(asked.locale).toBe("zh-CN");
  const short = { ...question, timeout: minutes(29) };
  expect(await refusal(red.createSession(short))).toBe(ErrorReason.DEADLINE_BELOW_FLOOR);
  expect(await refusal(red.createSession({ ...question, timeout: minutes(121) }))).toBe(
    ErrorReason.DEADLINE_ABOVE_MAXIMUM,
  );
  expect(await refusal(red.createSession({ ...question, withoutDeadline: true }))).toBe(
    ErrorReason.DEADLINE_ABOVE_MAXIMUM,
  );
  const soon = { seconds: asked.createTime!.seconds + 60n, nanos: 0 };
  expect(await refusal(red.extendDeadline({ sessionId: asked.id, expireTime: soon }))).toBe(
    ErrorReason.DEADLINE_BELOW_FLOOR,
  );
  const other = (await blue.createSession(short)).session!;
  expect(other.expireTime!.seconds - other.createTime!.seconds).toBe(29n * 60n);
  expect(other.locale).toBe("en");
});

test("a default that the tenant's own floor rules out is moved to the floor", async () => {
  await using sessions = await startSessionService({ now: new Date("2030-01-01T00:00:00Z") });
  sessions.tenants.set("red", { minTimeout: minutes(45) });
  const asked = (await sessions.as({ tenantId: "red" }).createSession(question)).session!;
  expect(asked.expireTime!.seconds - asked.createTime!.seconds).toBe(45n * 60n);
});

test.each([
  ["nothing is laid down", {}, [["wecom-robot", "any"]], undefined],
  [
    "the chat is allowed",
    { allowedChats: [{ channelId: "wecom-robot", chatId: "c1" }] },
    [["wecom-robot", "c1"]],
    undefined,
  ],
  [
    "no channel is named and the default one is allowed",
    { allowedChats: [{ channelId: "wecom-robot" }] },
    [["", "c1"]],
    undefined,
  ],
  [
    "another chat is allowed",
    { allowedChats: [{ channelId: "wecom-robot", chatId: "c1" }] },
    [["wecom-robot", "c2"]],
    "wecom-robot",
  ],
  [
    "one of two chats is not allowed",
    { allowedChats: [{ chatId: "c1" }] },
    [
      ["a", "c1"],
      ["b", "c2"],
    ],
    "b",
  ],
  ["the chat is denied", { deniedChats: [{ chatId: "c1" }] }, [["wecom-robot", "c1"]], "wecom-robot"],
  [
    "it is allowed and denied",
    { allowedChats: [{ channelId: "wecom-robot" }], deniedChats: [{ chatId: "c1" }] },
    [["wecom-robot", "c1"]],
    "wecom-robot",
  ],
  ["every chat is denied and the console is asked", { deniedChats: [{}] }, [["console", ""]], undefined],
] as const)("whom a tenant's askers may send to: %s", async (_, policy, chats, refused) => {
  await using sessions = await startSessionService();
  sessions.tenants.set("red", policy as never);
  const asked = { ...question, audience: to(...(chats as never as [string, string][])) };
  const error = await failure(sessions.as({ tenantId: "red" }).createSession(asked));
  expect(error && [reasonOf(error), metadataOf(error).channel_id]).toEqual(
    refused && [ErrorReason.CHAT_NOT_ALLOWED, refused],
  );
  const kept = await sessions.as({ tenantId: "red", roles: [Role.AUDITOR] }).listSessions({});
  expect(kept.sessions).toHaveLength(refused ? 0 : 1);
});

test("I6: a service acts for the tenant that it names, and delivery is told for each tenant apart", async () => {
  await using sessions = await startSessionService();
  const ask = (tenantId: string) =>
    sessions.as({ tenantId }).createSession({ ...question, audience: to(["wecom-robot", "c1"]) });
  const [red, blue] = await Promise.all([ask("red"), ask("blue")]);
  await vi.waitUntil(() => sessions.delivered.length === 2);
  expect(sessions.deliveredFor.toSorted()).toEqual(["blue", "red"]);
  const of = (tenantId: string) => ({ headers: { [TENANT_HEADER]: tenantId } });
  const sessionId = red.session!.id;
  expect((await sessions.service.getSession({ sessionId }, of("red"))).session!.tenantId).toBe("red");
  expect(await refusal(sessions.service.getSession({ sessionId }, of("blue")))).toBe(
    ErrorReason.SESSION_NOT_FOUND,
  );
  const reply = { sessionId, inboundId: "in", channelId: "wecom-robot", chatId: "c1", text: "yes" };
  expect(await refusal(sessions.service.submitReply(reply, of("blue")))).toBe(ErrorReason.SESSION_NOT_FOUND);
  await sessions.service.submitReply(reply, of("red"));
  // The same inbound id of another tenant is another message.
  const second = await sessions.service.submitReply({ ...reply, sessionId: blue.session!.id }, of("blue"));
  expect(second.session).toMatchObject({ tenantId: "blue", state: Session_State.ANSWERED });
});

test("I6, B4: what a message in a shared chat may be meant for is found over all tenants, by services only", async () => {
  await using sessions = await startSessionService();
  const audience = to(["wecom-robot", "c1"]);
  const red = (await sessions.as({ tenantId: "red" }).createSession({ ...question, audience })).session!;
  const blue = (await sessions.as({ tenantId: "blue" }).createSession({ ...question, audience })).session!;
  await sessions.as({ tenantId: "blue" }).createSession({ ...question, audience: to(["wecom-robot", "c2"]) });
  const chat = { channelId: "wecom-robot", chatId: "c1" };
  const found = async (by: object) =>
    (await sessions.service.findSessionsForReply({ by } as never)).sessions.map((each) => each.id);
  expect(await found({ case: "chat", value: chat })).toEqual([red.id, blue.id]);
  expect(await found({ case: "shortId", value: blue.shortId })).toEqual([blue.id]);
  expect(await found({ case: "shortId", value: "no such" })).toEqual([]);
  await sessions.as({ tenantId: "red" }).cancelSession({ sessionId: red.id });
  expect(await found({ case: "chat", value: chat })).toEqual([blue.id]);
  expect(await found({ case: "shortId", value: red.shortId })).toEqual([red.id]);
  expect(
    await refusal(sessions.owner.findSessionsForReply({ by: { case: "shortId", value: red.shortId } })),
  ).toBe(ErrorReason.ROLE_MISSING);
});

test("I6: cursors are each tenant's own count: another's traffic does not move them", async () => {
  await using sessions = await startSessionService();
  const red = sessions.as({ tenantId: "red" });
  const blue = sessions.as({ tenantId: "blue" });
  await red.createSession(question);
  const before = (await red.listSessions({})).cursor;
  for (let n = 0; n < 5; n += 1) await blue.createSession(question);
  expect((await red.listSessions({})).cursor).toBe(before);
  expect((await red.listChanges({ afterCursor: 0n })).cursor).toBe(before);
  const { session } = await red.createSession(question);
  const { events } = await red.listEvents({ sessionId: session!.id });
  expect(events.map((each) => each.cursor)).toEqual([before + 1n]);
});

test("I6: a waiter is not woken by another tenant's session of the same id", async () => {
  const waiters = new Waiters({ versionsOf: async () => [], maxWaits: 10 });
  let woken = false;
  const wait = { tenantId: "red", sessionId: "same", afterVersion: 1, untilEnded: false };
  const waiting = waiters
    .wait(wait, {
      waitMs: 60_000,
      tenantLimit: 0,
      signal: new AbortController().signal,
      read: async () => ({ due: undefined }),
    })
    .then(() => {
      woken = true;
    });
  await vi.waitUntil(() => waiters.count === 1);
  waiters.wake({ tenantId: "blue", id: "same" }, 2, true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(woken).toBe(false);
  waiters.wake({ tenantId: "red", id: "same" }, 2, false);
  await waiting;
  waiters.close();
});

test("a tenant opens as many sessions as it may, and more once one has ended; what it asks again is found", async () => {
  await using sessions = await startSessionService();
  sessions.tenants.set("red", { limits: { openSessions: 3 } });
  const red = sessions.as({ tenantId: "red" });
  const ask = (n: number) => red.createSession({ ...question, requestId: `r${n}` });
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(ask));
  expect(results.map((each) => each.status)).toEqual([
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  const error = (results[4] as PromiseRejectedResult).reason as ConnectError;
  expect([error.code, reasonOf(error), metadataOf(error)]).toEqual([
    Code.ResourceExhausted,
    ErrorReason.QUOTA_EXCEEDED,
    { quota: "open_sessions", limit: "3", retry_after_ms: expect.stringMatching(/^\d+$/) },
  ]);
  const first = (await ask(1)).session!;
  await sessions.restart();
  expect(await refusal(ask(4))).toBe(ErrorReason.QUOTA_EXCEEDED);
  await red.cancelSession({ sessionId: first.id });
  await ask(4);
  expect(await refusal(ask(5))).toBe(ErrorReason.QUOTA_EXCEEDED);
  await sessions.as({ tenantId: "blue" }).createSession(question);
});

test("a tenant keeps as many bytes of pictures as it may", async () => {
  await using sessions = await startSessionService();
  const picture = png(20, 10);
  sessions.tenants.set("red", { limits: { attachmentBytes: BigInt(2 * picture.length) } });
  const red = sessions.as({ tenantId: "red" });
  const ask = () => red.createSession({ ...question, attachments: [{ name: "plan.png", data: picture }] });
  const results = await Promise.allSettled([ask(), ask(), ask()]);
  expect(results.filter((each) => each.status === "rejected")).toHaveLength(1);
  expect(metadataOf(await failure(ask())).quota).toBe("attachment_bytes");
  await red.createSession(question);
});

test("a tenant asks as often in a minute as it may, in one chat and in all", async () => {
  await using sessions = await startSessionService({ now: new Date("2030-01-01T00:00:00Z") });
  sessions.tenants.set("red", { limits: { sessionsPerMinute: 4, sessionsPerMinutePerChat: 2 } });
  const red = sessions.as({ tenantId: "red" });
  const ask = (chatId: string, requestId = "") =>
    red.createSession({ ...question, requestId, audience: to(["wecom-robot", chatId]) });
  const first = await ask("c1", "r1");
  await ask("c1");
  const error = await failure(ask("c1"));
  expect([reasonOf(error), metadataOf(error).limit]).toEqual([
    ErrorReason.RATE_LIMITED,
    "sessions_per_minute_per_chat",
  ]);
  await ask("c2");
  await ask("c3");
  expect(metadataOf(await failure(ask("c4"))).limit).toBe("sessions_per_minute");
  // What was asked before is given back, not counted.
  expect((await ask("c1", "r1")).session!.id).toBe(first.session!.id);
  sessions.clock.now = new Date(sessions.clock.now.getTime() + 60_000);
  await ask("c1");
  await sessions.as({ tenantId: "blue" }).createSession(question);
});

test("as many calls of a tenant wait as may, and one too many creates nothing", async () => {
  await using sessions = await startSessionService();
  sessions.tenants.set("red", { limits: { openWaits: 1 } });
  const red = sessions.as({ tenantId: "red" });
  const { session } = await red.createSession(question);
  const wait = { seconds: 30n };
  const waiting = red.waitSession({ sessionId: session!.id, untilEnded: true, wait });
  const waitAgain = () =>
    red.waitSession({ sessionId: session!.id, untilEnded: true, wait: { nanos: 1_000_000 } });
  await vi.waitUntil(async () => (await refusal(waitAgain())) === ErrorReason.QUOTA_EXCEEDED);
  const error = await failure(red.createSession({ ...question, requestId: "r", wait }));
  expect(metadataOf(error).quota).toBe("open_waits");
  expect((await red.listSessions({})).sessions).toHaveLength(1);
  const blue = sessions.as({ tenantId: "blue" });
  await blue.createSession({ ...question, wait: { nanos: 1_000_000 } });
  await red.cancelSession({ sessionId: session!.id });
  await waiting;
});

test("seeing a session by one role gives no hand in it by another", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.agent("a").createSession(question);
  const sessionId = session!.id;
  const both = sessions.as({ id: "b", roles: [Role.AGENT, Role.AUDITOR] });
  expect((await both.getSession({ sessionId })).session!.id).toBe(sessionId);
  const expireTime = { seconds: BigInt(Math.floor(Date.now() / 1000) + 600), nanos: 0 };
  for (const call of [
    () => both.cancelSession({ sessionId }),
    () => both.expireSession({ sessionId }),
    () => both.extendDeadline({ sessionId, expireTime }),
    () => both.acknowledgeAnswer({ sessionId }),
  ]) {
    expect(await refusal(call())).toBe(ErrorReason.SESSION_NOT_FOUND);
  }
  const operator = sessions.as({ id: "c", roles: [Role.OPERATOR] });
  expect((await operator.cancelSession({ sessionId })).session!.state).toBe(Session_State.CANCELLED);
});
