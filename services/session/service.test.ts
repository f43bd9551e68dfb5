import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  DeliverySummary_State,
  Event_Type,
  Reply_Disposition,
  ReplyMatching,
  Session_Outcome,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { expect, test, vi } from "vitest";
import { startSessionService } from "./testing/start-session-service.ts";

const confirmation = { kind: { case: "confirmation" as const, value: {} } };
const text = { kind: { case: "text" as const, value: {} } };
const yes = { kind: { case: "confirmation" as const, value: { value: "yes" } } };
const no = { kind: { case: "confirmation" as const, value: { value: "no" } } };
const chat = { targets: [{ channelId: "wecom-robot", chatId: "c1" }] };
const failure = (call: Promise<unknown>) => call.then(() => undefined).catch((error: unknown) => error);
const unknownId = "018f0000-0000-7000-8000-000000000000";

const reply = (sessionId: string, inboundId: string, words: string, chatId = "c1") => ({
  sessionId,
  inboundId,
  channelId: "wecom-robot",
  chatId,
  sender: { userId: "zhang", name: "Zhang San" },
  text: words,
});

test("a question is asked, answered, and read back with who answered what", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({
    body: "Deploy build 214?",
    interaction: confirmation,
  });
  expect(session).toMatchObject({ state: Session_State.OPEN, version: 1n });
  expect(session!.shortId).toMatch(/^[0-9a-f]{8}$/);
  const answered = await sessions.owner.answerSession({
    sessionId: session!.id,
    requestId: "r1",
    value: yes,
    note: "go",
  });
  expect(answered.session).toMatchObject({
    state: Session_State.ANSWERED,
    outcome: Session_Outcome.ANSWERED,
    version: 2n,
    answer: { note: "go", channelId: "api", responder: { principalId: "owner" }, value: yes },
  });
  expect(answered.session!.answer!.evidence!.questionDigest).toMatch(/^[0-9a-f]{64}$/);
  const read = await sessions.owner.getSession({ sessionId: session!.id });
  expect(read.session).toEqual(answered.session);
});

test("an answer with an option that refuses gives the outcome REJECTED", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "Deploy?", interaction: confirmation });
  const answered = await sessions.owner.answerSession({ sessionId: session!.id, requestId: "r1", value: no });
  expect(answered.session!.outcome).toBe(Session_Outcome.REJECTED);
});

test("I8: the same request id and content give the same session, also after it was answered and after a restart", async () => {
  await using sessions = await startSessionService();
  const ask = {
    requestId: "build-214",
    body: "Deploy?",
    interaction: confirmation,
    labels: { a: "1", b: "2" },
  };
  const [first, second] = await Promise.all([
    sessions.owner.createSession(ask),
    sessions.owner.createSession(ask),
  ]);
  expect(second.session!.id).toBe(first.session!.id);
  await sessions.owner.answerSession({ sessionId: first.session!.id, requestId: "r", value: yes });
  await sessions.restart();
  const again = await sessions.owner.createSession({
    ...ask,
    labels: { b: "2", a: "1" },
    clientName: "another try",
  });
  expect(again.session).toMatchObject({ id: first.session!.id, state: Session_State.ANSWERED });
  expect((await sessions.owner.listSessions({})).sessions).toHaveLength(1);
});

test("I8: the same request id with other content is refused with REQUEST_ID_REUSED, and is free to another asker", async () => {
  await using sessions = await startSessionService();
  await sessions.agent("a").createSession({ requestId: "r", body: "Deploy?", interaction: confirmation });
  const error = await failure(
    sessions.agent("a").createSession({ requestId: "r", body: "Delete?", interaction: confirmation }),
  );
  expect(reasonOf(error)).toBe(ErrorReason.REQUEST_ID_REUSED);
  expect((error as ConnectError).code).toBe(Code.AlreadyExists);
  await sessions.agent("b").createSession({ requestId: "r", body: "Delete?", interaction: confirmation });
});

