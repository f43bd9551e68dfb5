// What POST /send carries, and the session that it asks for.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { ChatType, ReplyMatching } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { CreateSessionRequestSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { z } from "zod";
import { dataUrlBytes, imageTypeOf, MAX_IMAGE_BYTES } from "../image.ts";

/** How long people have when a request does not say: what the earlier server gave. */
export const UNSAID_TIMEOUT_S = 300;

const MAX_IMAGES = 10;
const MAX_IMAGES_BYTES = 6 * 1024 * 1024;

const wholeSeconds = z.union([
  z.int(),
  z
    .string()
    .regex(/^\s*-?\d{1,15}\s*$/)
    .transform(Number),
]);

/** The fields that count. Others are ignored, so that clients of every version pass. */
export const sendRequest = z.object({
  message: z.string(),
  chat_id: z.string().nullish(),
  chat_type: z.string().nullish(),
  images: z.array(z.string()).nullish(),
  mention_list: z.array(z.string()).nullish(),
  project_name: z.string().nullish(),
  timeout: wholeSeconds.nullish(),
  wait_reply: z.boolean().nullish(),
  request_id: z.string().nullish(),
  tenant_id: z.string().nullish(),
  sensitive: z.boolean().nullish(),
});

export type SendRequest = z.infer<typeof sendRequest>;

/** The session that a request asks for, and how many of its pictures cannot be shown. */
export interface Asked {
  readonly session: MessageInitShape<typeof CreateSessionRequestSchema>;
  readonly skippedImages: number;
}

/**
 * Maps a request. `chatId` is "" only for a robot that needs none. `requestId` is "" where the client
 * names no attempt.
 *
 * A request that waits and names no timeout may be a question, or a notice of the earliest client, which sends
 * both alike: it is answered by quoting until somebody polls for it.
 */
export function toSession(given: SendRequest, chatId: string, channelId: string, requestId: string): Asked {
  const waits = given.wait_reply ?? true;
  const unsaid = given.timeout === undefined || given.timeout === null;
  const seconds = unsaid ? UNSAID_TIMEOUT_S : given.timeout;
  const { kept, skipped } = pickImages(given.images ?? []);
  return {
    skippedImages: skipped,
    session: {
      requestId,
      projectName: toProjectName(given.project_name ?? ""),
      body: given.message,
      interaction: {
        kind: waits ? { case: "text", value: {} } : { case: "notice", value: { untagged: true } },
      },
      audience: {
        targets: [{ channelId, chatId, chatType: toChatType(given.chat_type) }],
        mentions: given.mention_list ?? [],
        replyMatching: !waits
          ? ReplyMatching.UNSPECIFIED
          : unsaid
            ? ReplyMatching.QUOTED_UNTIL_WAITED
            : ReplyMatching.PLAIN,
      },
      // A notice that names no timeout gets the tenant's life for notices.
      ...(waits || !unsaid ? { timeout: { seconds: BigInt(seconds!) } } : {}),
      clientName: "hil-mcp",
      sensitive: given.sensitive ?? false,
      attachments: kept.map((data, index) => ({ name: `image-${index + 1}`, data })),
    },
  };
}

/** The earlier client says "group" of every chat, so only "single" tells anything. */
function toChatType(given: string | null | undefined): ChatType {
  return given === "single" ? ChatType.SINGLE : ChatType.UNSPECIFIED;
}

/** A name that fits the tag "[#short_id name]": one line, no "]", at most 100 characters. */
export function toProjectName(given: string): string {
  const line = given
    .replace(/[\r\n]+/g, " ")
    .replaceAll("]", "")
    .trim();
  return [...line].slice(0, 100).join("");
}

/** Takes the pictures that can be shown, in order, up to the limits; a bad one never stops the message. */
function pickImages(urls: readonly string[]): { kept: Buffer[]; skipped: number } {
  const kept: Buffer[] = [];
  let total = 0;
  for (const url of urls) {
    const bytes = dataUrlBytes(url);
    const type = bytes && imageTypeOf(bytes);
    if (!bytes || (type !== "image/png" && type !== "image/jpeg")) continue;
    if (bytes.length > MAX_IMAGE_BYTES || total + bytes.length > MAX_IMAGES_BYTES) continue;
    if (kept.length === MAX_IMAGES) break;
    kept.push(bytes);
    total += bytes.length;
  }
  return { kept, skipped: urls.length - kept.length };
}
