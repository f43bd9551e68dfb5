import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { changed, openSession } from "../testing/sessions.ts";
import { createSessionList, LEAVING_MS } from "./session-list.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const ids = (list: ReturnType<typeof createSessionList>) => [...list.sessions.value.keys()];

test("K1: an older state never replaces a newer one, however late it arrives", () => {
  const list = createSessionList();
  const first = openSession(1);
  const second = changed(first, { title: "Changed?" });
  expect(list.apply(second)).toBe(true);
  expect(list.apply(first)).toBe(false);
  list.replace([first]);
  expect(list.sessions.value.get(first.id)?.title).toBe("Changed?");
});

test("K1: a list that was read before an end does not bring the ended session back", () => {
  const list = createSessionList();
  const session = openSession(1);
  list.apply(session);
  list.apply(changed(session, { state: Session_State.ANSWERED }));
  vi.advanceTimersByTime(LEAVING_MS);
  list.replace([session]);
  expect(ids(list)).toEqual([]);
});

test("K2: a session that ends stays for a while, then leaves", () => {
  const list = createSessionList();
  const session = openSession(1);
  list.apply(session);
  list.apply(changed(session, { state: Session_State.ANSWERED }));
  vi.advanceTimersByTime(LEAVING_MS - 1);
  expect(ids(list)).toEqual([session.id]);
  vi.advanceTimersByTime(1);
  expect(ids(list)).toEqual([]);
});

test("a session that is not known and has ended does not enter the list, but listeners hear of it", () => {
  const list = createSessionList();
  const heard: string[] = [];
  list.onChange((session) => heard.push(session.id));
  const ended = openSession(1, { state: Session_State.CANCELLED });
  list.apply(ended);
  expect(ids(list)).toEqual([]);
  expect(heard).toEqual([ended.id]);
});

test("a new list takes away what waits no more", () => {
  const list = createSessionList();
  list.replace([openSession(1), openSession(2)]);
  list.replace([openSession(2), openSession(3)]);
  expect(ids(list)).toEqual([openSession(2).id, openSession(3).id]);
});
