import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { Inbound_Disposition, Inbound_Kind } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { ChatType, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { startSessionService, type TestSessions } from "@hil/session/testing/start-session-service.ts";
import { describe, expect, test, vi } from "vitest";
import { createFakeSessions, sessionIdOf } from "./testing/fake-sessions.ts";
import { startCallbackService, type TestCallback } from "./testing/start-callback-service.ts";

const channelId = "wecom-robot";
const from = { userid: "lina", name: "Li Na", alias: "lina" };
let messageNumber = 0;
const text = (content: string, more: object = {}) => ({
  chatid: "c1",
  chattype: "group",
  msgtype: "text",
  from,
  msgid: `m${++messageNumber}`,
  text: { content },
  ...more,
});

const ask = async (sessions: TestSessions, chatId = "c1", more: object = {}) => {
  const { session } = await sessions.agent("a1").createSession({
    projectName: "demo",
    title: "Deploy build 214?",
    interaction: { kind: { case: "text", value: {} } },
    audience: { targets: [{ channelId, chatId }] },
    ...more,
  });
  return session!;
};

const read = async (sessions: TestSessions, sessionId: string) =>
  (await sessions.owner.getSession({ sessionId })).session!;

/** Waits for a condition, generously: backoff is random. */
const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000 });

/** Waits until every message has been decided. */
const settled = (callback: TestCallback, count: number) =>
  eventually(async () => {
    const kept = await callback.kept();
    expect(kept).toHaveLength(count);
    for (const each of kept) expect(each.disposition).not.toBe(Inbound_Disposition.UNSPECIFIED);
    return kept;
  });

