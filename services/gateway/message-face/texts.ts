// Sentences of the message face that agents and people read.

/** Words that the earlier server used, kept to the letter: clients and scripts look for them. */
export const SENT = "消息发送成功";
export const POLL_UNKNOWN = "会话不存在或已过期";
export const pollStatus = (status: string) => `会话状态: ${status}`;

export interface Texts {
  readonly chatRequired: string;
  readonly consoleOnly: string;
  readonly underWay: string;
  readonly noRelay: string;
  readonly notSent: (reason: string) => string;
  readonly skippedImages: (count: number) => string;
  readonly notAnImage: string;
  readonly imageTooLarge: string;
  readonly oneFile: string;
}

const zh: Texts = {
  chatRequired:
    "缺少 chat_id：请在客户端设置 --chat-id（或 DEFAULT_CHAT_ID）。在群里 @机器人 发一条消息，它会回复该群的 chat_id。",
  consoleOnly: "没有配置机器人（BOT_KEY）：消息没有发到聊天，只显示在控制台，可以在控制台回复。",
  underWay: "消息已保存，尚未发出，正在重试发送。",
  noRelay: "消息已保存，尚未发出：没有中转（worker）接入。中转接入后立即发送，直到截止时间。",
  notSent: (reason) => `消息未能发出${reason ? `：${reason}` : ""}`,
  skippedImages: (count) =>
    `（${count} 张图片未发送：只支持不超过 2 MiB 的 PNG 或 JPEG，最多 10 张、共 6 MiB）`,
  notAnImage: "文件不是 PNG、JPEG、GIF 或 WebP 图片。",
  imageTooLarge: "图片超过 2 MiB。",
  oneFile: "每次请只上传一个文件。",
};

const en: Texts = {
  chatRequired:
    "chat_id is missing: set --chat-id (or DEFAULT_CHAT_ID) in the client. Mention the robot in the group and it answers with the group's chat_id.",
  consoleOnly:
    "no robot is set up (BOT_KEY): the message was not sent to a chat; it is shown in the console and can be answered there.",
  underWay: "the message is stored and not sent yet; sending is being retried.",
  noRelay:
    "the message is stored and not sent yet: no relay (worker) is attached. It is sent as soon as one is, up to its deadline.",
  notSent: (reason) => `the message could not be sent${reason ? `: ${reason}` : ""}`,
  skippedImages: (count) =>
    ` (${count} pictures were left out: PNG or JPEG of at most 2 MiB each, at most 10 and 6 MiB together)`,
  notAnImage: "the file is not a PNG, JPEG, GIF or WebP picture.",
  imageTooLarge: "the picture is larger than 2 MiB.",
  oneFile: "upload one file at a time.",
};

export function textsOf(locale: "zh-CN" | "en"): Texts {
  return locale === "en" ? en : zh;
}
