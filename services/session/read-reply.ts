// Reads what a person wrote as an answer to an interaction. What is not clearly an answer is not one: a
// half-read "yes, but …" would approve what the person did not.

import { create } from "@bufbuild/protobuf";
import {
  type AnswerValue,
  AnswerValueSchema,
  type Interaction,
  type Option,
} from "@hil/gen/hil/session/v1/session_pb.ts";

export type Reading =
  /** `note` is what stood below the answer, on lines of its own. */
  | { readonly kind: "value"; readonly value: AnswerValue; readonly note: string }
  | { readonly kind: "unreadable"; readonly why: ReadingFault };

/** Why a text is not an answer. */
export type ReadingFault =
  | { readonly kind: "empty" }
  | { readonly kind: "too_short"; readonly least: number }
  | { readonly kind: "too_long"; readonly most: number }
  | { readonly kind: "no_such_option"; readonly options: readonly Option[] }
  | {
      readonly kind: "wrong_count";
      readonly least: number;
      readonly most: number;
      readonly options: readonly Option[];
    };

export const MAX_TEXT_LENGTH = 10_000;

const YES = new Set(
  "yes y ok okay sure confirm confirmed approve approved agree agreed 是 是的 好 好的 行 可以 同意 确认 批准 通过 对 嗯 没问题".split(
    " ",
  ),
);
const NO = new Set(
  "no n nope cancel reject rejected deny denied refuse refused disagree 不 否 不行 不可以 不同意 不要 不用 拒绝 取消 驳回 不批准 不通过".split(
    " ",
  ),
);

/** How many choices a selection takes. */
export function choiceLimits(selection: { minChoices: number; maxChoices: number }): {
  least: number;
  most: number;
} {
  const least = selection.minChoices || 1;
  return { least, most: Math.max(selection.maxChoices || 1, least) };
}

export function readReply(interaction: Interaction, text: string, imageUrls: readonly string[]): Reading {
  const words = text.trim();
  switch (interaction.kind.case) {
    case "text":
      return readText(words, imageUrls, interaction.kind.value.minLength, interaction.kind.value.maxLength);
    case "notice":
      return readText(words, imageUrls, 0, 0);
    case "confirmation":
      return readConfirmation(interaction.kind.value.options, words);
    case "selection":
      return readSelection(interaction.kind.value, words);
    case undefined:
      return { kind: "unreadable", why: { kind: "empty" } };
  }
}

function readText(text: string, imageUrls: readonly string[], minLength: number, maxLength: number): Reading {
  const length = [...text].length;
  const most = maxLength || MAX_TEXT_LENGTH;
  if (length === 0 && imageUrls.length === 0) return { kind: "unreadable", why: { kind: "empty" } };
  if (length < minLength) return { kind: "unreadable", why: { kind: "too_short", least: minLength } };
  if (length > most) return { kind: "unreadable", why: { kind: "too_long", most } };
  const value = create(AnswerValueSchema, {
    kind: { case: "text", value: { text, imageUrls: [...imageUrls].slice(0, 20) } },
  });
  return { kind: "value", value, note: "" };
}

function readConfirmation(options: readonly Option[], text: string): Reading {
  const [first = "", ...below] = text.split("\n");
  const option = findOption(options, first) ?? findByWord(options, first);
  if (!option) return { kind: "unreadable", why: { kind: "no_such_option", options } };
  const value = create(AnswerValueSchema, { kind: { case: "confirmation", value: { value: option.value } } });
  return { kind: "value", value, note: below.join("\n").trim() };
}

function readSelection(
  selection: { options: Option[]; minChoices: number; maxChoices: number; otherAllowed: boolean },
  text: string,
): Reading {
  const { options, otherAllowed } = selection;
  const { least, most } = choiceLimits(selection);
  const [first = "", ...below] = text.split("\n");
  const chosen = findOptions(options, first);
  if (!chosen) {
    if (!otherAllowed || text === "") return { kind: "unreadable", why: { kind: "no_such_option", options } };
    return { kind: "value", value: selectionOf([], text), note: "" };
  }
  if (chosen.length < least || chosen.length > most) {
    return { kind: "unreadable", why: { kind: "wrong_count", least, most, options } };
  }
  const values = options.filter((option) => chosen.includes(option)).map((option) => option.value);
  return { kind: "value", value: selectionOf(values, ""), note: below.join("\n").trim() };
}

function selectionOf(values: string[], other: string): AnswerValue {
  return create(AnswerValueSchema, { kind: { case: "selection", value: { values, other } } });
}

/** One option named as a whole, or several separated by commas, spaces or 和. Undefined where a part names none. */
function findOptions(options: readonly Option[], line: string): Option[] | undefined {
  const whole = findOption(options, line);
  if (whole) return [whole];
  for (const separator of [/[,，、;；]/, /[\s,，、;；和]+/]) {
    const parts = line
      .split(separator)
      .map((part) => part.trim())
      .filter(Boolean);
    const found = parts.map((part) => findOption(options, part));
    if (parts.length > 0 && found.every((each) => each !== undefined)) return [...new Set(found as Option[])];
  }
  return undefined;
}

/** By value or label; by position only where no option is called like that number. */
function findOption(options: readonly Option[], text: string): Option | undefined {
  const wanted = plain(text);
  if (wanted === "") return undefined;
  const named = options.filter((option) => plain(option.value) === wanted || plain(option.label) === wanted);
  if (named.length === 1) return named[0];
  if (named.length > 1) return undefined;
  return /^\d{1,3}$/.test(wanted) ? options[Number(wanted) - 1] : undefined;
}

/** A word of consent or refusal, where exactly one option stands for each. */
function findByWord(options: readonly Option[], text: string): Option | undefined {
  const word = plain(text);
  const consenting = options.filter((option) => !option.refuses);
  const refusing = options.filter((option) => option.refuses);
  if (YES.has(word) && consenting.length === 1) return consenting[0];
  if (NO.has(word) && refusing.length === 1) return refusing[0];
  return undefined;
}

/** Lower case, full-width digits as digits, without surrounding space and closing punctuation. */
function plain(text: string): string {
  return text
    .normalize("NFKC")
    .trim()
    .toLowerCase()
    .replace(/[.。!！)）、]+$/u, "")
    .trim();
}
