import type { Option } from "@hil/gen/hil/session/v1/session_pb.ts";
import { text } from "../text/text.ts";
import { Hint, pickedSentence } from "./answer-form.tsx";
import { labelOf } from "./outcome-words.ts";

interface ConfirmationButtonsProps {
  readonly options: readonly Option[];
  /** The option that a key or an earlier press picked. */
  readonly picked: string | undefined;
  readonly isSending: boolean;
  readonly press: (value: string) => void;
}

/** One button for each decision, in the asker's words. Pressing one sends; a number key only picks it. */
export function ConfirmationButtons({ options, picked, isSending, press }: ConfirmationButtonsProps) {
  const t = text.value;
  const pickedOption = options.find((option) => option.value === picked);
  const isDescribed = options.some((option) => option.description);
  return (
    <>
      <div class="decisions" data-described={isDescribed}>
        {options.map((option, at) => (
          <div key={option.value} class="decision">
            <button
              type="button"
              value={option.value}
              class={buttonClass(option)}
              data-option
              data-answer={at === 0 ? true : undefined}
              data-picked={option.value === picked}
              aria-disabled={isSending}
              aria-keyshortcuts={String(at + 1)}
              aria-describedby={option.description ? `option-${at}` : undefined}
              onClick={() => {
                if (!isSending) press(option.value);
              }}
            >
              {isSending && option.value === picked ? t.sending : labelOf(option)}
              <Hint keys={String(at + 1)} />
            </button>
            {option.description ? (
              <span class="quiet" id={`option-${at}`}>
                {option.description}
              </span>
            ) : null}
          </div>
        ))}
      </div>
      <p class="picked" role="status">
        {pickedOption && !isSending ? pickedSentence(pickedOption) : ""}
      </p>
    </>
  );
}

function buttonClass(option: Option): string {
  if (option.dangerous) return "button danger";
  return option.refuses ? "button" : "button primary";
}