test("I3: a second answer is refused with SESSION_ENDED, sees the winning answer, and is kept as late", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "Deploy?", interaction: confirmation });
  const sessionId = session!.id;
  await sessions.owner.answerSession({ sessionId, requestId: "r1", value: yes });
  const error = await failure(sessions.owner.answerSession({ sessionId, requestId: "r2", value: no }));
  expect(reasonOf(error)).toBe(ErrorReason.SESSION_ENDED);
  expect((error as ConnectError).findDetails(SessionSchema)[0]!.answer!.value!.kind).toMatchObject(yes.kind);
  const read = await sessions.owner.getSession({ sessionId });
  expect(read.session!.replies.map((each) => each.disposition)).toEqual([
    Reply_Disposition.ACCEPTED,
    Reply_Disposition.LATE,
  ]);
  expect(read.session!.answer!.value!.kind).toMatchObject(yes.kind);
});

test("I3, I8: of many concurrent answers one wins, and a repeat of each request changes nothing", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "Deploy?", interaction: confirmation });
  const sessionId = session!.id;
  const answer = (n: number) =>
    sessions.owner.answerSession({ sessionId, requestId: `r${n}`, value: n % 2 ? yes : no });
  const round = () => Promise.allSettled(Array.from({ length: 20 }, (_, n) => answer(n)));
  const first = await round();
  expect(first.filter((each) => each.status === "fulfilled")).toHaveLength(1);
  const before = await sessions.owner.getSession({ sessionId });
  const second = await round();
  expect(second.map((each) => each.status)).toEqual(first.map((each) => each.status));
  expect(await sessions.owner.getSession({ sessionId })).toEqual(before);
});

test.each([
  [
    "an option that is not there",
    confirmation,
    { kind: { case: "confirmation" as const, value: { value: "maybe" } } },
  ],
  ["another kind", confirmation, { kind: { case: "text" as const, value: { text: "yes" } } }],
  ["an empty text", text, { kind: { case: "text" as const, value: { text: "" } } }],
])("an answer with %s is refused with ANSWER_INVALID and changes nothing", async (_, interaction, value) => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "Deploy?", interaction });
  const error = await failure(
    sessions.owner.answerSession({ sessionId: session!.id, requestId: "r1", value }),
  );
  expect(reasonOf(error)).toBe(ErrorReason.ANSWER_INVALID);
  expect((await sessions.owner.getSession({ sessionId: session!.id })).session).toEqual(session);
});

test("an answer for an older version is refused with VERSION_MISMATCH", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "Deploy?", interaction: confirmation });
  const later = { seconds: BigInt(Math.floor(Date.now() / 1000) + 9_000), nanos: 0 };
  await sessions.owner.extendDeadline({ sessionId: session!.id, expireTime: later });
  const error = await failure(
    sessions.owner.answerSession({ sessionId: session!.id, requestId: "r", value: yes, expectedVersion: 1n }),
  );
  expect(reasonOf(error)).toBe(ErrorReason.VERSION_MISMATCH);
});

test("a wait ends with the answer, and asking and waiting is one call", async () => {
  await using sessions = await startSessionService();
  const asked = sessions.owner.createSession({
    body: "Deploy?",
    interaction: confirmation,
    wait: { seconds: 30n },
  });
  const open = await vi.waitUntil(async () => (await sessions.owner.listSessions({})).sessions[0]);
  const waited = sessions.owner.waitSession({ sessionId: open.id, afterVersion: 1n, wait: { seconds: 30n } });
  await sessions.owner.answerSession({ sessionId: open.id, requestId: "r", value: yes });
  expect((await asked).session!.state).toBe(Session_State.ANSWERED);
  expect((await waited).session!.state).toBe(Session_State.ANSWERED);
});

test("I7: a wait without an answer ends at its time with the session as it is", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({
    body: "Deploy?",
    interaction: confirmation,
    wait: { nanos: 30_000_000 },
  });
  expect(session!.state).toBe(Session_State.OPEN);
  const waited = await sessions.owner.waitSession({
    sessionId: session!.id,
    untilEnded: true,
    wait: { nanos: 30_000_000 },
  });
  expect(waited.session).toEqual(session);
});

