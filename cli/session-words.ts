// Sessions in words for a terminal.

import {
  type Answer,
  type AnswerValue,
  type DeliverySummary,
  DeliverySummary_State,
  type Interaction,
  type Responder,
  type Session,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { oneLine, printable } from "./table.ts";
import type { Translate } from "./terminal.ts";

/** What a script gets of an answer: the text, or the values of the chosen options, one on each line. */
export function valueLines(value: AnswerValue): string[] {
  switch (value.kind.case) {
    case "text":
      return [
        ...(value.kind.value.text === "" ? [] : [value.kind.value.text]),
        ...value.kind.value.imageUrls,
      ];
    case "confirmation":
      return [value.kind.value.value];
    case "selection":
      return [...value.kind.value.values, ...(value.kind.value.other === "" ? [] : [value.kind.value.other])];
    case undefined:
      return [];
  }
}

/** The one line that says what is asked. */
export function headline(session: Session): string {
  return oneLine(session.title || session.body.split("\n").find((line) => line.trim() !== "") || "");
}

/** Who answered and where: "Li Lei in wecom-robot". */
export function answeredBy(answer: Answer, t: Translate): string {
  const name = nameOf(answer.responder);
  const channel = oneLine(answer.channelId);
  return name ? t(`${name} in ${channel}`, `${name}（${channel}）`) : channel;
}

export function nameOf(responder: Responder | undefined): string {
  return oneLine(responder?.name || responder?.userId || responder?.principalId || "");
}

export function stateWord(state: Session_State, t: Translate): string {
  switch (state) {
    case Session_State.OPEN:
      return t("waiting", "等待中");
    case Session_State.ANSWERED:
      return t("answered", "已回答");
    case Session_State.EXPIRED:
      return t("expired", "已超时");
    case Session_State.CANCELLED:
      return t("cancelled", "已取消");
    case Session_State.UNDELIVERABLE:
      return t("undeliverable", "无法送达");
    default:
      return t("unknown", "未知");
  }
}

/** One line about a delivery that a person may want to act on. */
export function deliveryLine(delivery: DeliverySummary, t: Translate): string {
  const where = oneLine(
    [delivery.target?.channelId, delivery.target?.chatId].filter(Boolean).join(" ") || t("chat", "会话"),
  );
  const why = delivery.reason ? `: ${oneLine(delivery.reason)}` : "";
  switch (delivery.state) {
    case DeliverySummary_State.SENT:
      return t(`sent to ${where}`, `已发送到 ${where}`);
    case DeliverySummary_State.UNKNOWN:
      return t(
        `may or may not have reached ${where}; it is tried again${why}`,
        `不确定是否送达 ${where}，会重试${why}`,
      );
    case DeliverySummary_State.FAILED:
      return t(`could not be sent to ${where}${why}`, `无法发送到 ${where}${why}`);
    case DeliverySummary_State.SUPPRESSED:
      return t(`not sent to ${where}${why}`, `未发送到 ${where}${why}`);
    default:
      return t(`on its way to ${where}${why}`, `正在发送到 ${where}${why}`);
  }
}

/** The options with their numbers, or what kind of text is asked for. */
export function interactionLines(interaction: Interaction | undefined, t: Translate): string[] {
  switch (interaction?.kind.case) {
    case "confirmation":
    case "selection":
      return interaction.kind.value.options.map((option, at) => {
        const label = oneLine(option.label || option.value);
        const value = option.label && option.label !== option.value ? ` (${oneLine(option.value)})` : "";
        const says = option.description ? ` · ${oneLine(option.description)}` : "";
        return `  ${at + 1}. ${label}${value}${says}`;
      });
    case "text":
      return [t("  Free text.", "  自由文本。")];
    case "notice":
      return [t("  A notice; no answer is waited for.", "  通知，无需回答。")];
    case undefined:
      return [t("  A kind of question that this version does not know.", "  当前版本不认识的提问类型。")];
  }
}

/** An answer as people read it: labels instead of values. */
export function answerWords(session: Session, value: AnswerValue): string {
  const kind = session.interaction?.kind;
  const options = kind?.case === "confirmation" || kind?.case === "selection" ? kind.value.options : [];
  const labels = new Map(options.map((option) => [option.value, option.label || option.value]));
  return valueLines(value)
    .map((line) => printable(labels.get(line) ?? line))
    .join(kind?.case === "selection" ? ", " : "\n");
}
