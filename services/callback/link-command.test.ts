import fc from "fast-check";
import { expect, test } from "vitest";
import { readLinkCommand } from "./link-command.ts";

test.each<[string, string, boolean]>([
  ["link ABCD2345", "ABCD2345", true],
  ["绑定 abcd2345", "abcd2345", true],
  ["綁定：ABCD-2345", "ABCD2345", true],
  ["绑定ABCD2345", "ABCD2345", true],
  ["  Link  a b c d 2 3 4 5 ", "abcd2345", true],
  ["link ＡＢＣＤ２３４５", "ABCD2345", true],
  ["link ABCDEFGH", "ABCDEFGH", true],
  ["link database", "database", false],
])("%j is a code", (text, code, certain) => {
  expect(readLinkCommand(text)).toMatchObject({ code, certain });
});

test.each([
  "link",
  "link ABCD234",
  "link ABCD23456",
  "please link ABCD2345",
  "link ABCD2345 please",
  "linkABCD2345",
  "linkedin1",
  "yes",
  "",
])("%j is none", (text) => {
  expect(readLinkCommand(text)).toBeUndefined();
});

test("what is kept of a command has no code in it", () => {
  const code = fc.string({
    unit: fc.constantFrom(..."0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
    minLength: 8,
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.constantFrom("link ", "绑定 ", "Link: "), code, (keyword, each) => {
      expect(readLinkCommand(keyword + each)!.withoutCode).not.toContain(each);
    }),
  );
});

test("no text takes long to read", () => {
  fc.assert(
    fc.property(fc.nat({ max: 200 }), (count) => {
      expect(readLinkCommand(`link ${"a - ".repeat(count * 250)}!`)).toBeUndefined();
    }),
    { numRuns: 20 },
  );
});
