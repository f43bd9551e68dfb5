import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";

/** A picture in base64, as small as it can be. */
export const PICTURE = Buffer.from(png()).toString("base64");
/** A WAV of no length, in base64. */
export const SOUND = Buffer.from(
  "524946462400000057415645666d74201000000001000100401f0000401f00000100080064617461",
  "hex",
).toString("base64");

export const text = (words: string) => ({ type: "text" as const, text: words });
export const picture = { type: "image" as const, data: PICTURE, mimeType: "image/png" };

/** Waits a moment, so that what is sent before it and after it are two messages on the wire. */
export const moment = () => new Promise((resolve) => setTimeout(resolve, 20));
