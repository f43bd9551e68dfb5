// Reads what the call-back robot of WeCom sends.
//
// The body is hostile: whoever knows the address can send one. Only the fields named here are ever looked at,
// so nesting, foreign keys and "__proto__" elsewhere cost nothing and reach nobody. `webhook_url` and
// `get_chat_info_url` carry credentials and are not read at all.

import { z } from "zod";
import type { DecodedInbound, DecodeResult } from "../inbound.ts";
import { cutMention, splitQuotation } from "./quotation.ts";

/** The largest body that is read. */
export const MAX_BODY_BYTES = 64 * 1024;
const MAX_ID_CHARS = 200;
const MAX_TEXT_CHARS = 50_000;
const MAX_IMAGES = 20;
const MAX_URL_CHARS = 4_000;
const MAX_ITEMS = 100;

const CONTROL = /\p{Cc}/u;

const id = z
  .string()
  .max(MAX_ID_CHARS, `is longer than ${MAX_ID_CHARS} characters`)
  .refine((text) => text.isWellFormed() && !CONTROL.test(text), "holds control characters");
/** Names are for people to read: what does not fit is cut. */
const name = z
  .string()
  .transform((text) => [...text.toWellFormed().replace(/\p{Cc}/gu, " ")].slice(0, MAX_ID_CHARS).join(""))
  .catch("");
const words = z.string().transform((text) => text.toWellFormed().replaceAll("\0", ""));
/** A number that JSON cannot carry exactly would make two messages one, so it counts as no id. */
const messageId = z.union([
  id,
  z.number().transform((number) => (Number.isSafeInteger(number) ? `${number}` : "")),
]);

const text = z.object({ content: words.nullish() });
const image = z.object({ image_url: z.string().nullish(), url: z.string().nullish() });
const item = z.object({
  msg_type: z.string().nullish(),
  msgtype: z.string().nullish(),
  text: text.nullish(),
  image: image.nullish(),
});
const mixed = z.object({ msg_item: z.array(item).max(MAX_ITEMS, `has more than ${MAX_ITEMS} items`) });
const quote = z.object({
  text: text.nullish().catch(undefined),
  mixed: mixed.nullish().catch(undefined),
  mixed_message: mixed.nullish().catch(undefined),
});
const from = z.object({ userid: id.nullish(), name: name.nullish(), alias: name.nullish() });
const message = z.object({
  chatid: id.nullish(),
  chattype: z.string().max(MAX_ID_CHARS).nullish(),
  msgtype: z.string("is missing").min(1, "is missing").max(50),
  msgid: messageId.nullish(),
  from: from.nullish(),
  text: text.nullish(),
  image: image.nullish(),
  mixed: mixed.nullish(),
  mixed_message: mixed.nullish(),
  // A quotation that cannot be read is no reason to lose the answer beside it.
  quote: quote.nullish().catch(undefined),
});

type Message = z.infer<typeof message>;
type Item = z.infer<typeof item>;

/** Reads a callback body (UTF-8 JSON, at most 64 KiB). Refuses what is not a message; keeps kinds it does not know. */
export function decodeWecomRobot(body: Uint8Array): DecodeResult {
  if (body.length > MAX_BODY_BYTES) return refused(`the body is larger than ${MAX_BODY_BYTES} bytes`);
  const parsed = parseJson(body);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return refused("the body is not a JSON object in UTF-8");
  }
  const result = message.safeParse(parsed);
  if (!result.success) {
    return refused(
      result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "),
    );
  }
  return read(result.data);
}

function read(given: Message): DecodeResult {
  const chatType = given.chattype === "single" ? "single" : "group";
  const sender = {
    userId: given.from?.userid ?? "",
    name: given.from?.name ?? "",
    alias: given.from?.alias ?? "",
  };
  // In a private chat the vendor takes the person's id for the chat's.
  const chatId = given.chatid || (chatType === "single" ? sender.userId : "");
  const { kind, items } = contentOf(given);
  if (!chatId && kind !== "event") return refused("chatid: is missing");
  const content = textOf(items);
  if (content.length > MAX_TEXT_CHARS) return refused(`the text is longer than ${MAX_TEXT_CHARS} characters`);
  const written = splitQuotation(content);
  const imageUrls = items.map(imageOf).filter((url) => url !== "");
  const inbound: DecodedInbound = {
    kind,
    chatId,
    chatType,
    sender,
    vendorMessageId: given.msgid ?? "",
    text: written.text,
    quotedText: quotedTextOf(given) || written.quotedText,
    imageUrls: imageUrls.slice(0, MAX_IMAGES),
    vendorMessage: JSON.stringify({
      msgtype: given.msgtype,
      ...(given.msgid ? { msgid: given.msgid } : {}),
      chatid: chatId,
      chattype: chatType,
      from: { userid: sender.userId, name: sender.name, alias: sender.alias },
      ...vendorContentOf(given.msgtype, items),
    }),
  };
  return { kind: "decoded", inbound };
}

/** The parts of a message in their order. One that is not `mixed` has one. */
function contentOf(given: Message): { kind: DecodedInbound["kind"]; items: readonly Item[] } {
  switch (given.msgtype) {
    case "text":
      return { kind: "message", items: [{ msg_type: "text", text: given.text }] };
    case "image":
      return { kind: "message", items: [{ msg_type: "image", image: given.image }] };
    case "mixed":
      return { kind: "message", items: (given.mixed_message ?? given.mixed)?.msg_item ?? [] };
    case "event":
    case "enter_chat":
      return { kind: "event", items: [] };
    default:
      return { kind: "unknown", items: [] };
  }
}

/** The content as the vendor wrote it, with the two spellings of `mixed` made one. */
function vendorContentOf(msgtype: string, items: readonly Item[]): object {
  const parts = items.map((each) =>
    typeOf(each) === "image"
      ? { msg_type: "image", image: { image_url: imageOf(each) } }
      : { msg_type: "text", text: { content: each.text?.content ?? "" } },
  );
  if (msgtype === "mixed") return { mixed_message: { msg_item: parts } };
  const only = parts[0];
  if (!only) return {};
  return only.image ? { image: only.image } : { text: only.text };
}

function quotedTextOf(given: Message): string {
  const quoted = given.quote;
  if (!quoted) return "";
  const parts = (quoted.mixed ?? quoted.mixed_message)?.msg_item;
  return cutMention(parts ? textOf(parts) : (quoted.text?.content ?? ""));
}

function textOf(items: readonly Item[]): string {
  return items
    .filter((each) => typeOf(each) === "text")
    .map((each) => each.text?.content ?? "")
    .filter(Boolean)
    .join("\n");
}

/** The address of a picture; empty where there is none that a page could show safely. */
function imageOf(each: Item): string {
  if (typeOf(each) !== "image") return "";
  const url = each.image?.image_url || each.image?.url || "";
  return /^https?:\/\/\S+$/.test(url) && url.length <= MAX_URL_CHARS && url.isWellFormed() ? url : "";
}

function typeOf(each: Item): string {
  return each.msg_type ?? each.msgtype ?? "";
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined; // not UTF-8 or not JSON: the caller refuses both alike
  }
}

function refused(reason: string): DecodeResult {
  return { kind: "refused", reason };
}