describe("with the real session service", () => {
  test("a plain reply answers the only question of its chat (I1)", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const asked = await ask(sessions);
    expect(await callback.post(text("@HIL yes"))).toEqual({
      status: 200,
      body: { errcode: 0, errmsg: "ok" },
    });
    const [inbound] = await settled(callback, 1);
    expect(inbound).toMatchObject({
      disposition: Inbound_Disposition.ATTACHED,
      sessionId: asked.id,
      text: "yes",
    });
    expect(await read(sessions, asked.id)).toMatchObject({
      state: Session_State.ANSWERED,
      answer: { responder: { userId: "lina", name: "Li Na" }, channelId },
      replies: [
        { chatType: ChatType.GROUP, text: "yes", vendorMessage: expect.stringContaining('"msgtype":"text"') },
      ],
    });
    expect(callback.notices).toEqual([]);
  });

  test("a quoted reply answers its question while others wait", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const [first, second] = [await ask(sessions), await ask(sessions)];
    await callback.post(text(`“HIL：\n[#${first.shortId} demo]\nDeploy build 214?”\n------\n@HIL go`));
    await callback.post(text(`@HIL #${second.shortId} stop`));
    await settled(callback, 2);
    expect((await read(sessions, first.id)).answer?.value?.kind.value).toMatchObject({ text: "go" });
    expect((await read(sessions, second.id)).answer?.value?.kind.value).toMatchObject({ text: "stop" });
  });

  test("with several questions nothing is guessed: the person gets the list (I2)", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const asked = [await ask(sessions), await ask(sessions)];
    await callback.post(text("@HIL yes"));
    const [inbound] = await settled(callback, 1);
    expect(inbound).toMatchObject({ disposition: Inbound_Disposition.AMBIGUOUS, sessionId: "" });
    await eventually(() => expect(callback.notices).toHaveLength(1));
    const [notice] = callback.notices;
    expect(notice).toMatchObject({
      noticeId: inbound!.id,
      target: { channelId, chatId: "c1", chatType: ChatType.GROUP },
    });
    for (const { shortId } of asked)
      expect(notice!.markdown).toContain(`[#${shortId}] (demo): Deploy build 214?`);
    for (const { id } of asked) expect((await read(sessions, id)).state).toBe(Session_State.OPEN);
  });

  test("where nothing waits the person gets the chat's id", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    await callback.post(text("@HIL hello", { chattype: "single" }));
    await settled(callback, 1);
    await eventually(() => expect(callback.notices).toHaveLength(1));
    expect(callback.notices[0]!.markdown).toMatch(/Hello Li Na!.*`c1`.*private.*DEFAULT_CHAT_ID=c1/s);
    expect(callback.notices[0]!.target!.chatType).toBe(ChatType.SINGLE);
  });

  test("a tag from another chat is refused and answers nothing (I18)", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const elsewhere = await ask(sessions, "c2");
    const here = await ask(sessions);
    await callback.post(text(`“HIL：\n[#${elsewhere.shortId} demo]\nDeploy?”\n------\nyes`));
    await callback.post(text(`#${elsewhere.shortId} yes`));
    await callback.post(text(`[#${elsewhere.shortId} demo] yes`));
    await callback.post(text("#00000000 yes"));
    for (const inbound of await settled(callback, 4)) {
      expect(inbound.disposition).toBe(Inbound_Disposition.REFUSED);
    }
    for (const { id } of [elsewhere, here]) expect((await read(sessions, id)).state).toBe(Session_State.OPEN);
    await eventually(() => expect(callback.notices).toHaveLength(4));
  });

  test("a reply to an ended question is kept as late and its sender is told, not taken for another", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const [ended, open] = [await ask(sessions), await ask(sessions)];
    await sessions.agent("a1").cancelSession({ sessionId: ended.id });
    await callback.post(text(`#${ended.shortId} yes`));
    const [inbound] = await settled(callback, 1);
    expect(inbound).toMatchObject({ disposition: Inbound_Disposition.LATE, sessionId: ended.id });
    expect((await read(sessions, ended.id)).replies).toMatchObject([{ text: "yes" }]);
    expect((await read(sessions, open.id)).state).toBe(Session_State.OPEN);
    await eventually(() => expect(callback.notices).toHaveLength(1));
    expect(callback.notices[0]!.markdown).toBe(inbound!.guidance);
  });

  test("what is no answer leaves the question open and its sender is told what would be one", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const asked = await ask(sessions, "c1", { interaction: { kind: { case: "confirmation", value: {} } } });
    await callback.post(text("@HIL what do you mean"));
    expect(await settled(callback, 1)).toMatchObject([{ disposition: Inbound_Disposition.INVALID }]);
    await eventually(() => expect(callback.notices).toHaveLength(1));
    expect((await read(sessions, asked.id)).state).toBe(Session_State.OPEN);
  });

  test("a notice is answered by quoting it and never makes a plain reply ambiguous", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({ sessions: sessions.service });
    const notice = await ask(sessions, "c1", { interaction: { kind: { case: "notice", value: {} } } });
    const asked = await ask(sessions);
    await callback.post(text("@HIL yes"));
    await callback.post(text(`“HIL：\n[#${notice.shortId} demo]\nDone.”\n------\nthanks`));
    const [plain, quoted] = await settled(callback, 2);
    expect(plain!.sessionId).toBe(asked.id);
    expect(quoted!.sessionId).toBe(notice.id);
  });
});

