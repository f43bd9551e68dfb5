// Reads the pictures that a question brings.
//
// M1. Files are read only where this process is the caller's own (stdio). Over HTTP a path would name a file of the
//     server, so pictures come as data: URLs there.

import { open } from "node:fs/promises";
import { basename } from "node:path";
import { inspectPicture } from "@hil/platform/pictures/picture.ts";

/** The vendors take no larger picture: 2 MiB. */
const MOST_BYTES = 2 * 1024 * 1024;
/** All pictures of one question together, and how many: see CreateSessionRequest.attachments. */
const MOST_TOTAL_BYTES = 6 * 1024 * 1024;
const MOST_IMAGES = 10;

export interface Image {
  readonly name: string;
  readonly data: Uint8Array;
}

export interface ReadImages {
  readonly images: readonly Image[];
  /** For each picture that is left out: which and why, in words. */
  readonly skipped: readonly string[];
}

/**
 * Reads PNG and JPEG pictures: data: URLs, and local files where those may be read. One that cannot go along is left
 * out and named, never a reason to fail.
 */
export async function readImages(
  sources: readonly string[],
  { readsFiles }: { readonly readsFiles: boolean },
): Promise<ReadImages> {
  const images: Image[] = [];
  const skipped: string[] = [];
  let total = 0;
  for (const [index, source] of sources.entries()) {
    const isData = /^data:/i.test(source);
    const name = isData ? `picture-${index + 1}` : basename(source).slice(0, 200);
    const shown = isData ? name : source;
    const read =
      images.length >= MOST_IMAGES
        ? `only ${MOST_IMAGES} pictures can go along`
        : await readImage(source, isData, readsFiles);
    if (typeof read === "string") {
      skipped.push(`${shown} (${read})`);
    } else if (total + read.length > MOST_TOTAL_BYTES) {
      skipped.push(`${shown} (all pictures together may have 6 MiB)`);
    } else {
      total += read.length;
      images.push({ name, data: read });
    }
  }
  return { images, skipped };
}

/** The picture, or why it cannot go along. */
async function readImage(source: string, isData: boolean, readsFiles: boolean): Promise<Uint8Array | string> {
  if (isData) return decodeImage(source);
  if (!readsFiles) return "files are not read over HTTP; pass it as a data: URL";
  return readFile(source);
}

function decodeImage(url: string): Uint8Array | string {
  const encoded = /^data:[^,]{0,200};base64,([A-Za-z0-9+/]+={0,2})$/i.exec(url)?.[1];
  if (encoded === undefined) return "is no base64 data: URL";
  if (encoded.length > Math.ceil(MOST_BYTES / 3) * 4) return "larger than 2 MiB";
  return inspected(Buffer.from(encoded, "base64"));
}

async function readFile(path: string): Promise<Uint8Array | string> {
  try {
    await using file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) return "not a file"; // a device would be read for ever
    if (stat.size > MOST_BYTES) return "larger than 2 MiB";
    return inspected(await file.readFile());
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "not found" : "cannot be read";
  }
}

function inspected(data: Buffer): Uint8Array | string {
  const inspection = inspectPicture(data);
  return inspection.kind === "picture" ? data : inspection.problem;
}
