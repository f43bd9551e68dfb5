import { expect, test } from "vitest";
import { allOf, pages } from "./paging.ts";

/** A list of so many numbers that gives at most three on a page. */
function listOf(count: number) {
  const asked: { pageSize: number; pageToken: string }[] = [];
  const load = async (request: { pageSize: number; pageToken: string }) => {
    asked.push(request);
    const from = Number(request.pageToken || 0);
    const to = Math.min(count, from + Math.min(3, request.pageSize));
    const items = Array.from({ length: to - from }, (_, at) => from + at);
    return { items, nextPageToken: to < count ? String(to) : "" };
  };
  return { asked, load };
}

test("every page is read, in order", async () => {
  const { load } = listOf(7);
  expect(await allOf(pages(load))).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("no more is asked for than is wanted", async () => {
  const { asked, load } = listOf(100);
  expect(await allOf(pages(load, 4))).toEqual([0, 1, 2, 3]);
  expect(asked.map(({ pageSize }) => pageSize)).toEqual([4, 1]);
});

test("an empty list is one page", async () => {
  const { asked, load } = listOf(0);
  expect(await allOf(pages(load))).toEqual([]);
  expect(asked).toHaveLength(1);
});