describe("duplicates (I2, F20)", () => {
  test("the same message is kept once, also when it comes twice at a time", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    const body = text("yes");
    const answers = await Promise.all([callback.post(body), callback.post(body), callback.post(body)]);
    expect(answers.map((each) => each.status)).toEqual([200, 200, 200]);
    await settled(callback, 1);
    expect(await callback.post(body)).toMatchObject({ status: 200 });
    expect(await callback.kept()).toHaveLength(1);
    expect(sessions.submitted).toHaveLength(1);
  });

  test("two people's messages with the same id are two, and so are those of two chats", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    await callback.post(text("yes", { msgid: "same" }));
    await callback.post(text("no", { msgid: "same", from: { userid: "wang" } }));
    await callback.post(text("no", { msgid: "same", chatid: "c2" }));
    expect(await settled(callback, 3)).toHaveLength(3);
  });

  test("one person's second equal message without an id is one of its own", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    const body = text("yes", { msgid: undefined });
    await callback.post(body);
    await settled(callback, 1);
    // The note that the first answer was written out follows it; until then an equal message counts as repeated.
    await eventually(async () => {
      await callback.post(body);
      expect(await callback.kept()).toHaveLength(2);
    });
  });

  test("I9: what a relay kept is there once, as old as it is, and equal words of a person count twice", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    const body = new TextEncoder().encode(JSON.stringify(text("yes", { msgid: undefined })));
    const came = new Date(Date.now() - 3_600_000);
    const relayed = (relayInboundId: string, time = came) => ({
      channelId,
      body,
      relayInboundId,
      receiveTime: timestampFromDate(time),
      acknowledgeTime: timestampFromDate(time),
    });
    const ingest = async (...messages: ReturnType<typeof relayed>[]) =>
      (await callback.service.ingestInbound({ messages })).results;
    const [first] = await ingest(relayed("r1"));
    expect(await ingest(relayed("r1"), relayed("r2"), relayed("r1"))).toMatchObject([
      { duplicate: true, inboundId: first!.inboundId },
      { duplicate: false },
      { duplicate: true, inboundId: first!.inboundId },
    ]);
    const inHours = new Date(Date.now() + 3_600_000);
    await ingest(relayed("r3", inHours), { ...relayed("r4"), receiveTime: { seconds: 10n ** 17n } as never });
    const kept = await callback.kept();
    expect(kept).toHaveLength(4);
    const times = kept.map(({ receiveTime }) => timestampDate(receiveTime!).getTime());
    expect(times.filter((time) => time === came.getTime())).toHaveLength(2);
    expect(times.every((time) => time <= Date.now())).toBe(true);
  });

  test("a relay's repetition says that it is one", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    const message = { channelId, body: new TextEncoder().encode(JSON.stringify(text("yes"))) };
    const { results } = await callback.service.ingestInbound({
      messages: [message, message, { channelId, body: new Uint8Array() }, { ...message, channelId: "fax" }],
    });
    expect(results).toMatchObject([
      { duplicate: false, refusal: "" },
      { duplicate: true, inboundId: results[0]!.inboundId },
      { inboundId: "", refusal: expect.stringContaining("JSON") },
      { inboundId: "", refusal: expect.stringContaining("channel") },
    ]);
  });
});

describe("trouble", () => {
  const unavailable = () => {
    throw new ConnectError("starting", Code.Unavailable);
  };

  test("a session service that cannot be reached costs no message and no try (I1)", async () => {
    let failures = 4;
    const sessions = createFakeSessions({ listed: () => failures-- > 0 && unavailable() });
    await using callback = await startCallbackService({ sessions: sessions.client });
    await callback.post(text("yes"));
    const [inbound] = await settled(callback, 1);
    expect(inbound).toMatchObject({
      disposition: Inbound_Disposition.ATTACHED,
      attemptCount: 1,
      lastError: "",
    });
  });

  test("messages that wait are matched after a restart, each chat's in order (I1)", async () => {
    let down = true;
    const sessions = createFakeSessions({ listed: () => down && unavailable() });
    await using callback = await startCallbackService({ sessions: sessions.client });
    for (const content of ["1", "2", "3"]) await callback.post(text(content));
    expect(sessions.submitted).toEqual([]);
    down = false;
    await callback.restart();
    await settled(callback, 3);
    expect(sessions.submitted.map((each) => each.text)).toEqual(["1", "2", "3"]);
  });

  test("a message that was matched before a crash is handed to the same session after it (I2)", async () => {
    let down = true;
    let lists = 0;
    const sessions = createFakeSessions({ decide: () => down && unavailable(), listed: () => lists++ });
    await using callback = await startCallbackService({ sessions: sessions.client });
    await callback.post(text("yes"));
    await eventually(() => expect(sessions.submitted.length).toBeGreaterThan(0));
    down = false;
    await callback.restart();
    const [inbound] = await settled(callback, 1);
    expect(inbound!.sessionId).toBe(sessionIdOf("c1"));
    expect(lists).toBe(1);
  });

  test("a message that cannot be matched is dead after five tries, harms no other, and can be driven again (F23)", async () => {
    let poisonous = true;
    const sessions = createFakeSessions({
      decide: ({ text }) => {
        if (poisonous && text === "poison") throw new ConnectError("boom", Code.Internal);
      },
    });
    await using callback = await startCallbackService({ sessions: sessions.client });
    await callback.post(text("poison"));
    await callback.post(text("after"));
    await callback.post(text("neighbour", { chatid: "c2" }));
    await eventually(() => expect(sessions.submitted.map((each) => each.text)).toContain("neighbour"));
    const [poison, after, neighbour] = await settled(callback, 3);
    expect(poison).toMatchObject({ disposition: Inbound_Disposition.DEAD, attemptCount: 5 });
    expect(poison!.lastError).toContain("boom");
    expect(sessions.submitted.filter((each) => each.text === "poison")).toHaveLength(5);
    expect(after).toMatchObject({ disposition: Inbound_Disposition.ATTACHED });
    expect(neighbour).toMatchObject({ disposition: Inbound_Disposition.ATTACHED });

    const error = await callback.owner
      .redriveInbound({ inboundId: after!.id })
      .catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe(ErrorReason.INBOUND_SETTLED);
    poisonous = false;
    await callback.owner.redriveInbound({ inboundId: poison!.id });
    expect(await settled(callback, 3)).toMatchObject([{ disposition: Inbound_Disposition.ATTACHED }, {}, {}]);
  });

  test("guidance that cannot be handed over is tried again and changes no decision", async () => {
    let failures = 3;
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({
      sessions: sessions.service,
      sendNotice: () => {
        if (failures-- > 0) unavailable();
      },
    });
    await callback.post(text("hello"));
    await eventually(() => expect(callback.notices).toHaveLength(1));
    expect(await callback.kept()).toMatchObject([
      { disposition: Inbound_Disposition.UNMATCHED, attemptCount: 1 },
    ]);
  });

  test("guidance that is refused five times is given up, and says so", async () => {
    await using sessions = await startSessionService();
    await using callback = await startCallbackService({
      sessions: sessions.service,
      sendNotice: () => {
        throw new ConnectError("no such channel", Code.NotFound);
      },
    });
    await callback.post(text("hello"));
    await eventually(async () => {
      const [inbound] = await callback.kept();
      expect(inbound!.lastError).toContain("the person was not told");
    });
  });
});

