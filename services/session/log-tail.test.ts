import { expect, test } from "vitest";
import { LogTail } from "./log-tail.ts";

const append = (tail: LogTail<{ cursor: number }>, ...cursors: number[]) => {
  for (const cursor of cursors) tail.stage({ cursor });
  tail.commit();
};
const cursors = (entries: readonly { cursor: number }[] | undefined) => entries?.map(({ cursor }) => cursor);

test("the tail gives what is after a cursor, and nothing where it does not reach back", () => {
  const tail = new LogTail(7, 100);
  expect(tail.end).toBe(7);
  append(tail, 8, 10, 11);
  expect(tail.end).toBe(11);
  expect(cursors(tail.after(6))).toBeUndefined();
  expect(cursors(tail.after(7))).toEqual([8, 10, 11]);
  expect(cursors(tail.after(9))).toEqual([10, 11]);
  expect(cursors(tail.after(11))).toEqual([]);
});

test("what is staged is not in it until it is committed, and never once it is rolled back", () => {
  const tail = new LogTail(0, 100);
  tail.stage({ cursor: 1 });
  expect(tail.after(0)).toEqual([]);
  tail.rollback();
  append(tail, 1, 2);
  expect(cursors(tail.after(0))).toEqual([1, 2]);
});

test("it stays short, and knows what it dropped", () => {
  const tail = new LogTail(0, 10);
  for (let cursor = 1; cursor <= 1_000; cursor++) {
    append(tail, cursor);
    expect(tail.after(Math.max(cursor - 10, 0))).toBeDefined();
  }
  expect(tail.after(0)).toBeUndefined();
  expect(tail.after(978)).toBeUndefined();
  expect(tail.after(990)).toHaveLength(10);
  tail.clear(1_000);
  expect(tail.after(999)).toBeUndefined();
  expect(tail.after(1_000)).toEqual([]);
});
