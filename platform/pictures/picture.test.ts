import { randomBytes } from "node:crypto";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toFileName } from "./file-name.ts";
import { inspectPicture } from "./picture.ts";
import { hostileFiles } from "./testing/hostile-files.ts";
import { jpeg, jpegSegment, png, pngChunk, pngHeader, pngOf } from "./testing/sample-pictures.ts";

const FILES = hostileFiles();

test("the corpus has at least 300 different files", () => {
  expect(new Set(FILES.map(([, bytes]) => bytes.toString("latin1"))).size).toBeGreaterThanOrEqual(300);
});

test.each(FILES)("is not taken: %s", (_, bytes) => {
  expect(inspectPicture(bytes)).toMatchObject({
    kind: "refused",
    problem: expect.stringMatching(/^(is|has|goes) /),
  });
});

const text = (words: string) => Buffer.from(`Comment\0${words}`);

describe("is taken", () => {
  test.each([
    ["a small PNG", png(), 2, 2],
    ["a PNG of one pixel", png(1, 1), 1, 1],
    ["a PNG at the limit of its side", png(16_384, 1), 16_384, 1],
    ["a PNG at the limit of its pixels", png(10_000, 5_000), 10_000, 5_000],
    ["a PNG with a text", png(2, 2, [pngChunk("tEXt", text("made by a <plotter> & co"))]), 2, 2],
    [
      "a PNG with a packed text",
      png(2, 2, [pngChunk("zTXt", Buffer.concat([Buffer.from("a\0\0"), deflateSync("x".repeat(9999))]))]),
      2,
      2,
    ],
    [
      "a PNG with XMP",
      png(2, 2, [
        pngChunk("iTXt", Buffer.from('XML:com.adobe.xmp\0\0\0\0\0<?xpacket begin=""?><x:xmpmeta/>')),
      ]),
      2,
      2,
    ],
    ["a PNG of a maker's own part", png(2, 2, [pngChunk("iDOT", Buffer.alloc(28))]), 2, 2],
    ["a PNG that moves", png(100, 100, [pngChunk("acTL", Buffer.from([0, 0, 0, 10, 0, 0, 0, 0]))]), 100, 100],
    [
      "a PNG in several pieces of pixels",
      pngOf(
        pngHeader(2, 2),
        pngChunk("IDAT", deflateSync(Buffer.alloc(6)).subarray(0, 5)),
        pngChunk("IDAT", deflateSync(Buffer.alloc(6)).subarray(5)),
        pngChunk("IEND"),
      ),
      2,
      2,
    ],
    ["a small JPEG", jpeg(), 8, 8],
    [
      "a JPEG with Exif, colour profile and comment",
      jpeg(64, 32, [
        jpegSegment(0xe1, Buffer.from("Exif\0\0II*\0")),
        jpegSegment(0xe2, Buffer.alloc(3144)),
        jpegSegment(0xfe, Buffer.from("CREATOR: gd-jpeg v1.0")),
      ]),
      64,
      32,
    ],
  ])("%s", (_, bytes, width, height) => {
    const { mediaType } = inspectPicture(bytes) as { mediaType?: string };
    expect(inspectPicture(bytes)).toEqual({ kind: "picture", mediaType, width, height });
    expect(mediaType).toBe(bytes[0] === 0x89 ? "image/png" : "image/jpeg");
  });

  test("200 pictures whose pixels are noise: none looks like an archive by chance", () => {
    for (let each = 0; each < 200; each++) {
      const noise = pngOf(pngHeader(500, 200), pngChunk("IDAT", randomBytes(100_000)), pngChunk("IEND"));
      expect(inspectPicture(noise).kind).toBe("picture");
    }
  });
});

test("S1: whatever the bytes are, an answer comes", () => {
  const start = fc.constantFrom(
    png(4, 4).subarray(0, 33),
    png(4, 4),
    jpeg().subarray(0, 2),
    jpeg().subarray(0, 90),
    jpeg(),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), fc.nat(300), (head, tail, at) => {
      const bytes = Buffer.concat([head.subarray(0, at), tail, head.subarray(at)]);
      expect(inspectPicture(bytes).kind).toMatch(/^(picture|refused)$/);
    }),
    { numRuns: 20_000 },
  );
});

describe("names", () => {
  test.each([
    ["plan.png", "plan.png"],
    ["", ""],
    ["   ", ""],
    ["图片 1.png", "图片 1.png"],
    ["../../etc/passwd", ".._.._etc_passwd"],
    ["..\\..\\windows\\system32", ".._.._windows_system32"],
    ["/etc/passwd", "_etc_passwd"],
    ["C:\\plan.png", "C:_plan.png"],
    ["a／b＼c∕d⁄e∖f.png", "a_b_c_d_e_f.png"],
    ["plan.png\0.html", "plan.png.html"],
    ["plan\r\nX-Evil: 1.png", "planX-Evil: 1.png"],
    ["plan\u202egnp.exe", "plangnp.exe"],
    ["\u2066plan\u2069.png", "plan.png"],
    ["\u200fplan\u061c.png", "plan.png"],
    ["pl\u200ban\ufeff.png", "plan.png"],
    ["plan\u2028.png\u2029", "plan.png"],
    ["plan\u0085\u009b31m.png", "plan31m.png"],
    ["\u001b[2Jplan.png", "[2Jplan.png"],
    ["cafe\u0301.png", "caf\u00e9.png"],
    ["\u1112\u1161\u11ab.png", "\ud55c.png"],
    ["plan\ud800.png", "plan\ufffd.png"],
  ])("%j becomes %j", (given, kept) => {
    expect(toFileName(given)).toBe(kept);
  });

  test("any name is one form, in 200 bytes, with nothing that leads elsewhere or cannot be seen", () => {
    const name = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({
        unit: fc.constantFrom("/", "\\", "..", "\u202e", "\0", "图", "😀", "e\u0301", ".png", "\u2215"),
        maxLength: 200,
      }),
    );
    fc.assert(
      fc.property(name, (given) => {
        const kept = toFileName(given);
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(200);
        expect(kept).toBe(kept.normalize("NFC"));
        expect(kept.isWellFormed()).toBe(true);
        expect(kept).not.toMatch(/[/\\\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/u);
        expect(toFileName(kept)).toBe(kept);
      }),
      { numRuns: 5000 },
    );
  });

  test("a long one keeps its ending, and no character is cut in two", () => {
    expect(toFileName(`${"图".repeat(100)}.png`)).toBe(`${"图".repeat(65)}.png`);
    expect(toFileName("x".repeat(300))).toBe("x".repeat(200));
    expect(toFileName(`x.${"y".repeat(300)}`)).toBe(`x.${"y".repeat(198)}`);
  });
});