test("a wait that only the end interests sleeps through other changes; a plain one does not", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text, audience: chat });
  const sessionId = session!.id;
  const any = sessions.owner.waitSession({ sessionId, afterVersion: 1n, wait: { seconds: 30n } });
  let ended = false;
  const end = sessions.owner
    .waitSession({ sessionId, untilEnded: true, wait: { seconds: 30n } })
    .then((response) => {
      ended = true;
      return response;
    });
  const delivery = { deliveryId: session!.deliveries[0]!.deliveryId, state: DeliverySummary_State.SENT };
  await sessions.service.reportDeliveries({ reports: [{ sessionId, delivery }] });
  expect((await any).session!.version).toBe(2n);
  expect(ended).toBe(false);
  await sessions.owner.cancelSession({ sessionId });
  expect((await end).session!.state).toBe(Session_State.CANCELLED);
});

test("too many waits are refused with OVERLOADED before they begin", async () => {
  await using sessions = await startSessionService({ settings: { maxWaits: 1 } });
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text });
  const wait = () =>
    sessions.owner.waitSession({ sessionId: session!.id, untilEnded: true, wait: { seconds: 30n } });
  const first = wait();
  const error = await vi.waitUntil(() =>
    failure(Promise.race([wait(), new Promise((r) => setTimeout(r, 50))])),
  );
  expect(reasonOf(error)).toBe(ErrorReason.OVERLOADED);
  await sessions.owner.cancelSession({ sessionId: session!.id });
  await first;
});

test("the deadline ends a session, also one that fell due while nothing ran, and a late reply is kept", async () => {
  await using sessions = await startSessionService();
  const ask = (nanos: number) =>
    sessions.owner.createSession({
      body: "Deploy?",
      interaction: confirmation,
      audience: chat,
      timeout: { nanos },
    });
  const soon = (await ask(50_000_000)).session!;
  const waited = await sessions.owner.waitSession({
    sessionId: soon.id,
    untilEnded: true,
    wait: { seconds: 20n },
  });
  expect(waited.session).toMatchObject({ state: Session_State.EXPIRED, outcome: Session_Outcome.EXPIRED });
  expect(waited.session!.answer).toBeUndefined();
  expect(timestampDate(waited.session!.endTime!).getTime()).toBeGreaterThanOrEqual(
    timestampDate(soon.expireTime!).getTime(),
  );

  const meanwhile = (await ask(1_000_000)).session!;
  await sessions.restart();
  const expired = await sessions.owner.waitSession({
    sessionId: meanwhile.id,
    untilEnded: true,
    wait: { seconds: 20n },
  });
  expect(expired.session!.state).toBe(Session_State.EXPIRED);

  const late = await sessions.service.submitReply(reply(soon.id, "in1", "yes"));
  expect(late.disposition).toBe(Reply_Disposition.LATE);
  expect(late.guidance).toContain("expired");
  const untaken = await sessions.owner.listSessions({ filter: { untakenOnly: true } });
  expect(untaken.sessions.map((each) => each.id)).toEqual([soon.id]);
  expect(untaken.sessions[0]!.state).toBe(Session_State.EXPIRED);
});

test("a declared default answer is what the deadline gives, marked as such", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({
    body: "Deploy?",
    interaction: confirmation,
    defaultAnswer: no,
    timeout: { nanos: 1_000_000 },
    wait: { seconds: 20n },
  });
  expect(session).toMatchObject({
    state: Session_State.EXPIRED,
    outcome: Session_Outcome.EXPIRED,
    answer: { channelId: "deadline", value: no },
  });
});

test("I2: an inbound message answers one session, whatever it is handed to later", async () => {
  await using sessions = await startSessionService();
  const ask = async (body: string) =>
    (await sessions.owner.createSession({ body, interaction: text, audience: chat })).session!;
  const [first, second] = [await ask("first?"), await ask("second?")];
  const taken = await sessions.service.submitReply(reply(first.id, "in1", "hello"));
  expect(taken.disposition).toBe(Reply_Disposition.ACCEPTED);
  const repeated = await sessions.service.submitReply(reply(second.id, "in1", "hello"));
  expect(repeated).toMatchObject({ disposition: Reply_Disposition.ACCEPTED, session: { id: first.id } });
  expect((await sessions.owner.getSession({ sessionId: second.id })).session!.state).toBe(Session_State.OPEN);
});

