import { expect, test } from "vitest";
import { type Key, shortcutOf } from "./shortcuts.ts";

function press(key: string, more: Partial<Key> = {}, state: { typing?: boolean; singleKeys?: boolean } = {}) {
  const event: Key = {
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    isComposing: false,
    defaultPrevented: false,
    ...more,
  };
  return shortcutOf(event, { typing: false, singleKeys: true, ...state })?.kind;
}

test.each([
  ["j", "next"],
  ["K", "previous"],
  ["?", "help"],
  ["/", "search"],
  ["n", "note"],
  ["Escape", "back"],
  ["1", "pick"],
  ["9", "pick"],
  ["0", undefined],
  ["x", undefined],
])("%s means %s", (key, kind) => expect(press(key)).toBe(kind));

test("no key sends without Ctrl or Cmd", () => {
  const keys = [..."abcdefghijklmnopqrstuvwxyz0123456789?/ ", "Enter", "Escape", "Tab"];
  expect(keys.filter((key) => press(key) === "send")).toEqual([]);
  expect(press("Enter", { ctrlKey: true })).toBe("send");
  expect(press("Enter", { metaKey: true })).toBe("send");
});

test("while typing only sending acts, and during input of Chinese nothing does", () => {
  for (const key of ["j", "?", "/", "1", "n", "Escape"])
    expect(press(key, {}, { typing: true })).toBeUndefined();
  expect(press("Enter", { ctrlKey: true }, { typing: true })).toBe("send");
  expect(press("Enter", { ctrlKey: true, isComposing: true })).toBeUndefined();
  expect(press("j", { isComposing: true })).toBeUndefined();
});

test("keys of the browser and the system are left alone", () => {
  for (const modifier of ["ctrlKey", "metaKey", "altKey"])
    expect(press("j", { [modifier]: true })).toBeUndefined();
});

test("switched off, single keys do nothing; Escape and sending still do", () => {
  const off = { singleKeys: false };
  for (const key of ["j", "k", "?", "/", "1", "n"]) expect(press(key, {}, off)).toBeUndefined();
  expect(press("Escape", {}, off)).toBe("back");
  expect(press("Enter", { ctrlKey: true }, off)).toBe("send");
});
