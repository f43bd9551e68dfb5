// The forms in which workflows give and read answers: {choice}, {selection}, {text}.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Answer, AnswerValueSchema, Interaction } from "@hil/gen/hil/session/v1/session_pb.ts";
import { z } from "zod";
import { BadRequest } from "../rest-error.ts";
import { parse, scalar } from "./interaction-data.ts";

/** What a `response` says, before the session service checks that it fits. */
export interface GivenResponse {
  readonly value: MessageInitShape<typeof AnswerValueSchema>;
  /** Words that the person added. */
  readonly note: string;
}

const choices = z.union([scalar.transform((one) => [one]), z.array(scalar)]);
const TEXT_KEYS = ["text", "input", "value", "answer", "content", "response"];

/**
 * Reads a `response`: an object as the earlier page sends it, or the bare value. For a text, an object with one
 * value is taken whatever its key is, as the page names it after its field. Throws a BadRequest.
 */
export function readResponse(response: unknown, interaction: Interaction | undefined): GivenResponse {
  const object = asObject(response);
  const note = object ? parse(z.string().nullish(), own(object, "comment"), "response.comment") : undefined;
  return { value: readValue(response, object, interaction), note: note ?? "" };
}

function readValue(
  response: unknown,
  object: Record<string, unknown> | undefined,
  interaction: Interaction | undefined,
): GivenResponse["value"] {
  switch (interaction?.kind.case) {
    case "confirmation": {
      const choice = object ? (own(object, "choice") ?? own(object, "value")) : response;
      if (choice === undefined || choice === null)
        throw new BadRequest('response.choice is missing; send {"choice": value}');
      return { kind: { case: "confirmation", value: { value: parse(scalar, choice, "response.choice") } } };
    }
    case "selection": {
      const selection = object ? (own(object, "selection") ?? own(object, "choice")) : response;
      const other = object ? parse(z.string().nullish(), own(object, "other"), "response.other") : undefined;
      if ((selection === undefined || selection === null) && !other) {
        throw new BadRequest(
          'response.selection is missing; send {"selection": value} or {"selection": [value, …]}',
        );
      }
      const values = parse(choices, selection ?? [], "response.selection");
      return { kind: { case: "selection", value: { values, other: other ?? "" } } };
    }
    default:
      return { kind: { case: "text", value: { text: readText(response, object) } } };
  }
}

function readText(response: unknown, object: Record<string, unknown> | undefined): string {
  if (!object) return parse(scalar, response, "response");
  const known = TEXT_KEYS.find((key) => own(object, key) !== undefined);
  const keys = Object.keys(object).filter((key) => key !== "comment");
  const key = known ?? (keys.length === 1 ? keys[0] : undefined);
  if (key === undefined) throw new BadRequest('response.text is missing; send {"text": words}');
  return parse(scalar, own(object, key), `response.${key}`);
}

/** An answer in the form in which the earlier page gives it. */
export function toResponseData(
  answer: Answer,
  interaction: Interaction | undefined,
): Record<string, unknown> {
  const comment = answer.note === "" ? {} : { comment: answer.note };
  const kind = answer.value?.kind;
  switch (kind?.case) {
    case "confirmation":
      return { choice: kind.value.value, ...comment };
    case "selection": {
      const { values, other } = kind.value;
      const selection = isMultiple(interaction) ? values : (values[0] ?? null);
      return { selection, ...(other === "" ? {} : { other }), ...comment };
    }
    case "text": {
      const { text, imageUrls } = kind.value;
      return { text, ...(imageUrls.length > 0 ? { image_urls: imageUrls } : {}), ...comment };
    }
    case undefined:
      return comment;
  }
}

/** True where several options may be chosen. */
export function isMultiple(interaction: Interaction | undefined): boolean {
  return interaction?.kind.case === "selection" && interaction.kind.value.maxChoices > 1;
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
