// What people are told about their replies, in the session's language.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type AnswerValue,
  type Interaction,
  type Option,
  type Session,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { ReadingFault } from "./read-reply.ts";

export type Locale = "zh-CN" | "en";

export type Guidance =
  | { readonly kind: "late"; readonly session: Session }
  | { readonly kind: "invalid"; readonly session: Session; readonly why: ReadingFault }
  | { readonly kind: "not_asked_here"; readonly session: Session }
  | { readonly kind: "not_a_responder"; readonly session: Session };

export function localeOf(session: Session): Locale {
  return session.locale === "en" ? "en" : "zh-CN";
}

/** The words for a person whose reply was not taken. */
export function guidanceOf(guidance: Guidance): string {
  const zh = localeOf(guidance.session) === "zh-CN";
  const tag = `[#${guidance.session.shortId}]`;
  switch (guidance.kind) {
    case "late":
      return `${tag} ${late(guidance.session, zh)}`;
    case "invalid":
      return `${tag} ${invalid(guidance.why, zh)}`;
    case "not_asked_here":
      return zh
        ? "这个问题没有发到本会话，你的回复没有被采用。"
        : "This question was not asked in this chat, so your reply was not taken.";
    case "not_a_responder":
      return zh
        ? `${tag} 这个问题指定了由谁来回答，不包括你，你的回复没有被采用。`
        : `${tag} This question is for particular people to answer, and you are not among them, so your reply was not taken.`;
  }
}

/** The labels of a confirmation that lists no options. */
export function yesAndNo(locale: Locale): { yes: string; no: string } {
  return locale === "zh-CN" ? { yes: "是", no: "否" } : { yes: "Yes", no: "No" };
}

/** An answer in words, as a person would say it. */
export function describeAnswer(interaction: Interaction | undefined, value: AnswerValue | undefined): string {
  const label = (options: readonly Option[], wanted: string) => {
    const option = options.find((each) => each.value === wanted);
    return option?.label || wanted;
  };
  switch (value?.kind.case) {
    case "text":
      return value.kind.value.text || value.kind.value.imageUrls.join(" ");
    case "confirmation":
      return interaction?.kind.case === "confirmation"
        ? label(interaction.kind.value.options, value.kind.value.value)
        : value.kind.value.value;
    case "selection": {
      const options = interaction?.kind.case === "selection" ? interaction.kind.value.options : [];
      return [...value.kind.value.values.map((each) => label(options, each)), value.kind.value.other]
        .filter(Boolean)
        .join(", ");
    }
    case undefined:
      return "";
  }
}

function late(session: Session, zh: boolean): string {
  const kept = zh
    ? "你的回复已作为迟到回复保留，提问方可以看到。"
    : "Your reply is kept as a late one, and the asker can read it.";
  switch (session.state) {
    case Session_State.ANSWERED: {
      const who = shorten(session.answer?.responder?.name || session.answer?.responder?.userId || "");
      const answer = shorten(describeAnswer(session.interaction, session.answer?.value));
      if (zh) return `这个问题已经${who ? `由 ${who} ` : ""}回答（${answer}）。${kept}`;
      return `This question has been answered${who ? ` by ${who}` : ""} (${answer}). ${kept}`;
    }
    case Session_State.EXPIRED: {
      const time = session.endTime
        ? timestampDate(session.endTime).toISOString().slice(0, 16).replace("T", " ")
        : "";
      return zh ? `这个问题已于 ${time} UTC 过期。${kept}` : `This question expired at ${time} UTC. ${kept}`;
    }
    case Session_State.CANCELLED:
      return zh ? `提问方已经取消这个问题。${kept}` : `The asker has taken this question back. ${kept}`;
    default:
      return zh ? `这个问题已经结束。${kept}` : `This question has ended. ${kept}`;
  }
}

function invalid(why: ReadingFault, zh: boolean): string {
  switch (why.kind) {
    case "empty":
      return zh
        ? "没有读到内容，请用文字或图片回复。"
        : "There was nothing to read; please reply with text or a picture.";
    case "too_short":
      return zh
        ? `回复太短，至少需要 ${why.least} 个字。`
        : `That is too short; please write at least ${why.least} characters.`;
    case "too_long":
      return zh
        ? `回复太长，最多 ${why.most} 个字。`
        : `That is too long; please write at most ${why.most} characters.`;
    case "no_such_option":
      return zh
        ? `没有看懂你的选择，问题仍在等待。请回复其中一项的编号或文字：\n${list(why.options)}`
        : `That is not one of the options; the question still waits. Please reply with the number or the words of one:\n${list(why.options)}`;
    case "wrong_count": {
      const count = why.least === why.most ? `${why.least}` : `${why.least}–${why.most}`;
      return zh
        ? `请选择 ${count} 项，用逗号分隔编号：\n${list(why.options)}`
        : `Please choose ${count}, with commas between the numbers:\n${list(why.options)}`;
    }
  }
}

function list(options: readonly Option[]): string {
  return options.map((option, index) => `${index + 1}. ${option.label || option.value}`).join("\n");
}

/** Short enough for one line, and without what a chat would take for a mention, a link, code or a tag of ours. */
function shorten(text: string): string {
  const points = [...text.replace(/[<>[\]`]/g, "").replace(/\s+/g, " ")];
  return points.length > 60 ? `${points.slice(0, 59).join("")}…` : points.join("");
}
