import fc from "fast-check";
import { expect, test } from "vitest";
import { fit, oneLine, printable, tableLines, widthOf } from "./table.ts";

test("a Chinese character is as wide as two Latin ones", () => {
  expect(widthOf("部署 v2")).toBe(7);
  expect(fit("部署到生产环境", 8)).toBe("部署到…");
});

test("no text that is cut is wider than what it was cut to", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      expect(widthOf(fit(text, columns))).toBeLessThanOrEqual(columns);
    }),
  );
});

test("only the flexible column gives way, and columns stay under each other", () => {
  const lines = tableLines(
    [
      ["id", "question", "when"],
      ["abc12345", "A very long question that does not fit", "now"],
    ],
    { columns: 40, flexible: 1 },
  );
  expect(lines).toEqual([
    "id        question                  when",
    "abc12345  A very long question th…  now",
  ]);
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(40);
});

test("what agents wrote cannot move the cursor, colour the terminal or turn the text around", () => {
  expect(printable("a\u001b[31mb\u009b2Jc\u202ed\r\ne\u0007")).toBe("a[31mb2Jcd\ne");
  expect(oneLine(" a\n\tb\u0000 ")).toBe("a b");
});
