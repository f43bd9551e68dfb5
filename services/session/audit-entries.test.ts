import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  AnswerValueSchema,
  DeliverySummary_State,
  DeliverySummarySchema,
  ReplyMatching,
  ResponderSchema,
  type Session,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { auditEntryOf } from "./audit-entries.ts";
import {
  acknowledgeAnswer,
  answerSession,
  beginWaiting,
  cancelSession,
  expireSession,
  extendDeadline,
  questionDigest,
  reportDelivery,
  submitReply,
} from "./session.ts";

const start = new Date("2026-11-20T10:00:00Z");
const deadline = new Date("2026-11-20T10:20:00Z");
const now = new Date("2026-11-20T10:05:00Z");

function openSession(sensitive = false): Session {
  return create(SessionSchema, {
    id: "s1",
    tenantId: "acme",
    title: "canary-title",
    body: "canary-body",
    context: [{ key: "canary-key", value: "canary-value" }],
    interaction: {
      kind: {
        case: "confirmation",
        value: { options: [{ value: "yes" }, { value: "canary-no", refuses: true }] },
      },
    },
    defaultAnswer: { kind: { case: "confirmation", value: { value: "canary-no" } } },
    audience: {
      targets: [{ channelId: "robot", chatId: "c1" }],
      replyMatching: ReplyMatching.QUOTED_UNTIL_WAITED,
    },
    deliveries: [{ deliveryId: "d1", state: DeliverySummary_State.PENDING }],
    state: 1,
    version: 1n,
    createTime: timestampFromDate(start),
    updateTime: timestampFromDate(start),
    expireTime: timestampFromDate(deadline),
    sensitive,
  });
}

const submission = {
  id: "in1",
  channelId: "robot",
  chat: { chatId: "c1", chatType: 1 as const },
  sender: create(ResponderSchema, { userId: "zhang", name: "canary-name", memberId: "m1" }),
  text: "canary-text",
  imageUrls: [],
  receivedAt: now,
  vendorMessage: "canary-vendor",
};
const value = create(AnswerValueSchema, { kind: { case: "confirmation", value: { value: "canary-no" } } });
const answer = (session: Session) =>
  answerSession(session, { submission, value, note: "canary-note", now }).session;
const report = (state: DeliverySummary_State) => (session: Session) =>
  reportDelivery(
    session,
    create(DeliverySummarySchema, { deliveryId: "d1", state, reason: "canary-reason" }),
    now,
  )!.session;

test.each<[string, string, (session: Session) => Session]>([
  ["session.answered", "key:a", answer],
  ["session.expired", "system", (session) => expireSession(session, now)!],
  ["session.cancelled", "key:a", (session) => cancelSession(session, "canary-why", now)!],
  ["session.undeliverable", "key:a", report(DeliverySummary_State.FAILED)],
  ["session.extended", "key:a", (session) => extendDeadline(session, new Date("2026-11-20T11:00:00Z"), now)!],
])("I11: %s has a record, by %s, before and after, without a word of the session", (action, by, change) => {
  const before = openSession();
  const entry = auditEntryOf(before, change(before), "key:a")!;
  expect(entry).toMatchObject({
    tenantId: "acme",
    principalId: by,
    action,
    resource: "session/s1",
    before: { state: "OPEN", version: 1 },
    after: { version: 2 },
    time: now,
  });
  expect(JSON.stringify(entry)).not.toContain("canary");
});

test("I11: a new session has a record with the digest of its question and its deadline", () => {
  const session = openSession();
  const entry = auditEntryOf(undefined, session, "key:a")!;
  expect(entry).toEqual({
    tenantId: "acme",
    principalId: "key:a",
    action: "session.created",
    resource: "session/s1",
    after: {
      state: "OPEN",
      version: 1,
      expire_time: deadline.toISOString(),
      question_digest: questionDigest(session),
    },
    time: start,
  });
});

test("I11: an answer's record says who answered where, with the digests of question and answer", () => {
  const before = openSession();
  expect(auditEntryOf(before, answer(before), "service:deployment")!.after).toEqual({
    state: "ANSWERED",
    version: 2,
    outcome: "REJECTED",
    answer: {
      channel_id: "robot",
      inbound_id: "in1",
      responder: { principal_id: "", member_id: "m1", user_id: "zhang" },
      answer_digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      question_digest: questionDigest(before),
    },
  });
  const other = create(AnswerValueSchema, { kind: { case: "confirmation", value: { value: "yes" } } });
  const digestOf = (given: typeof value) =>
    (
      auditEntryOf(before, answerSession(before, { submission, value: given, note: "", now }).session, "a")!
        .after as { answer: { answer_digest: string } }
    ).answer.answer_digest;
  expect(digestOf(other)).not.toBe(digestOf(value));
});

test("a moved deadline is recorded with both deadlines, and taking it away as well", () => {
  const before = openSession();
  const later = new Date("2026-11-20T11:00:00Z");
  expect(auditEntryOf(before, extendDeadline(before, later, now)!, "a")).toMatchObject({
    before: { expire_time: deadline.toISOString() },
    after: { expire_time: later.toISOString() },
  });
  expect(auditEntryOf(before, { ...before, expireTime: undefined }, "a")).toMatchObject({
    action: "session.extended",
    after: { expire_time: null },
  });
});

test("no record of a sensitive session has a digest that a short text could be found from", () => {
  const before = openSession(true);
  const changes = [answer, (each: Session) => expireSession(each, now)!].map((change) =>
    auditEntryOf(before, change(before), "a"),
  );
  for (const entry of [auditEntryOf(undefined, before, "a"), ...changes]) {
    expect(JSON.stringify(entry)).not.toMatch(/[0-9a-f]{64}|digest/);
  }
});

test("what does not decide anything has no record", () => {
  const before = openSession();
  const ended = answer(before);
  const unreadable = submitReply(before, { ...submission, text: "what?" }, now).session!;
  for (const [from, to] of [
    [before, unreadable],
    [before, report(DeliverySummary_State.SENT)(before)],
    [before, beginWaiting(before)],
    [ended, acknowledgeAnswer(ended, now)],
    [ended, submitReply(ended, { ...submission, id: "in2" }, now).session],
  ] as const) {
    expect(to).toBeDefined();
    expect(auditEntryOf(from, to!, "a")).toBeUndefined();
  }
});
