// What is taken as a picture.
//
// P1. The bytes decide, never a name or a type that came with them: a whole PNG or JPEG from the first byte to the last.
// P2. Nothing else is in the same file: no archive, document or page that another reader would find there.
// P3. Showing it cannot exhaust a reader's memory: its sides, its pixels and its compressed notes are bounded.
//
// Pixels are not decoded here. A broken one shows as broken; what could do harm is around them.

import { hiddenFormat, hiddenPage } from "./disguise.ts";
import { readJpeg } from "./jpeg.ts";
import { readPng } from "./png.ts";

/** The longest side of a picture. */
export const MAX_SIDE = 16_384;
/** The most pixels of a picture, over all frames. */
export const MAX_PIXELS = 50_000_000;

export type PictureType = "image/png" | "image/jpeg";

/** What a reader of one format found: its size, and the parts that are not pixels. */
export type Reading =
  | {
      readonly kind: "read";
      readonly width: number;
      readonly height: number;
      /** How many pictures it moves through. */
      readonly frames: number;
      readonly notes: readonly Uint8Array[];
    }
  | { readonly kind: "broken"; readonly problem: string };

export type Inspection =
  | {
      readonly kind: "picture";
      readonly mediaType: PictureType;
      readonly width: number;
      readonly height: number;
    }
  /** `problem` goes on from "the picture": "is cut off". */
  | { readonly kind: "refused"; readonly problem: string };

/** Tells whether bytes are a picture that may be kept and shown. */
export function inspectPicture(bytes: Uint8Array): Inspection {
  const mediaType = pictureType(bytes);
  if (!mediaType) return refused("is neither a PNG nor a JPEG");
  const reading = mediaType === "image/png" ? readPng(bytes) : readJpeg(bytes);
  if (reading.kind === "broken") return refused(reading.problem);
  const { width, height, frames, notes } = reading;
  if (width > MAX_SIDE || height > MAX_SIDE || width * height * frames > MAX_PIXELS) {
    return refused(
      `is ${width} × ${height} pixels large${frames > 1 ? ` in ${frames} frames` : ""}; at most ${MAX_SIDE} on a side and ${MAX_PIXELS / 1e6} million in all are taken`,
    );
  }
  const hidden = hiddenFormat(bytes) ?? hiddenPage(notes);
  if (hidden) return refused(`has ${hidden} inside; save it again as a plain picture`);
  return { kind: "picture", mediaType, width, height };
}

/** What the first bytes claim to be. */
export function pictureType(bytes: Uint8Array): PictureType | undefined {
  const starts = (...expected: number[]) => expected.every((byte, index) => bytes[index] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  return undefined;
}

function refused(problem: string): Inspection {
  return { kind: "refused", problem };
}
