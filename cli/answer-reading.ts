// Reads what a person typed after `hil answer` as a value. What names no option clearly is refused here, with
// the options; whether the value fits in length and number is the server's to say.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type AnswerValue,
  AnswerValueSchema,
  type Interaction,
  type Option,
} from "@hil/gen/hil/session/v1/session_pb.ts";

export type Reading =
  | { readonly kind: "value"; readonly value: AnswerValue }
  /** The text names none of these, or more than one. */
  | { readonly kind: "unclear"; readonly options: readonly Option[] }
  /** The session asks for something that this version does not know. */
  | { readonly kind: "unsupported" };

const YES = new Set("yes y ok true 是 好 好的 可以 同意 确认 批准 通过".split(" "));
const NO = new Set("no n false 否 不 不行 不可以 不同意 拒绝 取消 驳回".split(" "));

/** Options by value, label or number, yes and no by words of their own, several separated by commas. */
export function readAnswer(interaction: Interaction, text: string): Reading {
  const { kind } = interaction;
  switch (kind.case) {
    case "text":
    case "notice":
      return reading({ case: "text", value: { text } });
    case "confirmation": {
      const option = findOption(kind.value.options, text) ?? findByWord(kind.value.options, text);
      if (!option) return { kind: "unclear", options: kind.value.options };
      return reading({ case: "confirmation", value: { value: option.value } });
    }
    case "selection": {
      const chosen = findOptions(kind.value.options, text);
      if (chosen) {
        const values = kind.value.options
          .filter((option) => chosen.includes(option))
          .map(({ value }) => value);
        return reading({ case: "selection", value: { values } });
      }
      if (!kind.value.otherAllowed || text.trim() === "")
        return { kind: "unclear", options: kind.value.options };
      return reading({ case: "selection", value: { other: text.trim() } });
    }
    case undefined:
      return { kind: "unsupported" };
  }
}

function reading(kind: MessageInitShape<typeof AnswerValueSchema>["kind"]): Reading {
  return { kind: "value", value: create(AnswerValueSchema, { kind }) };
}

function findOptions(options: readonly Option[], text: string): Option[] | undefined {
  const whole = findOption(options, text);
  if (whole) return [whole];
  const found = text
    .split(/[,，、;；]/)
    .filter((part) => part.trim() !== "")
    .map((part) => findOption(options, part));
  return found.length > 0 && found.every((option) => option !== undefined) ? found : undefined;
}

/** A number names an option by its place only where no option is called like that number. */
function findOption(options: readonly Option[], text: string): Option | undefined {
  const wanted = plain(text);
  if (wanted === "") return undefined;
  const named = options.filter((option) => plain(option.value) === wanted || plain(option.label) === wanted);
  if (named.length > 0) return named.length === 1 ? named[0] : undefined;
  return /^\d{1,3}$/.test(wanted) ? options[Number(wanted) - 1] : undefined;
}

function findByWord(options: readonly Option[], text: string): Option | undefined {
  const word = plain(text);
  const consenting = options.filter((option) => !option.refuses);
  const refusing = options.filter((option) => option.refuses);
  if (YES.has(word) && consenting.length === 1) return consenting[0];
  if (NO.has(word) && refusing.length === 1) return refusing[0];
  return undefined;
}

function plain(text: string): string {
  return text.normalize("NFKC").trim().toLowerCase();
}
