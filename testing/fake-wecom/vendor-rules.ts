// What the vendor says to a message: its documented limits and error codes. Pure.

import { createHash } from "node:crypto";

/** The vendor's two robots. A public one belongs to one group; a call-back one sends to any chat and hears replies. */
export type Product = "callback" | "public";

const TEXT_BYTES = 2048;
const MARKDOWN_BYTES = 4096;
const IMAGE_BYTES = 2 * 1024 * 1024;

export interface VendorSays {
  readonly errcode: number;
  readonly errmsg: string;
}

export const OK: VendorSays = { errcode: 0, errmsg: "ok" };
export const WRONG_KEY: VendorSays = { errcode: 93000, errmsg: "invalid webhook url, hint: [1767000000]" };
export const TOO_FREQUENT: VendorSays = { errcode: 45009, errmsg: "api freq out of limit" };

/** What a body asks to be shown, read without trust. */
export interface Payload {
  /** Empty: none was given. A call-back robot then writes to all its groups. */
  readonly chatId: string;
  readonly msgtype: string;
  /** The content of a text or markdown message. */
  readonly text: string;
  readonly mentions: readonly string[];
  /** The bytes of an image message. */
  readonly image: Buffer | undefined;
}

/** Reads a body. Undefined: it is not a JSON object. */
export function readPayload(body: string): Payload | undefined {
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof given !== "object" || given === null) return undefined;
  const msgtype = String(given.msgtype ?? "");
  const content = (given[msgtype] ?? {}) as Record<string, unknown>;
  return {
    chatId: typeof given.chatid === "string" ? given.chatid : "",
    msgtype,
    text: typeof content.content === "string" ? content.content : "",
    mentions: Array.isArray(content.mentioned_list) ? content.mentioned_list.map(String) : [],
    image: msgtype === "image" ? imageOf(content) : undefined,
  };
}

/** What the vendor says to a payload as such, before rates are counted. */
export function judge(payload: Payload): VendorSays {
  switch (payload.msgtype) {
    case "text":
      return judgeText(payload.text, TEXT_BYTES);
    case "markdown":
    case "markdown_v2":
      return judgeText(payload.text, MARKDOWN_BYTES);
    case "image":
      if (!payload.image) return invalid("invalid image md5 or base64");
      if (payload.image.length > IMAGE_BYTES) return invalid("image size exceed max length");
      return isPicture(payload.image) ? OK : invalid("image type not supported");
    default:
      return invalid(`unsupported msgtype ${JSON.stringify(payload.msgtype)}`);
  }
}

function judgeText(text: string, most: number): VendorSays {
  if (text === "") return invalid("empty content");
  const bytes = Buffer.byteLength(text);
  return bytes > most
    ? invalid(`content exceed max length. invalid Request Parameter, ${bytes} > ${most}`)
    : OK;
}

function invalid(errmsg: string): VendorSays {
  return { errcode: 40058, errmsg };
}

function imageOf(content: Record<string, unknown>): Buffer | undefined {
  const bytes = Buffer.from(String(content.base64 ?? ""), "base64");
  const md5 = createHash("md5").update(bytes).digest("hex");
  return bytes.length > 0 && md5 === content.md5 ? bytes : undefined;
}

function isPicture(bytes: Buffer): boolean {
  return (
    bytes.subarray(0, 4).equals(Buffer.from("\x89PNG", "latin1")) || (bytes[0] === 0xff && bytes[1] === 0xd8)
  );
}
