// The words of ours in messages of the robot.

import type { Locale } from "../channel.ts";

/** What a person is asked to do with a message. */
export type Ask =
  | { readonly kind: "text" }
  | {
      readonly kind: "choose";
      readonly least: number;
      readonly most: number;
      readonly otherAllowed: boolean;
    };

/**
 * The last line of a question. `inChat`: the robot hears replies. `quotedOnly`: only a reply that quotes the
 * question counts.
 */
export function closingLine(
  ask: Ask,
  { inChat, quotedOnly, locale }: { inChat: boolean; quotedOnly: boolean; locale: Locale },
): string {
  if (locale === "zh-CN") {
    if (!inChat) return "请在 HIL 控制台中回答（本群机器人收不到回复）。";
    const how = quotedOnly ? "请引用本消息" : "请引用本消息或 @我";
    if (ask.kind === "text") return `${how} 回复。`;
    const count = ask.most > 1 ? `（${span(ask.least, ask.most)} 项，用逗号分隔）` : "";
    return `${how} 回复选项的编号或文字${count}${ask.otherAllowed ? "，也可以写其他内容" : ""}。`;
  }
  if (!inChat) return "Please answer in the HIL console (this robot cannot read replies).";
  const how = quotedOnly ? "Please quote this message" : "Please quote this message or mention me";
  if (ask.kind === "text") return `${how} to reply.`;
  const count = ask.most > 1 ? `, ${span(ask.least, ask.most)} of them with commas between` : "";
  return `${how}, and reply with the number or the words of an option${count}${ask.otherAllowed ? ", or write something else" : ""}.`;
}

/** Until when a reply counts, and what happens without one. `withinMs`: from when the question was asked. */
export function deadlineLine(withinMs: number, defaultAnswer: string | undefined, locale: Locale): string {
  if (locale === "zh-CN") {
    const time = `请在 ${duration(withinMs, locale)}内回复`;
    return defaultAnswer === undefined
      ? `${time}。`
      : `${time}；到时无人回复，将按「${defaultAnswer}」处理。`;
  }
  const time = `Please reply within ${duration(withinMs, locale)}`;
  return defaultAnswer === undefined
    ? `${time}.`
    : `${time}; if nobody does, the answer will be “${defaultAnswer}”.`;
}

export function cutNotice(locale: Locale): string {
  return locale === "zh-CN"
    ? "……（内容过长，其余部分请在 HIL 控制台中查看）"
    : "… (too long to show here; the HIL console has the rest)";
}

export function dangerMark(locale: Locale): string {
  return locale === "zh-CN" ? "（⚠ 不可撤销）" : " (⚠ cannot be undone)";
}

export function testMessage(locale: Locale, now: Date): string {
  const time = now
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC");
  return locale === "zh-CN"
    ? `HIL 测试消息：本通道可以发送。\n${time}`
    : `A test message from HIL: this channel can send.\n${time}`;
}

function span(least: number, most: number): string {
  return least === most ? `${most}` : `${least}–${most}`;
}

/** In the largest unit that loses less than a tenth: "90 minutes", "26 hours", "3 days". */
function duration(ms: number, locale: Locale): string {
  const units = [
    { ms: 86_400_000, zh: "天", en: "day" },
    { ms: 3_600_000, zh: "小时", en: "hour" },
    { ms: 60_000, zh: "分钟", en: "minute" },
    { ms: 1000, zh: "秒", en: "second" },
  ];
  const unit =
    units.find((each) => ms >= each.ms && ms - Math.floor(ms / each.ms) * each.ms < ms / 10) ?? units[3]!;
  const count = Math.max(1, Math.floor(ms / unit.ms));
  return locale === "zh-CN" ? `${count} ${unit.zh}` : `${count} ${unit.en}${count === 1 ? "" : "s"}`;
}