test("I18: a reply from a chat that a session was never sent to is not taken", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text, audience: chat });
  const refused = await sessions.service.submitReply(reply(session!.id, "in1", "hello", "c2"));
  expect(refused.disposition).toBe(Reply_Disposition.NOT_ALLOWED);
  expect((await sessions.owner.getSession({ sessionId: session!.id })).session).toEqual(session);
});

test("a reply that cannot be read is explained, kept, and leaves the session open", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({
    body: "?",
    interaction: confirmation,
    audience: chat,
  });
  const invalid = await sessions.service.submitReply(reply(session!.id, "in1", "yes, but only on Monday"));
  expect(invalid).toMatchObject({
    disposition: Reply_Disposition.INVALID,
    session: { state: Session_State.OPEN },
  });
  expect(invalid.guidance).toContain("1. Yes\n2. No");
  const valid = await sessions.service.submitReply(reply(session!.id, "in2", "１。"));
  expect(valid).toMatchObject({
    disposition: Reply_Disposition.ACCEPTED,
    session: { outcome: Session_Outcome.ANSWERED },
  });
});

test("an agent sees and changes what it asked itself, and nothing else", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.agent("a").createSession({ body: "?", interaction: text });
  const sessionId = session!.id;
  const other = sessions.agent("b");
  for (const call of [
    () => other.getSession({ sessionId }),
    () => other.cancelSession({ sessionId }),
    () => other.waitSession({ sessionId }),
    () => other.listEvents({ sessionId }),
    () => other.acknowledgeAnswer({ sessionId }),
  ]) {
    expect(reasonOf(await failure(call()))).toBe(ErrorReason.SESSION_NOT_FOUND);
  }
  expect((await other.listSessions({})).sessions).toEqual([]);
  expect((await other.listChanges({})).sessions).toEqual([]);
  expect((await sessions.agent("a").listSessions({})).sessions).toHaveLength(1);
  expect(reasonOf(await failure(other.answerSession({ sessionId, requestId: "r", value: yes })))).toBe(
    ErrorReason.ROLE_MISSING,
  );
  expect(reasonOf(await failure(sessions.owner.submitReply(reply(sessionId, "x", "y"))))).toBe(
    ErrorReason.ROLE_MISSING,
  );
});

test.each([
  ["no interaction", { body: "?" }, ErrorReason.INVALID_REQUEST],
  ["no kind of interaction", { body: "?", interaction: {} }, ErrorReason.INVALID_REQUEST],
  ["neither title nor body", { interaction: text }, ErrorReason.INVALID_REQUEST],
  [
    "a project that would break the tag",
    { body: "?", interaction: text, projectName: "a]b" },
    ErrorReason.INVALID_REQUEST,
  ],
  ["an endless body", { body: "x".repeat(50_001), interaction: text }, ErrorReason.INVALID_REQUEST],
  [
    "a negative timeout",
    { body: "?", interaction: text, timeout: { seconds: -1n } },
    ErrorReason.INVALID_REQUEST,
  ],
  [
    "a timeout and none",
    { body: "?", interaction: text, timeout: { seconds: 9n }, withoutDeadline: true },
    ErrorReason.INVALID_REQUEST,
  ],
  [
    "a timeout below the floor",
    { body: "?", interaction: text, timeout: { seconds: 1n } },
    ErrorReason.DEADLINE_BELOW_FLOOR,
  ],
  [
    "a timeout above the maximum",
    { body: "?", interaction: text, timeout: { seconds: 7201n } },
    ErrorReason.DEADLINE_ABOVE_MAXIMUM,
  ],
  [
    "no deadline where there is a maximum",
    { body: "?", interaction: text, withoutDeadline: true },
    ErrorReason.DEADLINE_ABOVE_MAXIMUM,
  ],
  [
    "an option twice",
    {
      body: "?",
      interaction: {
        kind: { case: "selection" as const, value: { options: [{ value: "a" }, { value: "a" }] } },
      },
    },
    ErrorReason.INVALID_REQUEST,
  ],
  [
    "a default that does not fit",
    { body: "?", interaction: text, defaultAnswer: yes },
    ErrorReason.ANSWER_INVALID,
  ],
  [
    "a picture that is none",
    { body: "?", interaction: text, attachments: [{ data: Buffer.from("GIF89a") }] },
    ErrorReason.INVALID_REQUEST,
  ],
])("a question with %s is refused, and nothing is stored", async (_, request, reason) => {
  await using sessions = await startSessionService({
    settings: { minTimeoutMs: 5_000, maxTimeoutMs: 7_200_000 },
  });
  const error = await failure(sessions.owner.createSession(request));
  expect(reasonOf(error)).toBe(reason);
  expect((error as ConnectError).rawMessage).not.toBe("");
  expect((await sessions.owner.listSessions({})).sessions).toEqual([]);
});

