import { hiddenFormat } from "@hil/platform/pictures/disguise.ts";
import { inspectPicture } from "@hil/platform/pictures/picture.ts";

/** The most bytes of one picture: the vendors take no more. */
export const MAX_IMAGE_BYTES = 2 * 1024 * 1024;

export type ImageType = "image/png" | "image/jpeg" | "image/gif" | "image/webp";

/**
 * What kind of picture bytes are; undefined for anything else. A PNG or JPEG is looked at as a whole, as the session
 * service does; the other kinds are only handed back to the client, and told by their first bytes.
 */
export function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const inspection = inspectPicture(bytes);
  if (inspection.kind === "picture") return inspection.mediaType;
  if (hiddenFormat(bytes)) return undefined;
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString("latin1");
  if (head.startsWith("GIF87a") || head.startsWith("GIF89a")) return "image/gif";
  if (head.startsWith("RIFF") && head.slice(8) === "WEBP") return "image/webp";
  return undefined;
}

/** A picture as the earlier clients carry it. */
export function toDataUrl(type: ImageType, bytes: Uint8Array): string {
  return `data:${type};base64,${Buffer.from(bytes).toString("base64")}`;
}

/** The bytes of a base64 data URL; undefined for any other text. What type it claims does not matter. */
export function dataUrlBytes(url: string): Buffer | undefined {
  const comma = url.indexOf(",");
  if (!/^data:[^,]{0,200};base64$/i.test(url.slice(0, comma))) return undefined;
  const encoded = url.slice(comma + 1);
  return /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) ? Buffer.from(encoded, "base64") : undefined;
}
