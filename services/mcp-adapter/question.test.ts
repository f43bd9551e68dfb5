import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { expect, test } from "vitest";
import { FREE_TEXT } from "./interactions.ts";
import { digestOf, isToJoin, mintRequestId, type Question, requestFor } from "./question.ts";

const now = new Date("2026-11-20T10:00:00Z");
const question: Question = {
  message: "Deploy?",
  interaction: FREE_TEXT,
  chatId: "wrk1",
  projectName: "shop",
  images: [],
  mentions: [],
  timeoutS: undefined,
  clientName: "claude-code",
};

test("a question is the same by its words, chat, project, pictures and working folder, not by its deadline", () => {
  const digest = digestOf(question, "/a");
  expect(digestOf({ ...question, timeoutS: 60, clientName: "cursor" }, "/a")).toBe(digest);
  const others = [
    digestOf({ ...question, message: "Ship?" }, "/a"),
    digestOf({ ...question, chatId: "wrk2" }, "/a"),
    digestOf({ ...question, projectName: "blog" }, "/a"),
    digestOf({ ...question, images: [{ name: "p.png", data: new Uint8Array([1]) }] }, "/a"),
    digestOf({ ...question, interaction: { kind: { case: "confirmation", value: {} } } }, "/a"),
    digestOf(question, "/b"),
  ];
  expect(new Set([digest, ...others]).size).toBe(7);
});

test("a repeated question joins one that is open, or was answered just now and not taken, and no other", () => {
  const minutesAgo = (minutes: number) => timestampFromDate(new Date(now.getTime() - minutes * 60_000));
  const joins = (session: MessageInitShape<typeof SessionSchema>) =>
    isToJoin(create(SessionSchema, session), now);
  expect(joins({ state: Session_State.OPEN })).toBe(true);
  expect(joins({ state: Session_State.ANSWERED, endTime: minutesAgo(9) })).toBe(true);
  expect(joins({ state: Session_State.ANSWERED, endTime: minutesAgo(11) })).toBe(false);
  expect(joins({ state: Session_State.ANSWERED, endTime: minutesAgo(1), takenTime: minutesAgo(1) })).toBe(
    false,
  );
  expect(joins({ state: Session_State.EXPIRED, endTime: minutesAgo(1) })).toBe(false);
  expect(joins({ state: Session_State.CANCELLED, endTime: minutesAgo(1) })).toBe(false);
});

test("two calls make up the same request_id, and another once the ask before is over", () => {
  const digest = digestOf(question, "/a");
  const over = create(SessionSchema, { id: "018f0000-0000-7000-8000-000000000000" });
  expect(mintRequestId(digest, undefined, now)).toBe(mintRequestId(digest, undefined, now));
  expect(mintRequestId(digest, over, now)).not.toBe(mintRequestId(digest, undefined, now));
  expect(mintRequestId(digest, over, now).length).toBeLessThanOrEqual(200);
});

const request = (change: Partial<Question>) =>
  create(CreateSessionRequestSchema, requestFor({ ...question, ...change }, { requestId: "r" }));

test("0 seconds ask for ever, none leave the deadline to the server", () => {
  const [forEver, unsaid] = [request({ timeoutS: 0 }), request({ timeoutS: undefined })];
  expect([forEver.withoutDeadline, forEver.timeout]).toEqual([true, undefined]);
  expect([unsaid.withoutDeadline, unsaid.timeout]).toEqual([false, undefined]);
  expect(request({ timeoutS: 90 }).timeout!.seconds).toBe(90n);
});

test("a project name is made to fit the tag", () => {
  expect(request({ projectName: "a]b\nc" }).projectName).toBe("a)b c");
  expect(request({ projectName: "x".repeat(200) }).projectName).toHaveLength(100);
});

test("without a chat the console alone is asked", () => {
  expect(request({ chatId: "" }).audience).toBeUndefined();
});
