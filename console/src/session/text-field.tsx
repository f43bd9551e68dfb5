import type { TextInteraction } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { ReadonlySignal } from "@preact/signals";
import { text } from "../text/text.ts";
import type { AnswerDraft } from "./answer-draft.ts";
import { lengthOf, MAX_TEXT } from "./read-answer.ts";

/** The counter appears when this much of the limit is used. */
const NEAR_LIMIT = 0.9;

interface TextFieldProps {
  /** Undefined for the reply to a notice, which has no limits of its own. */
  readonly interaction: TextInteraction | undefined;
  readonly draft: ReadonlySignal<AnswerDraft>;
  readonly edit: (change: Partial<AnswerDraft>) => void;
  readonly problemId: string | undefined;
}

/** Where a person writes an answer. Enter makes a new line; Ctrl+Enter sends. */
export function TextField({ interaction, draft, edit, problemId }: TextFieldProps) {
  const t = text.value;
  const most = interaction?.maxLength || MAX_TEXT;
  const length = lengthOf(draft.value.text);
  const isNear = length > most * NEAR_LIMIT;
  return (
    <label class="field">
      <span class="unseen">{t.yourAnswer}</span>
      <textarea
        data-answer
        rows={interaction?.multiline ? 6 : 3}
        value={draft.value.text}
        aria-invalid={problemId !== undefined}
        aria-describedby={
          [problemId, isNear ? "answer-counter" : undefined].filter(Boolean).join(" ") || undefined
        }
        onInput={(event) => edit({ text: event.currentTarget.value })}
      />
      {isNear ? (
        <span class={length > most ? "counter problem" : "counter quiet"} id="answer-counter">
          {length > most ? t.charactersOver(length - most) : t.charactersLeft(most - length)}
        </span>
      ) : null}
    </label>
  );
}
