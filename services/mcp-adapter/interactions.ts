// What ask_human asks for, as the contract says it. A new kind of interaction gets a case here and words in the schema.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { InteractionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { AskHumanInput } from "./tool-schemas.ts";

export type InteractionInit = MessageInitShape<typeof InteractionSchema>;

export const FREE_TEXT: InteractionInit = { kind: { case: "text", value: { multiline: true } } };

/** The interaction, or a sentence that says what does not fit together. */
export function interactionOf(input: AskHumanInput): InteractionInit | string {
  const { options = [], max_choices: maxChoices = 1, allow_other: otherAllowed = false } = input;
  const kind = input.kind ?? (options.length > 0 ? "choose" : "text");
  const values = options.map(({ value }) => value);
  if (new Set(values).size < values.length) return "Each option needs a value of its own.";
  switch (kind) {
    case "text":
      return options.length > 0 ? 'A question of kind "text" has no options: use "choose".' : FREE_TEXT;
    case "confirm":
      if (options.length > 20) return 'A question of kind "confirm" has at most 20 options: use "choose".';
      return { kind: { case: "confirmation", value: { options } } };
    case "choose":
      if (options.length === 0) return 'A question of kind "choose" needs options.';
      if (maxChoices > options.length) return "max_choices is more than there are options.";
      return { kind: { case: "selection", value: { options, maxChoices, otherAllowed } } };
  }
}