test("what is not there, or not open, has a reason of its own", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text });
  const sessionId = session!.id;
  expect(reasonOf(await failure(sessions.owner.getSession({ sessionId: unknownId })))).toBe(
    ErrorReason.SESSION_NOT_FOUND,
  );
  expect(reasonOf(await failure(sessions.owner.getSession({ sessionId: "x" })))).toBe(
    ErrorReason.INVALID_REQUEST,
  );
  expect(reasonOf(await failure(sessions.owner.listSessions({ pageToken: "x" })))).toBe(
    ErrorReason.PAGE_TOKEN_INVALID,
  );
  expect(reasonOf(await failure(sessions.owner.acknowledgeAnswer({ sessionId })))).toBe(
    ErrorReason.NO_ANSWER,
  );
  await sessions.owner.cancelSession({ sessionId, reason: "no longer needed" });
  expect((await sessions.owner.cancelSession({ sessionId })).session).toMatchObject({
    endReason: "no longer needed",
    version: 2n,
  });
  const expireTime = { seconds: BigInt(Math.floor(Date.now() / 1000) + 60), nanos: 0 };
  expect(reasonOf(await failure(sessions.owner.extendDeadline({ sessionId, expireTime })))).toBe(
    ErrorReason.SESSION_ENDED,
  );
  expect((await sessions.owner.expireSession({ sessionId })).session!.state).toBe(Session_State.CANCELLED);
  expect(reasonOf(await failure(sessions.owner.getAttachment({ sessionId, number: 1 })))).toBe(
    ErrorReason.SESSION_NOT_FOUND,
  );
});

test("lists are paged, newest first, and filtered", async () => {
  await using sessions = await startSessionService();
  for (const n of [1, 2, 3, 4, 5]) {
    await sessions.owner.createSession({
      body: `question ${n}`,
      interaction: n === 5 ? { kind: { case: "notice", value: {} } } : text,
      projectName: n % 2 ? "odd" : "even",
      correlationId: `run-${n}`,
      labels: { n: String(n) },
      audience: n === 2 ? chat : undefined,
    });
  }
  const bodies = async (filter: object) =>
    (await sessions.owner.listSessions({ filter })).sessions.map((each) => each.body.at(-1));
  const pages: string[] = [];
  let pageToken = "";
  do {
    const page = await sessions.owner.listSessions({ pageSize: 2, pageToken });
    pages.push(page.sessions.map((each) => each.body.at(-1)).join(""));
    pageToken = page.nextPageToken;
  } while (pageToken);
  expect(pages).toEqual(["54", "32", "1"]);
  expect(await bodies({ projectName: "odd" })).toEqual(["5", "3", "1"]);
  expect(await bodies({ correlationId: "run-4" })).toEqual(["4"]);
  expect(await bodies({ label: { key: "n", value: "3" } })).toEqual(["3"]);
  expect(
    await bodies({ chat: { channelId: "wecom-robot", chatId: "c1" }, states: [Session_State.OPEN] }),
  ).toEqual(["2"]);
  expect(await bodies({ withoutNotices: true })).toEqual(["4", "3", "2", "1"]);
  expect(await bodies({ states: [Session_State.ANSWERED, Session_State.EXPIRED] })).toEqual([]);
});

