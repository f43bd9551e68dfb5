import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DeliverySummary_State,
  Reply_Disposition,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { askResult, isWorthTaking, pendingEntry } from "./results.ts";
import { askOutput, listPendingOutput } from "./tool-schemas.ts";

const time = timestampFromDate(new Date("2026-11-20T10:00:00Z"));
const session = (init: MessageInitShape<typeof SessionSchema>) =>
  create(SessionSchema, { id: "s1", body: "Deploy?", createTime: time, ...init });
const reply = { sender: { userId: "zhang", name: "Zhang San", alias: "zs" }, receiveTime: time };
const late = { ...reply, text: "sorry, yes", disposition: Reply_Disposition.LATE };

test("a reply is told in the four fields of the earlier client and marked as untrusted, with a zone in its time", () => {
  const answered = session({
    state: Session_State.ANSWERED,
    answer: { value: { kind: { case: "text", value: { text: "yes" } } } },
    replies: [{ ...reply, text: "yes", disposition: Reply_Disposition.ACCEPTED }],
  });
  expect(askResult(answered)).toEqual({
    status: "success",
    message: "The person answered.",
    session_id: "s1",
    replies: [
      {
        msg_type: "text",
        content: "yes",
        untrusted: true,
        from_user: { userid: "zhang", name: "Zhang San", alias: "zs" },
        timestamp: "2026-11-20T10:00:00.000+00:00",
      },
    ],
  });
  expect(isWorthTaking(answered)).toBe(true);
});

test("a click without words is told by its value, a note beside it", () => {
  const { replies } = askResult(
    session({
      state: Session_State.ANSWERED,
      answer: { value: { kind: { case: "confirmation", value: { value: "no" } } }, note: "not today" },
      replies: [
        {
          ...reply,
          value: { kind: { case: "confirmation", value: { value: "no" } } },
          disposition: Reply_Disposition.ACCEPTED,
        },
      ],
    }),
  );
  expect(replies).toMatchObject([{ content: "no", note: "not today" }]);
});

test("pictures make a reply an image, or mixed with words", () => {
  const withImages = (text: string) =>
    askResult(
      session({
        state: Session_State.ANSWERED,
        replies: [{ ...reply, text, imageUrls: ["https://i/1"], disposition: Reply_Disposition.ACCEPTED }],
      }),
    ).replies;
  expect(withImages("")).toMatchObject([{ msg_type: "image", image_urls: ["https://i/1"] }]);
  expect(withImages("this")).toMatchObject([{ msg_type: "mixed", content: "this" }]);
});

test("what could not be read as an answer is no reply", () => {
  const open = session({
    state: Session_State.OPEN,
    replies: [{ ...reply, text: "?", disposition: Reply_Disposition.INVALID }],
  });
  expect(askResult(open)).toMatchObject({ status: "waiting", replies: [] });
});

test("an open question names the next call, and why people may not have seen it", () => {
  const open = session({
    state: Session_State.OPEN,
    deliveries: [
      {
        target: { chatId: "wrk1" },
        state: DeliverySummary_State.SUPPRESSED,
        reason: "the channel is not set up",
      },
    ],
  });
  expect(askResult(open)).toMatchObject({
    status: "waiting",
    message:
      "It was not sent to chat wrk1: the channel is not set up. No reply yet; the question stays open.",
    next: "call wait_for_reply with session_id s1 to go on waiting",
  });
  expect(isWorthTaking(open)).toBe(false);
});

test("an expired question is a timeout, and a late reply is marked", () => {
  expect(askResult(session({ state: Session_State.EXPIRED }))).toMatchObject({
    status: "timeout",
    replies: [],
  });
  const answeredLate = session({ state: Session_State.EXPIRED, replies: [late] });
  expect(askResult(answeredLate)).toMatchObject({
    status: "timeout",
    replies: [{ content: "sorry, yes", late: true }],
  });
  expect(isWorthTaking(answeredLate)).toBe(true);
});

test("a question that was taken back or reached nobody is an error that says why", () => {
  const cancelled = session({ state: Session_State.CANCELLED, endReason: "not needed." });
  expect(askResult(cancelled)).toMatchObject({
    status: "error",
    message: "The question was taken back: not needed.",
  });
  const undeliverable = session({ state: Session_State.UNDELIVERABLE, endReason: "no such chat" });
  expect(askResult(undeliverable).message).toBe("The question could not be shown to anybody: no such chat.");
});

test("every result keeps its own schema", () => {
  const expired = session({ state: Session_State.EXPIRED, replies: [late] });
  expect(askOutput.parse(askResult(expired))).toEqual(askResult(expired));
  const list = {
    status: "success" as const,
    message: "",
    pending: [pendingEntry(session({ body: "x".repeat(300) }))],
  };
  expect(listPendingOutput.parse(list)).toEqual(list);
  expect(list.pending[0]!.message).toHaveLength(201);
});