describe("reading the inbox", () => {
  test("events and unknown kinds are kept and not matched", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    await callback.post(text("", { msgtype: "event", event: { event_type: "enter_chat" } }));
    await callback.post(text("", { msgtype: "attachment" }));
    expect(await callback.kept()).toMatchObject([
      { kind: Inbound_Kind.EVENT, disposition: Inbound_Disposition.IGNORED },
      { kind: Inbound_Kind.UNSPECIFIED, disposition: Inbound_Disposition.IGNORED },
    ]);
    expect(sessions.submitted).toEqual([]);
  });

  test("pages go from the newest to the oldest, of the chats and dispositions that are asked for", async () => {
    const sessions = createFakeSessions();
    await using callback = await startCallbackService({ sessions: sessions.client });
    for (const content of ["1", "2", "3"]) await callback.post(text(content));
    await callback.post(text("4", { chatid: "c2" }));
    await settled(callback, 4);
    const filter = { chatId: "c1", dispositions: [Inbound_Disposition.ATTACHED] };
    const first = await callback.owner.listInbound({ ...filter, pageSize: 2 });
    expect(first.inbounds.map((each) => each.text)).toEqual(["3", "2"]);
    const second = await callback.owner.listInbound({
      ...filter,
      pageSize: 2,
      pageToken: first.nextPageToken,
    });
    expect(second.inbounds.map((each) => each.text)).toEqual(["1"]);
    expect(second.nextPageToken).toBe("");
    const error = await callback.owner.listInbound({ pageToken: "x" }).catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe(ErrorReason.PAGE_TOKEN_INVALID);
  });

  test("one message is read by its id", async () => {
    await using callback = await startCallbackService({ sessions: createFakeSessions().client });
    await callback.post(text("yes"));
    const [inbound] = await settled(callback, 1);
    expect((await callback.owner.getInbound({ inboundId: inbound!.id })).inbound).toEqual(inbound);
    const unknown = "018f0000-0000-7000-8000-000000000000";
    const error = await callback.owner.getInbound({ inboundId: unknown }).catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe(ErrorReason.INBOUND_NOT_FOUND);
  });

  test("only services bring messages, only owners read them", async () => {
    await using callback = await startCallbackService({ sessions: createFakeSessions().client });
    const messages = [{ channelId, body: new Uint8Array() }];
    for (const call of [callback.owner.ingestInbound({ messages }), callback.service.listInbound({})]) {
      expect(reasonOf(await call.catch((caught: unknown) => caught))).toBe(ErrorReason.ROLE_MISSING);
    }
  });
});
