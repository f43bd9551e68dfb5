import type { Reading } from "./picture.ts";

/** A progressive picture has some ten scans. Thousands make readers work for minutes over a small file. */
const MAX_SCANS = 64;

/** Reads a JPEG marker by marker to its end, which must be the end of the bytes. */
export function readJpeg(bytes: Uint8Array): Reading {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const notes: Uint8Array[] = [];
  let size: { width: number; height: number } | undefined;
  let scans = 0;
  for (let at = 2; ; ) {
    if (data[at] !== 0xff) return at < data.length ? broken("is damaged") : broken("is cut off");
    while (data[at] === 0xff) at += 1; // fill bytes
    const marker = data[at];
    at += 1;
    if (marker === undefined) return broken("is cut off");
    if (marker === 0xd9) {
      if (!size || scans === 0) return broken("has no pixels");
      if (at !== data.length) return broken("goes on behind its end; save it again as a plain picture");
      return { kind: "read", ...size, frames: 1, notes };
    }
    if (at + 2 > data.length) return broken("is cut off");
    const end = at + data.readUInt16BE(at);
    if (end < at + 2) return broken("is damaged");
    if (end > data.length) return broken("is cut off");
    const body = data.subarray(at + 2, end);
    at = end;
    switch (kindOf(marker)) {
      case "frame":
        if (size) return broken("has two headers");
        size = sizeOf(body);
        if (!size) return broken("has no right header");
        break;
      case "scan":
        scans += 1;
        if (!size || scans > MAX_SCANS) return broken("has scans that do not belong to it");
        at = endOfPixels(data, at);
        break;
      case "note":
        notes.push(body);
        break;
      case "table":
        break;
      case "unknown":
        return broken("is of a kind of JPEG that browsers do not show");
    }
  }
}

function kindOf(marker: number): "frame" | "scan" | "table" | "note" | "unknown" {
  if (marker >= 0xc0 && marker <= 0xc2) return "frame"; // baseline, extended, progressive
  if (marker === 0xda) return "scan";
  if (marker === 0xc4 || marker === 0xdb || marker === 0xdd) return "table";
  if ((marker >= 0xe0 && marker <= 0xef) || marker === 0xfe) return "note";
  return "unknown";
}

function sizeOf(header: Buffer): { width: number; height: number } | undefined {
  if (header.length < 6) return undefined;
  const [precision, components] = [header[0]!, header[5]!];
  const [height, width] = [header.readUInt16BE(1), header.readUInt16BE(3)];
  const isRight =
    precision === 8 &&
    [1, 3, 4].includes(components) &&
    header.length === 6 + 3 * components &&
    width > 0 &&
    height > 0;
  return isRight ? { width, height } : undefined;
}

/** Pixels end at the first marker: 0xff 0x00 is a pixel's, and 0xd0 to 0xd7 only say where reading may start again. */
function endOfPixels(data: Buffer, start: number): number {
  for (let at = data.indexOf(0xff, start); at >= 0; at = data.indexOf(0xff, at + 1)) {
    const next = data[at + 1];
    const isPixels = next === 0 || next === 0xff || (next !== undefined && next >= 0xd0 && next <= 0xd7);
    if (!isPixels) return at;
  }
  return data.length;
}

function broken(problem: string): Reading {
  return { kind: "broken", problem };
}
