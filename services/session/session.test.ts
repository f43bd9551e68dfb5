import { create, toBinary } from "@bufbuild/protobuf";
import {
  AnswerValueSchema,
  DeliverySummary_State,
  DeliverySummarySchema,
  Reply_Disposition,
  ResponderSchema,
  type Session,
  Session_Outcome,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  acknowledgeAnswer,
  answerSession,
  cancelSession,
  expireSession,
  extendDeadline,
  isEnded,
  isUntaken,
  reportDelivery,
  submitReply,
} from "./session.ts";

const chats = ["c1", "c2"];
const start = new Date("2026-11-20T10:00:00Z");

function openSession(): Session {
  return create(SessionSchema, {
    id: "018f0000-0000-7000-8000-000000000001",
    shortId: "abcd1234",
    tenantId: "t1",
    body: "Deploy?",
    interaction: {
      kind: { case: "confirmation", value: { options: [{ value: "yes" }, { value: "no", refuses: true }] } },
    },
    audience: { targets: chats.map((chatId) => ({ channelId: "robot", chatId })) },
    deliveries: chats.map((_, index) => ({ deliveryId: `d${index}`, state: DeliverySummary_State.PENDING })),
    state: Session_State.OPEN,
    version: 1n,
  });
}

type Step =
  | { do: "answer"; id: string; value: "yes" | "no" }
  | { do: "reply"; id: string; text: string; chatId: string }
  | { do: "expire" }
  | { do: "cancel" }
  | { do: "extend" }
  | { do: "take" }
  | { do: "report"; index: number; state: DeliverySummary_State };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("answer" as const),
    id: fc.constantFrom("r1", "r2", "r3"),
    value: fc.constantFrom("yes" as const, "no" as const),
  }),
  fc.record({
    do: fc.constant("reply" as const),
    id: fc.uuid(),
    text: fc.oneof(fc.constantFrom("yes", "否", "2", "", "maybe"), fc.string()),
    chatId: fc.constantFrom("c1", "c2", "c3"),
  }),
  fc.constantFrom<Step>({ do: "expire" }, { do: "cancel" }, { do: "extend" }, { do: "take" }),
  fc.record({
    do: fc.constant("report" as const),
    index: fc.integer({ min: 0, max: 2 }),
    state: fc.constantFrom(
      DeliverySummary_State.SENT,
      DeliverySummary_State.FAILED,
      DeliverySummary_State.SUPPRESSED,
    ),
  }),
);

/** The session after a step, and what became of a reply. */
function apply(session: Session, each: Step, now: Date): { next: Session; disposition?: Reply_Disposition } {
  const submission = (id: string, text: string, chatId?: string) => ({
    id,
    channelId: "robot",
    chat: chatId === undefined ? undefined : { chatId, chatType: 1 as const },
    sender: create(ResponderSchema, { userId: "u1" }),
    text,
    imageUrls: [],
    receivedAt: now,
    vendorMessage: "",
  });
  switch (each.do) {
    case "answer": {
      const value = create(AnswerValueSchema, {
        kind: { case: "confirmation", value: { value: each.value } },
      });
      return {
        next: answerSession(session, { submission: submission(each.id, ""), value, note: "", now }).session,
      };
    }
    case "reply": {
      const outcome = submitReply(session, submission(each.id, each.text, each.chatId), now);
      return { next: outcome.session ?? session, disposition: outcome.disposition };
    }
    case "expire":
      return { next: expireSession(session, now) ?? session };
    case "cancel":
      return { next: cancelSession(session, "", now) ?? session };
    case "extend":
      return { next: extendDeadline(session, new Date(now.getTime() + 60_000), now) ?? session };
    case "take":
      return { next: (isUntaken(session) && acknowledgeAnswer(session, now)) || session };
    case "report": {
      const report = create(DeliverySummarySchema, { deliveryId: `d${each.index}`, state: each.state });
      return { next: reportDelivery(session, report, now)?.session ?? session };
    }
  }
}

const frozen = (session: Session) => toBinary(SessionSchema, session);

test("I3, S1, S2: whatever happens in whatever order, a session ends once and its end never changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let session = openSession();
      let end: unknown;
      for (const [index, each] of steps.entries()) {
        const before = frozen(session);
        const { next } = apply(session, each, new Date(start.getTime() + index * 1000));
        expect(frozen(session)).toEqual(before); // S3
        if (next !== session) expect(next.version).toBe(session.version + 1n);
        session = next;
        const { state, outcome, answer, endTime, endReason } = session;
        if (end) expect({ state, outcome, answer, endTime, endReason }).toEqual(end);
        else if (isEnded(session)) end = { state, outcome, answer, endTime, endReason };
        else
          expect({ outcome, endTime, answer }).toEqual({ outcome: 0, endTime: undefined, answer: undefined });
      }
      expect((session.state === Session_State.ANSWERED) === (session.answer !== undefined)).toBe(true);
      const accepted = session.replies.filter((each) => each.disposition === Reply_Disposition.ACCEPTED);
      expect(accepted.length).toBe(session.state === Session_State.ANSWERED ? 1 : 0);
    }),
    { numRuns: 2_000 },
  );
});

test("I1, I18: every reply of a chat that was asked is kept, as accepted, late or invalid; one of another chat never", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let session = openSession();
      const kept: string[] = [];
      for (const [index, each] of steps.entries()) {
        const wasEnded = isEnded(session);
        const { next, disposition } = apply(session, each, new Date(start.getTime() + index * 1000));
        session = next;
        if (each.do !== "reply") continue;
        if (!chats.includes(each.chatId)) {
          expect(disposition).toBe(Reply_Disposition.NOT_ALLOWED);
        } else {
          kept.push(each.id);
          expect(disposition === Reply_Disposition.LATE).toBe(wasEnded);
        }
      }
      const ids = session.replies.filter((each) => each.chatId !== "").map((each) => each.id);
      expect(ids).toEqual(kept);
    }),
    { numRuns: 2_000 },
  );
});

test("I5: a session is undeliverable only when every delivery has failed", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let session = openSession();
      for (const [index, each] of steps.entries())
        session = apply(session, each, new Date(start.getTime() + index)).next;
      if (session.state !== Session_State.UNDELIVERABLE) return;
      expect(session.deliveries.every((each) => each.state === DeliverySummary_State.FAILED)).toBe(true);
      expect(session.outcome).toBe(Session_Outcome.UNDELIVERABLE);
    }),
    { numRuns: 2_000 },
  );
});

test("a session keeps its last hundred replies, and always the one that ended it", () => {
  let session = openSession();
  for (let n = 0; n < 250; n++) {
    session = apply(
      session,
      { do: "reply", id: `in${n}`, text: n === 3 ? "yes" : "?", chatId: "c1" },
      start,
    ).next;
  }
  expect(session.replies).toHaveLength(100);
  expect(session.replies[0]).toMatchObject({ id: "in3", disposition: Reply_Disposition.ACCEPTED });
  expect(session.replies.at(-1)!.id).toBe("in249");
});

test("time on a session never goes back, even where the clock does", () => {
  const first = extendDeadline(openSession(), new Date(start.getTime() + 60_000), start)!;
  const second = extendDeadline(
    first,
    new Date(start.getTime() + 90_000),
    new Date(start.getTime() - 5_000),
  )!;
  expect(second.updateTime).toEqual(first.updateTime);
});
