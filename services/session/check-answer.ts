import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { AnswerValue, Interaction, Option } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { choiceLimits, MAX_TEXT_LENGTH } from "./read-reply.ts";

/** Checks that a value answers what was asked. Throws ANSWER_INVALID with what would. */
export function checkAnswer(interaction: Interaction, value: AnswerValue, sessionId: string): void {
  const fault = faultOf(interaction, value);
  if (fault === undefined) return;
  throw hilError(Code.InvalidArgument, ErrorReason.ANSWER_INVALID, fault, {
    session_id: sessionId,
    expected: interaction.kind.case ?? "",
  });
}

function faultOf({ kind: asked }: Interaction, { kind: given }: AnswerValue): string | undefined {
  const expected = asked.case === "notice" ? "text" : asked.case;
  if (given.case !== expected)
    return `a ${asked.case} is asked; the answer must be of kind ${expected}, not ${given.case}`;
  switch (given.case) {
    case "text": {
      const length = [...given.value.text].length;
      const { minLength = 0, maxLength = 0 } = asked.case === "text" ? asked.value : {};
      const most = maxLength || MAX_TEXT_LENGTH;
      if (length === 0 && given.value.imageUrls.length === 0) return "the answer is empty";
      if (length < minLength) return `the answer has ${length} characters; at least ${minLength} are asked`;
      if (length > most) return `the answer has ${length} characters; at most ${most} are taken`;
      return undefined;
    }
    case "confirmation": {
      const { options } = asked.value as { options: Option[] };
      if (options.some((option) => option.value === given.value.value)) return undefined;
      return `${JSON.stringify(given.value.value)} is not an option; the options are ${names(options)}`;
    }
    case "selection": {
      const selection = asked.value as {
        options: Option[];
        minChoices: number;
        maxChoices: number;
        otherAllowed: boolean;
      };
      const { values, other } = given.value;
      const unknown = values.find((each) => !selection.options.some((option) => option.value === each));
      if (unknown !== undefined) {
        return `${JSON.stringify(unknown)} is not an option; the options are ${names(selection.options)}`;
      }
      if (new Set(values).size !== values.length) return "an option was chosen twice";
      if (other !== "" && !selection.otherAllowed)
        return "only the options can be chosen; there is no free answer";
      const { least, most } = choiceLimits(selection);
      const count = values.length + (other === "" ? 0 : 1);
      if (count < least || count > most) {
        return `${count} chosen; ${least === most ? `exactly ${least}` : `${least} to ${most}`} are asked`;
      }
      return undefined;
    }
    case undefined:
      return "the answer is empty";
  }
}

function names(options: readonly Option[]): string {
  return options.map((option) => JSON.stringify(option.value)).join(", ");
}
