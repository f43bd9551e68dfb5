import { expect, test } from "vitest";
import { newLinkCode, readLinkCode } from "./link-code.ts";

test("a code is read as people type it: case, blanks, look-alikes and full-width letters", () => {
  expect(readLinkCode(" a1b0-c2d3 ")).toBe("A1B0C2D3");
  expect(readLinkCode("AIBOC2D3")).toBe("A1B0C2D3");
  expect(readLinkCode("Ａ１Ｂ０Ｃ２Ｄ３")).toBe("A1B0C2D3");
  for (let each = 0; each < 200; each++) {
    const code = newLinkCode();
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{8}$/);
    expect(readLinkCode(code.toLowerCase())).toBe(code);
  }
});

test("what cannot be a code is none", () => {
  for (const typed of ["", "A1B0C2D", "A1B0C2D34", "A1B0C2DU", "A1B0C2D!", "link A1B0C2D3"])
    expect(readLinkCode(typed)).toBeUndefined();
});
