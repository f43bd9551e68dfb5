import { expect, test } from "vitest";
import { unnest } from "./unnest.ts";

test("rows become one array for each column, behind the placeholders that are given", () => {
  const rows = [
    { id: "a", size: 1 },
    { id: "b", size: null },
  ];
  expect(unnest<{ id: string; size: number | null }>(rows, { id: "text", size: "bigint" }, 2)).toEqual({
    from: "unnest($3::text[], $4::bigint[]) AS given (id, size)",
    columns: "id, size",
    values: [
      ["a", "b"],
      [1, null],
    ],
  });
});
