// What people are told about messages that are no answer. Words of people and agents in them are hostile.

import { type MessageTemplate, MessageTemplate_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Inbound } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ChatType, type Session, Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";
import { renderTemplate, templateFor } from "@hil/platform/templates/message-template.ts";
import { plainWords } from "./plain-words.ts";

export type Locale = "zh-CN" | "en";

/** Words for a chat, as Markdown. */
export interface Texts {
  /** Nothing waits for a reply here; and this is the chat's id, for whoever sets an agent up. */
  chatIdHint(inbound: Inbound): string;
  /** Several questions wait, or were named; and this is how to say which. `sessions` newest first, at least one. */
  severalHint(name: string, sessions: readonly Session[]): string;
  /** Questions of several askers who know nothing of each other wait; and this is how to say which is meant. */
  quoteHint(name: string): string;
  /** This chat was asked no question of this number. */
  unknownTag(shortId: string): string;
  /** The question of this number has ended. */
  closedTag(shortId: string, outcome: Session_Outcome | undefined): string;
  /** The sender may not answer the question of this number. */
  notAllowed(shortId: string): string;
  /** The sender is the member of this name from now on. */
  linked(name: string): string;
  /** The code is wrong, used, or too old. */
  readonly linkInvalid: string;
  /** The sender is another member already. */
  readonly linkTaken: string;
  /** The sender sent too many wrong codes. */
  readonly linkTooMany: string;
  /** The vendor does not say who the sender is. */
  readonly linkNobody: string;
}

const MAX_NAME_CHARS = 40;
const MAX_PROJECT_CHARS = 40;
const FIRST_CHARS = 30;
const MAX_LINES = 5;
/**
 * The first tag of a list with an invisible mark before it. A tenant's words may end with a colon where the list
 * begins; with the mark the first tag does not look like the head of a question when the list is quoted (see below).
 */
const NOT_LEADING = "\u200b[#";

/** Makes the texts. `timeOfDay` gives the time as people read it: "11:04:05". */
export function createTexts({
  locale,
  templates,
  timeOfDay,
}: {
  locale: Locale;
  /** The tenant's own words for some of them. */
  templates: readonly MessageTemplate[];
  timeOfDay: () => string;
}): Texts {
  const words = locale === "en" ? english : chinese;
  return {
    ...words,
    chatIdHint({ sender, chatId, chatType }) {
      const hint: ChatIdHint = {
        name: plainWords(sender?.name ?? "", MAX_NAME_CHARS),
        chatId: chatId.replaceAll("`", "'"),
        chatType: words.chatType(chatType),
        time: timeOfDay(),
      };
      const template = templateFor(templates, MessageTemplate_Kind.CHAT_ID_HINT, locale);
      if (template === undefined) return words.chatIdHint(hint);
      return renderTemplate(template, {
        chat_id: hint.chatId,
        chat_type: hint.chatType,
        sender: hint.name,
      });
    },
    severalHint(name, sessions) {
      const count = sessions.length;
      const lines = sessions.slice(0, MAX_LINES).map(lineOf).join("\n");
      const more = count > MAX_LINES ? `\n${words.more(count - MAX_LINES)}` : "";
      const hint: SeveralHint = {
        name: plainWords(name, MAX_NAME_CHARS),
        count,
        candidates: lines + more,
        example: sessions[0]?.shortId ?? "",
      };
      const template = templateFor(templates, MessageTemplate_Kind.SEVERAL_HINT, locale);
      if (template === undefined) return words.severalHint(hint);
      return renderTemplate(template, {
        sender: hint.name,
        candidates: hint.candidates.replace("[#", NOT_LEADING),
      });
    },
    quoteHint: (name) => words.quoteHint(plainWords(name, MAX_NAME_CHARS)),
    closedTag(shortId, outcome = Session_Outcome.UNSPECIFIED) {
      return words.closedTag(shortId, words.ended(outcome));
    },
    linked: (name) => words.linked(plainWords(name, MAX_NAME_CHARS)),
  };
}

function lineOf(session: Session, index: number): string {
  const project = plainWords(session.projectName, MAX_PROJECT_CHARS);
  const first = plainWords(session.title || session.body, FIRST_CHARS);
  return `${index + 1}. [#${session.shortId}]${project ? ` (${project})` : ""}: ${first}`;
}

interface ChatIdHint {
  readonly name: string;
  readonly chatId: string;
  readonly chatType: string;
  readonly time: string;
}

interface SeveralHint {
  readonly name: string;
  readonly count: number;
  readonly candidates: string;
  readonly example: string;
}

// The sentence above a list of tags ends with a full stop. Were it a colon, a client that drops the numbers of a
// quoted list would make its first tag look like the head of a question (LEADING in tag.ts).

