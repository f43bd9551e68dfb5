// Files that must not be taken as pictures, whatever they are called: name and bytes.

import { deflateSync, gzipSync } from "node:zlib";
import {
  JPEG_END,
  JPEG_SCAN,
  JPEG_TABLES,
  jpeg,
  jpegHeader,
  jpegOf,
  jpegSegment,
  png,
  pngChunk,
  pngHeader,
  pngOf,
  pngPixels,
} from "./sample-pictures.ts";

export type NamedFile = readonly [name: string, bytes: Buffer];

const END = pngChunk("IEND");
const latin = (text: string) => Buffer.from(text, "latin1");
const text = (words: string | Buffer) =>
  pngChunk("tEXt", Buffer.concat([latin("Comment\0"), Buffer.isBuffer(words) ? words : Buffer.from(words)]));
const comment = (words: string | Buffer) => jpegSegment(0xfe, Buffer.from(words));

/** A zip with one stored file. */
export const ZIP = (() => {
  const name = latin("a.class");
  const local = Buffer.alloc(30);
  local.write("PK\x03\x04", "latin1");
  local.writeUInt16LE(20, 4);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.write("PK\x01\x02", "latin1");
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length, 16);
  return Buffer.concat([local, name, central, name, end]);
})();

/** What is hidden in pictures, or sent in their place. */
const OTHERS: readonly NamedFile[] = [
  ["zip", ZIP],
  ["zip that is read from its start", ZIP.subarray(0, 60)],
  ["zip that is read from its end", ZIP.subarray(-22)],
  ["rar", latin("Rar!\x1a\x07\x01\x00rest")],
  ["7z", latin("7z\xbc\xaf\x27\x1c\x00\x04rest")],
  ["pdf", latin("%PDF-1.7\n1 0 obj<</OpenAction<</JS(app.alert(1))>>>>endobj\n%%EOF")],
  ["html", Buffer.from("<html><body onload=alert(1)></body></html>")],
  ["html in capitals", Buffer.from("<SCRIPT>alert(1)</SCRIPT>")],
  ["script", Buffer.from("<script src=//evil.example></script>")],
  ["svg", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
  ["iframe", Buffer.from("<iframe src=javascript:alert(1)>")],
  ["doctype", Buffer.from("<!DOCTYPE html><p>x")],
  ["php", Buffer.from("<?php system($_GET['c']); ?>")],
  ["script in UTF-16", Buffer.from("<script>alert(1)</script>", "utf16le")],
];

const ALONE: readonly NamedFile[] = [
  ...OTHERS,
  ["nothing", Buffer.alloc(0)],
  ["one byte", latin("\x89")],
  ["the signature of a PNG alone", latin("\x89PNG\r\n\x1a\n")],
  ["the start of a JPEG alone", latin("\xff\xd8\xff")],
  ["a PNG that went through a text tool", latin("\x89PNG\n\x1a\n").subarray(0)],
  ["gif", latin("GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;")],
  ["gif with a script", latin("GIF89a=1;alert(1)//")],
  ["gifar", Buffer.concat([latin("GIF89a\x01\0\x01\0\x80\0\0"), ZIP])],
  ["webp", latin("RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0")],
  ["bmp", latin("BM\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x01\0\x01\0\x01\0\x18\0")],
  ["tiff, little end first", latin("II*\0\x08\0\0\0")],
  ["tiff, big end first", latin("MM\0*\0\0\0\x08")],
  ["ico", latin("\0\0\x01\0\x01\0\x01\x01\0\0")],
  ["psd", latin("8BPS\0\x01")],
  ["avif", latin("\0\0\0\x20ftypavif\0\0\0\0")],
  ["heic", latin("\0\0\0\x18ftypheic\0\0\0\0")],
  ["jpeg xl", latin("\xff\x0a")],
  ["jpeg 2000", latin("\0\0\0\x0cjP  \r\n\x87\n")],
  ["mp4", latin("\0\0\0\x18ftypmp42")],
  ["swf", latin("FWS\x0a")],
  ["exe", latin("MZ\x90\0")],
  ["elf", latin("\x7fELF\x02\x01\x01")],
  ["class", latin("\xca\xfe\xba\xbe\0\0\0\x34")],
  ["wasm", latin("\0asm\x01\0\0\0")],
  ["gzip", gzipSync("x")],
  ["a shell script", latin("#!/bin/sh\nrm -rf /\n")],
  ["javascript", latin("alert(1)")],
  ["json", latin('{"a":1}')],
  ["xml", latin('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')],
  ["svg with a byte order mark", Buffer.from('\ufeff<svg onload="alert(1)"/>')],
  ["svg behind blanks", Buffer.from('   \n<svg onload="alert(1)"/>')],
  ["html with a PNG's name inside", Buffer.from("<html>\x89PNG\r\n\x1a\n")],
  ["a PNG behind a byte", Buffer.concat([latin(" "), png()])],
  ["a PNG behind a script", Buffer.concat([latin("<script>alert(1)</script>"), png()])],
  ["a PNG behind a zip", Buffer.concat([ZIP, png()])],
  ["a JPEG behind a byte order mark", Buffer.concat([Buffer.from("\ufeff"), jpeg()])],
  ["a JPEG behind a zip", Buffer.concat([ZIP, jpeg()])],
  ["the data URL of a PNG", latin(`data:image/png;base64,${png().toString("base64")}`)],
];

function hiddenIn(): NamedFile[] {
  return OTHERS.flatMap(([name, bytes]): NamedFile[] => [
    [`${name} behind the end of a PNG`, Buffer.concat([png(), bytes])],
    [`${name} in a text of a PNG`, png(2, 2, [text(bytes)])],
    [
      `${name} in an international text of a PNG`,
      png(2, 2, [pngChunk("iTXt", Buffer.concat([latin("XML\0\0\0\0\0"), bytes]))]),
    ],
    [`${name} in a private part of a PNG`, png(2, 2, [pngChunk("prVt", bytes)])],
    [`${name} in the Exif part of a PNG`, png(2, 2, [pngChunk("eXIf", bytes)])],
    [`${name} between pixels and end of a PNG`, pngOf(pngHeader(2, 2), pngPixels(2, 2), text(bytes), END)],
    [`${name} behind the end of a JPEG`, Buffer.concat([jpeg(), bytes])],
    [`${name} in a comment of a JPEG`, jpeg(8, 8, [comment(bytes)])],
    [
      `${name} in the Exif part of a JPEG`,
      jpeg(8, 8, [jpegSegment(0xe1, Buffer.concat([latin("Exif\0\0"), bytes]))]),
    ],
    [`${name} in a private part of a JPEG`, jpeg(8, 8, [jpegSegment(0xef, bytes)])],
  ]);
}

function cutOff(): NamedFile[] {
  return [
    ["PNG", png(4, 4, [text("hello")])] as const,
    ["JPEG", jpeg(16, 16, [comment("hello")])] as const,
  ].flatMap(([name, whole]) =>
    [...new Set(Array.from({ length: 40 }, (_, each) => Math.floor((whole.length * each) / 40)))].map(
      (length): NamedFile => [`${name} cut off after ${length} bytes`, whole.subarray(0, length)],
    ),
  );
}

function damaged(): NamedFile[] {
  const whole = png(4, 4, [text("hello")]);
  return Array.from({ length: 30 }, (_, each): NamedFile => {
    const at = 8 + Math.floor(((whole.length - 8) * each) / 30);
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x10;
    return [`PNG with a bit turned at ${at}`, bytes];
  });
}

const SIZES = [
  [0, 1],
  [1, 0],
  [0, 0],
  [16_385, 1],
  [1, 16_385],
  [65_535, 65_535],
  [10_000, 10_000],
  [2 ** 31 - 1, 2 ** 31 - 1],
  [2 ** 32 - 1, 2 ** 32 - 1],
  [2 ** 31, 1],
  [50_001, 1_000],
] as const;

function tooLarge(): NamedFile[] {
  return [
    ...SIZES.map(
      ([width, height]): NamedFile => [
        `PNG of ${width} × ${height}`,
        pngOf(pngHeader(width, height), pngPixels(1, 1), END),
      ],
    ),
    ...SIZES.filter((sides) => Math.max(...sides) < 65_536).map(
      ([width, height]): NamedFile => [
        `JPEG of ${width} × ${height}`,
        jpegOf(JPEG_TABLES, jpegHeader(width, height), JPEG_SCAN, latin("x"), JPEG_END),
      ],
    ),
    [
      "PNG that moves for ever",
      png(1000, 1000, [pngChunk("acTL", Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))]),
    ],
    [
      "PNG of 51 frames of a million",
      png(1000, 1000, [pngChunk("acTL", Buffer.from([0, 0, 0, 51, 0, 0, 0, 0]))]),
    ],
    ["PNG of no frames", png(2, 2, [pngChunk("acTL", Buffer.alloc(8))])],
  ];
}

