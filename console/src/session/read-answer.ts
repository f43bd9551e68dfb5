import { create } from "@bufbuild/protobuf";
import {
  type AnswerValue,
  AnswerValueSchema,
  type Interaction,
  type SelectionInteraction,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { AnswerDraft } from "./answer-draft.ts";

/** The longest text that the service takes, in characters. */
export const MAX_TEXT = 10_000;

/** Why a draft is not an answer yet. `limit` is the number that its sentence names. */
export interface Problem {
  readonly kind:
    | "text-empty"
    | "text-short"
    | "text-long"
    | "choice-missing"
    | "choices-few"
    | "choices-many"
    | "other-empty";
  readonly limit: number;
}

export type ReadAnswer =
  | { readonly kind: "ready"; readonly value: AnswerValue }
  | { readonly kind: "incomplete"; readonly problem: Problem };

/** Reads a draft as an answer. It finds early what the service would refuse; the service decides. */
export function readAnswer(interaction: Interaction | undefined, draft: AnswerDraft): ReadAnswer {
  const kind = interaction?.kind;
  switch (kind?.case) {
    case "text":
      return readText(draft.text, kind.value.minLength, kind.value.maxLength || MAX_TEXT);
    case "notice":
      return readText(draft.text, 0, MAX_TEXT);
    case "confirmation": {
      const [value] = draft.chosen;
      if (value === undefined) return incomplete("choice-missing");
      return ready({ case: "confirmation", value: { value } });
    }
    case "selection":
      return readSelection(kind.value, draft);
    case undefined:
      return incomplete("choice-missing");
  }
}

/** How many may be chosen: 0 in the contract stands for 1. */
export function choiceLimits(selection: SelectionInteraction): { least: number; most: number } {
  const least = selection.minChoices || 1;
  return { least, most: Math.max(selection.maxChoices || 1, least) };
}

/** Characters as the service counts them. */
export function lengthOf(text: string): number {
  return [...text].length;
}

function readText(written: string, least: number, most: number): ReadAnswer {
  const text = written.trim();
  const length = lengthOf(text);
  if (length === 0) return incomplete("text-empty");
  if (length < least) return incomplete("text-short", least);
  if (length > most) return incomplete("text-long", most);
  return ready({ case: "text", value: { text } });
}

function readSelection(selection: SelectionInteraction, draft: AnswerDraft): ReadAnswer {
  const { least, most } = choiceLimits(selection);
  const values = selection.options.map(({ value }) => value).filter((value) => draft.chosen.includes(value));
  const other = draft.otherChosen ? draft.other.trim() : "";
  if (draft.otherChosen && !other) return incomplete("other-empty");
  if (lengthOf(other) > MAX_TEXT) return incomplete("text-long", MAX_TEXT);
  const count = values.length + (other ? 1 : 0);
  if (count === 0 && most === 1) return incomplete("choice-missing");
  if (count < least) return incomplete("choices-few", least);
  if (count > most) return incomplete("choices-many", most);
  return ready({ case: "selection", value: { values, other } });
}

function ready(
  kind:
    | { case: "text"; value: { text: string } }
    | { case: "confirmation"; value: { value: string } }
    | { case: "selection"; value: { values: string[]; other: string } },
): ReadAnswer {
  return { kind: "ready", value: create(AnswerValueSchema, { kind }) };
}

function incomplete(kind: Problem["kind"], limit = 0): ReadAnswer {
  return { kind: "incomplete", problem: { kind, limit } };
}
