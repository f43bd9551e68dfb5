import { crc32, inflateSync } from "node:zlib";
import type { Reading } from "./picture.ts";

const SIGNATURE_BYTES = 8;
/** The most that the compressed notes (texts, a colour profile) may grow to together. */
const MAX_NOTE_BYTES = 4 * 1024 * 1024;
/** Which bit depths go with a colour type. */
const DEPTHS: ReadonlyMap<number, readonly number[]> = new Map([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);

/** Reads a PNG chunk by chunk to its end, which must be the end of the bytes. The signature has been seen. */
export function readPng(bytes: Uint8Array): Reading {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const notes: Uint8Array[] = [];
  let size: { width: number; height: number } | undefined;
  let frames = 1;
  let pixelBytes = 0;
  let noteBytes = 0;
  let lastType = "";
  let hasPalette = false;
  for (let at = SIGNATURE_BYTES; ; ) {
    if (at + 12 > data.length) return broken("is cut off");
    const length = data.readUInt32BE(at);
    const end = at + 12 + length;
    if (end > data.length) return broken("is cut off");
    const type = data.toString("latin1", at + 4, at + 8);
    const body = data.subarray(at + 8, end - 4);
    if (crc32(data.subarray(at + 4, end - 4)) !== data.readUInt32BE(end - 4)) return broken("is damaged");
    if (!size) {
      size = type === "IHDR" ? sizeOf(body) : undefined;
      if (!size) return broken("has no right header");
      lastType = type;
      at = end;
      continue;
    }
    switch (type) {
      case "IDAT":
        if (pixelBytes > 0 && lastType !== "IDAT") return broken("has its pixels in pieces");
        pixelBytes += length;
        break;
      case "PLTE":
        if (hasPalette || pixelBytes > 0 || length === 0 || length > 768 || length % 3 !== 0) {
          return broken("has a wrong palette");
        }
        hasPalette = true;
        break;
      case "IEND":
        if (length > 0 || pixelBytes === 0) return broken("has no pixels");
        if (end !== data.length) return broken("goes on behind its end; save it again as a plain picture");
        return { kind: "read", ...size, frames, notes };
      case "fdAT":
        break;
      default: {
        // Lower case first: may be ignored. Third letter: reserved, upper case today.
        if (!/^[a-z][a-zA-Z][A-Z][a-zA-Z]$/.test(type)) return broken("has parts that no reader knows");
        if (type === "acTL") {
          if (length !== 8 || body.readUInt32BE(0) === 0) return broken("has a wrong animation");
          frames = body.readUInt32BE(0);
        }
        const unpacked = unpackedBytes(type, body, MAX_NOTE_BYTES - noteBytes);
        if (unpacked === undefined) return broken("has compressed notes that are broken or too large");
        noteBytes += unpacked;
        notes.push(body);
      }
    }
    lastType = type;
    at = end;
  }
}

function sizeOf(header: Buffer): { width: number; height: number } | undefined {
  if (header.length !== 13) return undefined;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth, colour, compression, filter, interlace] = header.subarray(8) as unknown as number[];
  const isRight =
    width > 0 &&
    height > 0 &&
    width < 2 ** 31 &&
    height < 2 ** 31 &&
    DEPTHS.get(colour!)?.includes(depth!) &&
    compression === 0 &&
    filter === 0 &&
    interlace! <= 1;
  return isRight ? { width, height } : undefined;
}

/** How many bytes a note unpacks to, 0 for one that is not packed; undefined where they are more than `most`. */
function unpackedBytes(type: string, body: Buffer, most: number): number | undefined {
  const packed = packedPart(type, body);
  if (packed === undefined) return 0;
  try {
    return inflateSync(packed, { maxOutputLength: Math.max(1, most) }).length;
  } catch {
    return undefined; // longer than that, or not what it claims to be
  }
}

/** zTXt and iCCP: keyword, nought, method, data. iTXt: keyword, nought, flag, method, language, nought, keyword, nought, data. */
function packedPart(type: string, body: Buffer): Buffer | undefined {
  if (type !== "zTXt" && type !== "iCCP" && type !== "iTXt") return undefined;
  const keywordEnd = body.indexOf(0);
  if (keywordEnd < 0) return Buffer.alloc(0);
  if (type !== "iTXt") return body.subarray(keywordEnd + 2);
  if (body[keywordEnd + 1] !== 1) return undefined;
  const languageEnd = body.indexOf(0, keywordEnd + 3);
  const translationEnd = languageEnd < 0 ? -1 : body.indexOf(0, languageEnd + 1);
  return translationEnd < 0 ? Buffer.alloc(0) : body.subarray(translationEnd + 1);
}

function broken(problem: string): Reading {
  return { kind: "broken", problem };
}