function bombs(): NamedFile[] {
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 });
  const part = deflateSync(Buffer.alloc(1024 * 1024), { level: 9 });
  const packed = (type: string, head: string, data: Buffer) =>
    pngChunk(type, Buffer.concat([latin(head), data]));
  return [
    ["PNG with a text that unpacks to 64 MiB", png(2, 2, [packed("zTXt", "a\0\0", bomb)])],
    ["PNG with a colour profile that unpacks to 64 MiB", png(2, 2, [packed("iCCP", "a\0\0", bomb)])],
    [
      "PNG with an international text that unpacks to 64 MiB",
      png(2, 2, [packed("iTXt", "a\0\x01\0\0\0", bomb)]),
    ],
    [
      "PNG with 500 texts that unpack to 1 MiB each",
      png(2, 2, Array<Buffer>(500).fill(packed("zTXt", "a\0\0", part))),
    ],
    ["PNG with a text that does not unpack", png(2, 2, [packed("zTXt", "a\0\0", latin("no zlib"))])],
    ["PNG with a packed text without keyword", png(2, 2, [pngChunk("zTXt", latin("abc"))])],
    ["PNG with a packed text that ends early", png(2, 2, [packed("zTXt", "a\0\0", part.subarray(0, 40))])],
    [
      "JPEG with 10,000 scans",
      jpegOf(JPEG_TABLES, jpegHeader(4000, 4000, 0xc2), ...Array<Buffer>(10_000).fill(JPEG_SCAN), JPEG_END),
    ],
  ];
}

