import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { ASKED_MS, changed, openSession } from "../testing/sessions.ts";
import { arrangeInbox, countSoon, nextWaiting, titleOf } from "./inbox-order.ts";

const ALL = { query: "", project: undefined };
const MINUTE = 60_000;
const numbers = (sessions: readonly { shortId: string }[]) => sessions.map(({ shortId }) => Number(shortId));

test("the soonest deadline comes first, then the oldest, and no deadline last", () => {
  const inbox = arrangeInbox(
    [
      openSession(1),
      openSession(2, { expiresInMs: 30 * MINUTE }),
      openSession(3, { expiresInMs: 10 * MINUTE }),
      openSession(4, { expiresInMs: 30 * MINUTE }),
      openSession(5, { expiresInMs: 2 * MINUTE }),
    ],
    ALL,
    ASKED_MS,
  );
  expect(numbers(inbox.soon)).toEqual([5]);
  expect(numbers(inbox.later)).toEqual([3, 2, 4, 1]);
});

test("a question moves on top when fewer than five minutes are left", () => {
  const session = openSession(1, { expiresInMs: 6 * MINUTE });
  expect(countSoon([session], ASKED_MS)).toBe(0);
  expect(countSoon([session], ASKED_MS + MINUTE + 1)).toBe(1);
});

test("notices stand apart, newest first, and are never counted as waiting", () => {
  const notice = { interaction: { kind: { case: "notice", value: {} } } } as const;
  const inbox = arrangeInbox([openSession(1, notice), openSession(2), openSession(3, notice)], ALL, ASKED_MS);
  expect(numbers(inbox.notices)).toEqual([3, 1]);
  expect(inbox.waiting).toBe(1);
});

test("one that has just ended keeps its place and is not counted", () => {
  const ended = changed(openSession(1, { expiresInMs: 10 * MINUTE }), { state: Session_State.ANSWERED });
  const inbox = arrangeInbox([openSession(2), ended], ALL, ASKED_MS);
  expect(numbers(inbox.later)).toEqual([1, 2]);
  expect(inbox.waiting).toBe(1);
  expect(nextWaiting([ended, openSession(2)], "")?.shortId).toBe("00000002");
});

test("every word of a search must occur somewhere: title, body, project, asker or #id", () => {
  const sessions = [
    openSession(1, { projectName: "billing", body: "Invoice layout" }),
    openSession(2, { projectName: "billing", asker: { clientName: "claude-code" } }),
  ];
  const found = (query: string) =>
    numbers(arrangeInbox(sessions, { query, project: undefined }, ASKED_MS).later);
  expect(found("INVOICE billing")).toEqual([1]);
  expect(found("claude")).toEqual([2]);
  expect(found("#00000002")).toEqual([2]);
  expect(found("invoice claude")).toEqual([]);
});

test("a project's filter shows only that project, and the empty name is a project too", () => {
  const sessions = [openSession(1, { projectName: "billing" }), openSession(2)];
  const shown = (project: string) => numbers(arrangeInbox(sessions, { query: "", project }, ASKED_MS).later);
  expect(shown("billing")).toEqual([1]);
  expect(shown("")).toEqual([2]);
});

test("without a title the first line of the body serves, without its Markdown signs", () => {
  expect(titleOf(openSession(1, { title: "", body: "\n## Deploy?\nmore" }))).toBe("Deploy?");
});
