import { servicePrincipal } from "@hil/platform/auth/principal.ts";
import { expect, test } from "vitest";
import { Drains } from "./drains.ts";
import { OpenRequests } from "./open-requests.ts";

test("I7: a gateway that goes ends its own calls, and those that it still hands on, and nobody else's", () => {
  const drains = new Drains();
  const [mine, theirs, direct] = [drains.of("one"), drains.of("other"), drains.of(undefined)];
  drains.endOf("one");
  expect([mine, theirs, direct].map(({ signal }) => signal.aborted)).toEqual([true, false, false]);
  mine.release();
  expect(drains.of("one").signal.aborted).toBe(true);
  drains.endAll();
  expect([theirs, direct, drains.of("third")].map(({ signal }) => signal.aborted)).toEqual([
    true,
    true,
    true,
  ]);
});

test("a gateway is forgotten with its last call, and known again with its next", () => {
  const drains = new Drains();
  const [first, second] = [drains.of("one"), drains.of("one")];
  first.release();
  expect(drains.of("one").signal).toBe(second.signal);
});

test("a principal has so many requests under way and no more, one of another tenant has its own", () => {
  const open = new OpenRequests(2);
  const [red, blue] = [servicePrincipal("agent", "red"), servicePrincipal("agent", "blue")];
  const leave = open.enter(red)!;
  expect(open.enter(red)).toBeDefined();
  expect(open.enter(red)).toBeUndefined();
  expect(open.enter(blue)).toBeDefined();
  leave();
  expect(open.enter(red)).toBeDefined();
});
