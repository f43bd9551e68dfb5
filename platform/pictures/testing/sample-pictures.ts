// Small pictures that every reader takes, for tests, and the pieces to build wrong ones of.

import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

export function pngChunk(type: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

/** The header of a PNG in grey, 8 bits. */
export function pngHeader(width: number, height: number, rest: readonly number[] = [8, 0, 0, 0, 0]): Buffer {
  const body = Buffer.alloc(13);
  body.writeUInt32BE(width, 0);
  body.writeUInt32BE(height, 4);
  body.set(rest, 8);
  return pngChunk("IHDR", body);
}

/** A PNG of any chunks. */
export function pngOf(...chunks: readonly Uint8Array[]): Buffer {
  return Buffer.concat([SIGNATURE, ...chunks]);
}

export function pngPixels(width: number, height: number): Buffer {
  return pngChunk("IDAT", deflateSync(Buffer.alloc((width + 1) * height)));
}

/** A black PNG. `notes` stand before its pixels. */
export function png(width = 2, height = 2, notes: readonly Uint8Array[] = []): Buffer {
  return pngOf(pngHeader(width, height), ...notes, pngPixels(width, height), pngChunk("IEND"));
}

export function jpegSegment(marker: number, body: Uint8Array): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

export function jpegHeader(width: number, height: number, marker = 0xc0): Buffer {
  const body = Buffer.from([8, 0, 0, 0, 0, 1, 1, 0x11, 0]);
  body.writeUInt16BE(height, 1);
  body.writeUInt16BE(width, 3);
  return jpegSegment(marker, body);
}

const QUANTIZATION = jpegSegment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)]));
/** One code of one bit each, for "nothing changes" and "nothing follows". */
const HUFFMAN = [0x00, 0x10].map((table) =>
  jpegSegment(0xc4, Buffer.from([table, 1, ...Array<number>(15).fill(0), 0])),
);
export const JPEG_TABLES = Buffer.concat([QUANTIZATION, ...HUFFMAN]);
export const JPEG_SCAN = jpegSegment(0xda, Buffer.from([1, 1, 0, 0, 63, 0]));

/** A JPEG of any parts. */
export function jpegOf(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xd8]), ...parts]);
}

export const JPEG_END = Buffer.from([0xff, 0xd9]);

/** A grey JPEG. `notes` stand behind its start. */
export function jpeg(width = 8, height = 8, notes: readonly Uint8Array[] = []): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  // Two bits of nought for each block, the rest of the last byte filled with ones.
  const bits = "00".repeat(blocks).padEnd(Math.ceil((blocks * 2) / 8) * 8, "1");
  const pixels = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
  return jpegOf(...notes, JPEG_TABLES, jpegHeader(width, height), JPEG_SCAN, pixels, JPEG_END);
}