test("a watcher hears of every session from its cursor on, and a stale cursor is reset", async () => {
  await using sessions = await startSessionService();
  await sessions.owner.createSession({ body: "before", interaction: text });
  const { cursor } = await sessions.owner.listSessions({});
  const abort = new AbortController();
  const heard: string[] = [];
  const watching = (async () => {
    for await (const { message } of sessions.owner.watchSessions(
      { afterCursor: cursor },
      { signal: abort.signal },
    )) {
      if (message.case === "session")
        heard.push(
          `${message.value.body} ${Session_State[message.value.state as never] ?? message.value.state}`,
        );
      else heard.push(message.case ?? "");
    }
  })().catch(() => {}); // the abort ends it
  await vi.waitUntil(() => heard.includes("heartbeat"));
  const { session } = await sessions.owner.createSession({ body: "after", interaction: text });
  await vi.waitUntil(() => heard.length === 2);
  await sessions.owner.cancelSession({ sessionId: session!.id });
  await vi.waitUntil(() => heard.length === 3);
  abort.abort();
  await watching;
  expect(heard).toEqual(["heartbeat", "after 1", "after 4"]);
  const changes = await sessions.owner.listChanges({ afterCursor: cursor });
  expect(changes.sessions.map((each) => each.body)).toEqual(["after"]);
  expect((await sessions.owner.listChanges({ afterCursor: 10_000n })).reset).toBe(true);
});

test("delivery is asked once for each chat, told of the end, and nothing is delivered for the console alone", async () => {
  await using sessions = await startSessionService();
  await sessions.owner.createSession({ body: "console", interaction: text });
  const { session } = await sessions.owner.createSession({
    body: "chats",
    interaction: text,
    audience: { targets: [{ chatId: "c1" }, { chatId: "c2" }, { chatId: "c1" }] },
  });
  await vi.waitUntil(() => sessions.delivered.length === 2);
  expect(
    sessions.delivered.map((each) => [each.target!.channelId, each.target!.chatId, each.deliveryId]),
  ).toEqual([
    ["wecom-robot", "c1", `${session!.id}/1`],
    ["wecom-robot", "c2", `${session!.id}/2`],
  ]);
  await sessions.owner.cancelSession({ sessionId: session!.id });
  await vi.waitUntil(() => sessions.endedAtDelivery.includes(session!.id));
});

test("I5: a session whose every delivery failed ends as UNDELIVERABLE; one that is shown somewhere stays open", async () => {
  await using sessions = await startSessionService();
  const audience = { targets: [{ chatId: "c1" }, { chatId: "c2" }] };
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text, audience });
  const report = (n: number, state: DeliverySummary_State) =>
    sessions.service.reportDeliveries({
      reports: [
        {
          sessionId: session!.id,
          delivery: { deliveryId: `${session!.id}/${n}`, state, reason: "robot removed" },
        },
      ],
    });
  await report(1, DeliverySummary_State.FAILED);
  expect((await sessions.owner.getSession({ sessionId: session!.id })).session!.state).toBe(
    Session_State.OPEN,
  );
  await report(2, DeliverySummary_State.FAILED);
  expect((await sessions.owner.getSession({ sessionId: session!.id })).session).toMatchObject({
    state: Session_State.UNDELIVERABLE,
    endReason: "robot removed",
  });
});

test("a question that came like a notice takes plain replies only once its asker waits", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({
    body: "?",
    interaction: text,
    audience: { ...chat, replyMatching: ReplyMatching.QUOTED_UNTIL_WAITED },
  });
  const { session: waited } = await sessions.owner.waitSession({ sessionId: session!.id });
  expect(waited).toMatchObject({ version: 1n, audience: { replyMatching: ReplyMatching.PLAIN } });
});

test("the log of a session lists what happened, and an answer is offered until it is taken", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.owner.createSession({ body: "?", interaction: text, audience: chat });
  const sessionId = session!.id;
  await sessions.service.submitReply(reply(sessionId, "in1", ""));
  await sessions.service.submitReply(reply(sessionId, "in2", "done"));
  expect(
    (await sessions.owner.listSessions({ filter: { untakenOnly: true, mine: true } })).sessions,
  ).toHaveLength(1);
  const taken = await sessions.owner.acknowledgeAnswer({ sessionId });
  expect((await sessions.owner.acknowledgeAnswer({ sessionId })).session).toEqual(taken.session);
  expect((await sessions.owner.listSessions({ filter: { untakenOnly: true } })).sessions).toEqual([]);
  const { events } = await sessions.owner.listEvents({ sessionId });
  expect(events.map((each) => [each.type, each.version])).toEqual([
    [Event_Type.CREATED, 1n],
    [Event_Type.REPLY, 2n],
    [Event_Type.ANSWERED, 3n],
    [Event_Type.TAKEN, 4n],
  ]);
});

