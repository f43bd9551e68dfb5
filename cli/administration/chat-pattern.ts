// Chats as people name them for a tenant's policy: "wecom-robot/wrk123", "wecom-robot" for all of a channel.

import { create } from "@bufbuild/protobuf";
import { type ChatPattern, ChatPatternSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { InvalidArgumentError } from "commander";

/** Reads `CHANNEL/CHAT`. A part that is missing or "*" stands for every one. */
export function readChatPattern(text: string): ChatPattern {
  const [channel = "", ...rest] = text.trim().split("/");
  const part = (word: string) => (word === "*" ? "" : word);
  if (channel === "" && rest.join("/") === "") {
    throw new InvalidArgumentError("write CHANNEL/CHAT, CHANNEL, */CHAT, or * for every chat");
  }
  return create(ChatPatternSchema, { channelId: part(channel), chatId: part(rest.join("/")) });
}

/** Reads every one of an option that may be repeated. */
export function collectChatPatterns(text: string, earlier: readonly ChatPattern[] = []): ChatPattern[] {
  return [...earlier, readChatPattern(text)];
}

export function isSameChat(one: ChatPattern, other: ChatPattern): boolean {
  return one.channelId === other.channelId && one.chatId === other.chatId;
}
