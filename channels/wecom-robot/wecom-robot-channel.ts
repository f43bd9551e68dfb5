import { createHash } from "node:crypto";
import { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { Dispatcher } from "undici";
import type { Message, SendingChannel, SendTarget } from "../channel.ts";
import type { WecomRobotConfig } from "./config.ts";
import { createPace } from "./pace.ts";
import { renderNotice, renderSession } from "./render.ts";
import { testMessage } from "./texts.ts";
import { createWebhookClient } from "./webhook-client.ts";

export const WECOM_ROBOT_ID = "wecom-robot";

/** What a call-back robot takes from all chats together. */
const ROBOT_CALLS_PER_MINUTE = 10_000;
/** How many sends of one robot may be under way at once. */
export const WECOM_ROBOT_CONCURRENCY = 16;

export interface WecomRobotOptions {
  readonly now: () => Date;
  /** Default: "wecom-robot". */
  readonly id?: string;
  /** The name to show. Default: what kind of robot it is. */
  readonly name?: string;
  /** What calls the vendor, where a tenant chose the address. Default: what the configuration says. Not closed here. */
  readonly dispatcher?: Dispatcher | undefined;
}

/**
 * A WeCom group robot: the call-back robot that sends to chats, or the webhook of one group.
 *
 * A call-back robot sends a message without a chat to every group it is in. So one chat, by its id, is required:
 * none, several ("a|b") and the vendor's words for all ("@all…") are refused before anything is sent.
 */
export function createWecomRobotChannel(
  config: WecomRobotConfig,
  { now, id = WECOM_ROBOT_ID, name, dispatcher }: WecomRobotOptions,
): SendingChannel {
  const inChat = config.kind === "callback";
  const robotPerMinute = inChat ? ROBOT_CALLS_PER_MINUTE : config.messagesPerMinute;
  const chatPerMinute = inChat ? config.messagesPerMinute : 0;
  const pace = createPace({ robotPerMinute, chatPerMinute, now });
  const client =
    config.botKey === undefined
      ? undefined
      : createWebhookClient({ ...config, botKey: config.botKey }, { now, dispatcher });
  const refusal = (target: SendTarget) => (inChat ? chatRefusal(target.chatId) : undefined);
  const line = (target: SendTarget) => (inChat ? target.chatId : "");

  return {
    mode: "sends",
    id,
    kind: Channel_Kind.WECOM_ROBOT,
    name: name || (inChat ? "WeCom robot" : "WeCom group webhook"),
    capabilities: {
      needsChat: inChat,
      replies: inChat,
      images: true,
      maxTextBytes: config.maxTextBytes,
      messagesPerMinute: config.messagesPerMinute,
    },
    missing: client ? undefined : "no robot is configured: set BOT_KEY; the question is shown in the console",
    concurrency: WECOM_ROBOT_CONCURRENCY,
    refusal,
    line,
    renderSession: (session, words) => renderSession(session, config, { inChat }, words),
    renderNotice: (markdown) => renderNotice(markdown, config),
    renderTest: (locale, time) => [{ kind: "text", text: testMessage(locale, time), mentions: [] }],
    limits: (target) => [
      { name: "", perMinute: robotPerMinute },
      { name: line(target), perMinute: chatPerMinute },
    ],
    turnMs: (target) => pace.turnMs(line(target)),
    async send(message, target, signal) {
      if (!client) return { kind: "refused", reason: "no robot is configured: set BOT_KEY", broken: false };
      const refused = refusal(target);
      if (refused !== undefined) return { kind: "refused", reason: refused, broken: false };
      const body = { ...(inChat ? { chatid: target.chatId } : {}), ...vendorMessage(message) };
      const outcome = await client.post(JSON.stringify(body), signal);
      // The vendor's pauses are the key's: what other chats send meanwhile would be refused too.
      if (outcome.kind === "retryable" && outcome.retryAfterMs !== undefined) pace.stop(outcome.retryAfterMs);
      return outcome;
    },
    close: async () => client?.close(),
  };
}

/** Why a call-back robot may not send to this chat. Undefined: it may. */
function chatRefusal(chatId: string): string | undefined {
  if (chatId.trim() === "") {
    return "CHAT_REQUIRED: the robot sends to one chat, and none is named; set chat_id (without one the robot would write to all its groups)";
  }
  if (chatId.includes("|") || chatId.trim().startsWith("@all")) {
    return "CHAT_REQUIRED: chat_id must name one chat; lists and @all are not sent to";
  }
  return undefined;
}

function vendorMessage(message: Message): Record<string, unknown> {
  switch (message.kind) {
    case "text":
      return {
        msgtype: "text",
        text: {
          content: message.text,
          ...(message.mentions.length > 0 ? { mentioned_list: message.mentions } : {}),
        },
      };
    case "markdown":
      return { msgtype: "markdown", markdown: { content: message.text } };
    case "image":
      return {
        msgtype: "image",
        image: {
          base64: Buffer.from(message.data).toString("base64"),
          md5: createHash("md5").update(message.data).digest("hex"),
        },
      };
  }
}