test("pictures are kept with their question and read back as they were", async () => {
  await using sessions = await startSessionService();
  const picture = png(20, 10);
  const { session } = await sessions.owner.createSession({
    body: "?",
    interaction: text,
    attachments: [{ name: "../../plan.png", data: picture }],
  });
  expect(session!.attachments[0]).toMatchObject({
    number: 1,
    name: ".._.._plan.png",
    mediaType: "image/png",
    sizeBytes: BigInt(picture.length),
  });
  const { data } = await sessions.owner.getAttachment({ sessionId: session!.id, number: 1 });
  expect(Buffer.from(data)).toEqual(picture);
});

test("an answer is stated in a receipt for whoever sees the session, and nothing else is", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions.agent("a").createSession({ body: "Deploy?", interaction: confirmation });
  const sessionId = session!.id;
  expect(reasonOf(await failure(sessions.agent("a").getReceipt({ sessionId })))).toBe(ErrorReason.NO_ANSWER);
  await sessions.owner.answerSession({ sessionId, requestId: "r", value: yes });
  const stated = await sessions.agent("a").getReceipt({ sessionId });
  expect(stated.receipt).toMatchObject({ sessionId, outcome: Session_Outcome.ANSWERED });
  expect(stated.jws.split(".")).toHaveLength(3);
  expect((await sessions.owner.getReceipt({ sessionId })).jws).toBe(stated.jws);
  expect(reasonOf(await failure(sessions.agent("b").getReceipt({ sessionId })))).toBe(
    ErrorReason.SESSION_NOT_FOUND,
  );
});

test("I11: who asked, extended and answered is listed, newest first; a deadline is the system's", async () => {
  await using sessions = await startSessionService();
  const ask = async () =>
    (await sessions.agent("a").createSession({ body: "Deploy?", interaction: text, audience: chat }))
      .session!;
  const answered = await ask();
  const expireTime = { seconds: BigInt(Math.floor(Date.now() / 1000) + 9_000), nanos: 0 };
  await sessions.owner.extendDeadline({ sessionId: answered.id, expireTime });
  await sessions.service.submitReply(reply(answered.id, "in1", "yes"));
  const expired = await ask();
  await sessions.owner.expireSession({ sessionId: expired.id });
  const { records } = await sessions.owner.listAuditRecords({});
  expect(records.map((each) => [each.action, each.principalId, each.resource])).toEqual([
    ["session.expired", "system", `session/${expired.id}`],
    ["session.created", "a", `session/${expired.id}`],
    ["session.answered", "wecom-robot:zhang", `session/${answered.id}`],
    ["session.extended", "owner", `session/${answered.id}`],
    ["session.created", "a", `session/${answered.id}`],
  ]);
  const filter = { resource: `session/${answered.id}`, action: "session.answered" };
  expect((await sessions.owner.listAuditRecords({ filter })).records).toHaveLength(1);
});

test("sessions are kept as long as their tenant lays down", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    await using sessions = await startSessionService({ now: new Date("2030-01-01T00:00:00Z") });
    sessions.tenants.set("short", { retention: { seconds: 3_600n } });
    const clients = ["short", "long"].map((tenantId) =>
      sessions.as({ tenantId, roles: [Role.ADMINISTRATOR] }),
    );
    for (const client of clients) {
      const { session } = await client.createSession({ body: "?", interaction: text });
      await client.cancelSession({ sessionId: session!.id });
      await client.createSession({ body: "open", interaction: text, withoutDeadline: true });
    }
    const kept = () =>
      Promise.all(
        clients.map(async (client) => (await client.listSessions({})).sessions.map((each) => each.body)),
      );
    sessions.clock.now = new Date("2030-01-01T02:00:00Z");
    vi.advanceTimersByTime(3_600_000);
    await vi.waitUntil(async () => (await kept())[0]!.length === 1);
    expect(await kept()).toEqual([["open"], ["open", "?"]]);
  } finally {
    vi.useRealTimers();
  }
});
