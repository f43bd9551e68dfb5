import { create } from "@bufbuild/protobuf";
import {
  type AnswerValue,
  AnswerValueSchema,
  type Interaction,
  InteractionSchema,
  type Option,
  type Session,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Masker } from "@hil/platform/masking/masker.ts";

/**
 * The session as a channel sees it: every text that people read, masked. The values of options stay, because answers
 * are told apart by them; what people read in their place is masked.
 */
export function maskSession(session: Session, mask: Masker): Session {
  return {
    ...session,
    projectName: mask(session.projectName),
    title: mask(session.title),
    body: mask(session.body),
    context: session.context.map((entry) => ({ ...entry, key: mask(entry.key), value: mask(entry.value) })),
    ...(session.asker && { asker: { ...session.asker, clientName: mask(session.asker.clientName) } }),
    ...(session.interaction && { interaction: maskInteraction(session.interaction, mask) }),
    ...(session.defaultAnswer && { defaultAnswer: maskAnswer(session.defaultAnswer, mask) }),
  };
}

function maskInteraction(interaction: Interaction, mask: Masker): Interaction {
  const { kind } = interaction;
  switch (kind.case) {
    case "confirmation":
    case "selection": {
      const options = kind.value.options.map((option) => maskOption(option, mask));
      return create(InteractionSchema, {
        kind: { case: kind.case, value: { ...kind.value, options } },
      } as object);
    }
    case "text":
    case "notice":
    case undefined:
      return interaction;
  }
}

function maskOption(option: Option, mask: Masker): Option {
  return { ...option, label: mask(option.label || option.value), description: mask(option.description) };
}

function maskAnswer(answer: AnswerValue, mask: Masker): AnswerValue {
  const { kind } = answer;
  switch (kind.case) {
    case "text":
      return create(AnswerValueSchema, {
        kind: { case: "text", value: { ...kind.value, text: mask(kind.value.text) } },
      });
    case "selection":
      return create(AnswerValueSchema, {
        kind: { case: "selection", value: { ...kind.value, other: mask(kind.value.other) } },
      });
    case "confirmation":
    case undefined:
      return answer;
  }
}
