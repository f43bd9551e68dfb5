import { expect, test } from "vitest";
import { pageOf, returnPath, sessionPath } from "./page.ts";

test.each([
  ["/", "inbox"],
  ["/inbox/", "inbox"],
  ["/s/01936f5e", "session"],
  ["/s/01936f5e/more", "unknown"],
  ["/settings", "settings"],
  ["/login", "sign-in"],
  ["/elsewhere", "unknown"],
])("%s shows %s", (path, kind) => expect(pageOf(path).kind).toBe(kind));

test("a session's address keeps the list's filters", () => {
  expect(sessionPath("a", "")).toBe("/s/a");
  expect(sessionPath("a", "q=x")).toBe("/s/a?q=x");
});

test.each([
  ["next=%2Fs%2F1%3Fq%3Da", "/s/1?q=a"],
  ["next=%2Fsettings", "/settings"],
  ["", "/inbox"],
  ["next=https%3A%2F%2Fevil.example", "/inbox"],
  ["next=%2F%2Fevil.example%2Finbox", "/inbox"],
  ["next=%2Fs%2F%5C..%5Cevil", "/inbox"],
  ["next=%2Flogin", "/inbox"],
])("after signing in, ?%s leads to %s", (search, path) => expect(returnPath(search)).toBe(path));