function malformed(): NamedFile[] {
  const pixels = pngPixels(2, 2);
  const header = pngHeader(2, 2);
  const depths = [
    [3, 0],
    [0, 0],
    [32, 0],
    [1, 2],
    [4, 2],
    [16, 3],
    [1, 4],
    [2, 6],
    [8, 1],
    [8, 5],
    [8, 7],
    [8, 255],
  ];
  return [
    ...depths.map(
      ([depth, colour]): NamedFile => [
        `PNG of depth ${depth} and colour type ${colour}`,
        pngOf(pngHeader(2, 2, [depth!, colour!, 0, 0, 0]), pixels, END),
      ],
    ),
    ["PNG of another compression", pngOf(pngHeader(2, 2, [8, 0, 1, 0, 0]), pixels, END)],
    ["PNG of another filter", pngOf(pngHeader(2, 2, [8, 0, 0, 1, 0]), pixels, END)],
    ["PNG of another interlacing", pngOf(pngHeader(2, 2, [8, 0, 0, 0, 2]), pixels, END)],
    ["PNG without header", pngOf(pixels, END)],
    ["PNG with its header later", pngOf(text("x"), header, pixels, END)],
    ["PNG with two headers", pngOf(header, header, pixels, END)],
    ["PNG with a header of 12 bytes", pngOf(pngChunk("IHDR", Buffer.alloc(12, 1)), pixels, END)],
    ["PNG without pixels", pngOf(header, END)],
    ["PNG with empty pixels", pngOf(header, pngChunk("IDAT"), END)],
    ["PNG with pixels in pieces", pngOf(header, pixels, text("x"), pixels, END)],
    ["PNG without end", pngOf(header, pixels)],
    ["PNG with two ends", pngOf(header, pixels, END, END)],
    ["PNG with an end that has content", pngOf(header, pixels, pngChunk("IEND", latin("x")))],
    ["PNG in a PNG", Buffer.concat([png(), png()])],
    ["JPEG behind a PNG", Buffer.concat([png(), jpeg()])],
    ["PNG behind a JPEG", Buffer.concat([jpeg(), png()])],
    ["JPEG behind a JPEG", Buffer.concat([jpeg(), jpeg()])],
    ["PNG with a part that must be known", png(2, 2, [pngChunk("EViL", latin("x"))])],
    ["PNG with a part of a later version", png(2, 2, [pngChunk("evil", latin("x"))])],
    ["PNG with a part whose name is no letters", png(2, 2, [pngChunk("a\0B\n", latin("x"))])],
    ["PNG with an empty palette", png(2, 2, [pngChunk("PLTE")])],
    ["PNG with a palette of 4 bytes", png(2, 2, [pngChunk("PLTE", Buffer.alloc(4))])],
    ["PNG with a palette of 257 colours", png(2, 2, [pngChunk("PLTE", Buffer.alloc(771))])],
    [
      "PNG with two palettes",
      png(2, 2, [pngChunk("PLTE", Buffer.alloc(3)), pngChunk("PLTE", Buffer.alloc(3))]),
    ],
    ["PNG with a palette behind its pixels", pngOf(header, pixels, pngChunk("PLTE", Buffer.alloc(3)), END)],
    [
      "PNG with a length beyond the file",
      pngOf(header, Buffer.from([0x7f, 0xff, 0xff, 0xff]), latin("IDATx")),
    ],
    [
      "PNG with a length of 4 GiB",
      pngOf(header, Buffer.from([0xff, 0xff, 0xff, 0xff]), latin("IDATx"), Buffer.alloc(8)),
    ],
    ["PNG with noughts behind its end", Buffer.concat([png(), Buffer.alloc(1)])],
    ["JPEG with noughts behind its end", Buffer.concat([jpeg(), Buffer.alloc(1)])],
    ["JPEG without header", jpegOf(JPEG_TABLES, JPEG_SCAN, latin("x"), JPEG_END)],
    ["JPEG without pixels", jpegOf(JPEG_TABLES, jpegHeader(8, 8), JPEG_END)],
    ["JPEG without end", jpegOf(JPEG_TABLES, jpegHeader(8, 8), JPEG_SCAN, latin("x"))],
    ["JPEG with two headers", jpegOf(jpegHeader(8, 8), jpegHeader(9, 9), JPEG_SCAN, latin("x"), JPEG_END)],
    [
      "JPEG with a second header behind its pixels",
      jpegOf(
        jpegHeader(8, 8),
        JPEG_SCAN,
        latin("x"),
        jpegHeader(9000, 9000),
        JPEG_SCAN,
        latin("x"),
        JPEG_END,
      ),
    ],
    [
      "JPEG with its height behind its pixels",
      jpegOf(jpegHeader(8, 8), JPEG_SCAN, latin("x"), jpegSegment(0xdc, Buffer.from([255, 255])), JPEG_END),
    ],
    ...[0xc3, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf, 0xf7].map(
      (marker): NamedFile => [
        `JPEG of the kind ${marker.toString(16)}`,
        jpegOf(JPEG_TABLES, jpegHeader(8, 8, marker), JPEG_SCAN, latin("x"), JPEG_END),
      ],
    ),
    ...[0x00, 0x01, 0x02, 0xd0, 0xd8, 0xf0].map(
      (marker): NamedFile => [
        `JPEG with the marker ${marker.toString(16)}`,
        jpegOf(
          jpegSegment(marker, latin("x")),
          JPEG_TABLES,
          jpegHeader(8, 8),
          JPEG_SCAN,
          latin("x"),
          JPEG_END,
        ),
      ],
    ),
    [
      "JPEG with 12 bits",
      jpegOf(jpegSegment(0xc1, Buffer.from([12, 0, 8, 0, 8, 1, 1, 17, 0])), JPEG_SCAN, latin("x"), JPEG_END),
    ],
    [
      "JPEG with two components",
      jpegOf(
        jpegSegment(0xc0, Buffer.from([8, 0, 8, 0, 8, 2, 1, 17, 0, 2, 17, 0])),
        JPEG_SCAN,
        latin("x"),
        JPEG_END,
      ),
    ],
    [
      "JPEG with 255 components",
      jpegOf(jpegSegment(0xc0, Buffer.from([8, 0, 8, 0, 8, 255, 1, 17, 0])), JPEG_SCAN, latin("x"), JPEG_END),
    ],
    [
      "JPEG with a header of five bytes",
      jpegOf(jpegSegment(0xc0, Buffer.from([8, 0, 8, 0, 8])), JPEG_SCAN, latin("x"), JPEG_END),
    ],
    [
      "JPEG with a part of no length",
      jpegOf(Buffer.from([0xff, 0xe0, 0, 0]), jpegHeader(8, 8), JPEG_SCAN, latin("x"), JPEG_END),
    ],
    [
      "JPEG with a part of length one",
      jpegOf(Buffer.from([0xff, 0xe0, 0, 1]), jpegHeader(8, 8), JPEG_SCAN, latin("x"), JPEG_END),
    ],
    ["JPEG with a part beyond the file", jpegOf(Buffer.from([0xff, 0xe0, 0xff, 0xff]), jpegHeader(8, 8))],
    [
      "JPEG with bytes between its parts",
      jpegOf(latin("\xff\xe0\0\x02"), latin("alert(1)"), jpegHeader(8, 8), JPEG_SCAN, latin("x"), JPEG_END),
    ],
  ];
}

export function hostileFiles(): NamedFile[] {
  return [...ALONE, ...hiddenIn(), ...cutOff(), ...damaged(), ...tooLarge(), ...bombs(), ...malformed()];
}