const chinese = {
  chatType: (chatType: ChatType): string => (chatType === ChatType.SINGLE ? "私聊" : "群聊"),
  more: (count: number) => `……另有 ${count} 个`,
  chatIdHint: ({
    name,
    chatId,
    chatType,
    time,
  }: ChatIdHint) => `${name ? `${name}，您好！` : "您好！"}这里目前没有等待回复的问题。

**会话 ID**：\`${chatId}\`
**会话类型**：${chatType}
**时间**：${time}

如需把问题发到这里，请使用以下配置：
\`\`\`
DEFAULT_CHAT_ID=${chatId}
\`\`\``,
  severalHint: ({
    name,
    count,
    candidates,
    example,
  }: SeveralHint) => `${name ? `${name}，` : ""}这里有 ${count} 个问题在等待回复，无法确定您回答的是哪一个。

${candidates}

请使用**引用回复**：长按（电脑上右键单击）要回答的那条消息，选择“引用”，再写下回复。
也可以直接在开头输入编号，例如：\`#${example} 您的回复\``,
  quoteHint: (name: string) => `${name ? `${name}，` : ""}这里有多个问题在等待回复，无法确定您回答的是哪一个。

请使用**引用回复**：长按（电脑上右键单击）要回答的那条消息，选择“引用”，再写下回复。`,
  unknownTag: (shortId: string) =>
    `本会话没有编号为 #${shortId} 的问题，您的回复没有被采用。请核对编号，或到收到该问题的会话中引用原消息回复。`,
  closedTag: (shortId: string, ended: string) =>
    `问题 #${shortId} ${ended}。您的回复已作为迟到的回复保存，不会改变结果。`,
  notAllowed: (shortId: string) =>
    `问题 #${shortId} 只能由指定的人回答，您的回复没有被采用。如果您就是指定的人，请让管理员把您的账号关联到系统。`,
  linked: (name: string) => `已关联${name ? `：您现在是“${name}”` : ""}。以后您在这里的回复会记在这个名下。`,
  linkInvalid: "这个关联码无效：可能输错了、已经用过，或者已过期。请让管理员重新生成一个。",
  linkTaken: "您的账号已经关联到另一位成员，没有更改。如需更改，请联系管理员。",
  linkTooMany: "错误的关联码太多了，请过几分钟再试。",
  linkNobody: "这里看不到您是谁，无法关联。请联系管理员。",
  ended(outcome: Session_Outcome): string {
    switch (outcome) {
      case Session_Outcome.ANSWERED:
      case Session_Outcome.REJECTED:
        return "已经有人回答了";
      case Session_Outcome.EXPIRED:
        return "已经超时";
      case Session_Outcome.CANCELLED:
        return "已经被取消";
      default:
        return "已经结束";
    }
  },
};

const english: typeof chinese = {
  chatType: (chatType) => (chatType === ChatType.SINGLE ? "private" : "group"),
  more: (count) => `… and ${count} more`,
  chatIdHint: ({
    name,
    chatId,
    chatType,
    time,
  }) => `${name ? `Hello ${name}!` : "Hello!"} Nothing waits for a reply here.

**Chat id**: \`${chatId}\`
**Kind of chat**: ${chatType}
**Time**: ${time}

To send questions here, use this setting:
\`\`\`
DEFAULT_CHAT_ID=${chatId}
\`\`\``,
  severalHint: ({
    name,
    count,
    candidates,
    example,
  }) => `${name ? `${name}, ` : ""}${count === 1 ? "1 question waits" : `${count} questions wait`} for a reply here, and it is not clear which one you answer.

${candidates}

Please **reply with a quote**: press and hold the message (right-click on a computer), choose "Quote", and write your reply.
Or begin your reply with its number, for example: \`#${example} your reply\``,
  quoteHint: (
    name,
  ) => `${name ? `${name}, s` : "S"}everal questions wait for a reply here, and it is not clear which one you answer.

Please **reply with a quote**: press and hold the message (right-click on a computer), choose "Quote", and write your reply.`,
  unknownTag: (shortId) =>
    `This chat was not asked a question #${shortId}, so your reply was not taken. Please check the number, or quote the message in the chat that received it.`,
  closedTag: (shortId, ended) =>
    `Question #${shortId} ${ended}. Your reply is kept as a late one and changes nothing.`,
  notAllowed: (shortId) =>
    `Question #${shortId} can be answered only by certain people, so your reply was not taken. If you are one of them, ask an administrator to link your account.`,
  linked: (name) =>
    `Linked${name ? `: you are "${name}" now` : ""}. Your replies here count as that person's from now on.`,
  linkInvalid:
    "This code does not work: it may be mistyped, used, or too old. Please ask an administrator for a new one.",
  linkTaken:
    "Your account is linked to another member, and nothing was changed. Please ask an administrator to change it.",
  linkTooMany: "Too many wrong codes came from you. Please try again in a few minutes.",
  linkNobody: "The chat does not say who you are, so you cannot be linked here. Please ask an administrator.",
  ended(outcome) {
    switch (outcome) {
      case Session_Outcome.ANSWERED:
      case Session_Outcome.REJECTED:
        return "has been answered already";
      case Session_Outcome.EXPIRED:
        return "has expired";
      case Session_Outcome.CANCELLED:
        return "was cancelled";
      default:
        return "has ended";
    }
  },
};
