import type { Option, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { settings } from "../settings/settings.ts";
import { sendKeys, useShortcuts } from "../shortcuts/shortcuts.ts";
import { text } from "../text/text.ts";
import { announce } from "../ui/announcer.tsx";
import type { AnswerDraft } from "./answer-draft.ts";
import { ConfirmationButtons } from "./confirmation-buttons.tsx";
import { DangerousDialog } from "./dangerous-dialog.tsx";
import { labelOf, optionsOf } from "./outcome-words.ts";
import { choiceLimits, type Problem, readAnswer } from "./read-answer.ts";
import { SelectionFields } from "./selection-fields.tsx";
import { TextField } from "./text-field.tsx";
import { type AnswerInHand, failureInWords } from "./use-answer.ts";

/** More options than this are a list to choose from instead of buttons. */
const MAX_BUTTONS = 4;

interface AnswerFormProps {
  readonly session: Session;
  readonly answer: AnswerInHand;
  /** The whole question has been on the screen. */
  readonly evidenceRead: ReadonlySignal<boolean>;
}

/** How an open session is answered. One form for every kind; the fields differ. */
export function AnswerForm({ session, answer, evidenceRead }: AnswerFormProps) {
  const form = useRef<HTMLFormElement>(null);
  const problem = useSignal<Problem | undefined>(undefined);
  const asking = useSignal<readonly Option[] | undefined>(undefined);
  const { draft, submission } = answer;
  const t = text.value;
  const kind = session.interaction?.kind;
  const options = optionsOf(session);
  const isButtons = kind?.case === "confirmation" && options.length <= MAX_BUTTONS;
  const isSending = submission.value.kind === "sending";

  const submit = (changed: Partial<AnswerDraft> = {}, confirmed = false) => {
    const current = { ...draft.peek(), ...changed };
    const read = readAnswer(session.interaction, current);
    if (read.kind === "incomplete") {
      problem.value = read.problem;
      announce(problemText(read.problem), "assertive");
      const field = form.current?.querySelector<HTMLElement>("[data-answer]");
      return field?.focus();
    }
    problem.value = undefined;
    const dangerous = options.filter((option) => option.dangerous && current.chosen.includes(option.value));
    if (dangerous.length > 0 && !confirmed) {
      if (!evidenceRead.peek()) {
        announce(t.readAllFirst, "assertive");
        return document.querySelector<HTMLElement>(".show-all")?.focus();
      }
      asking.value = dangerous;
      return;
    }
    void answer.send(read.value);
  };
  const edit = (change: Partial<AnswerDraft>) => {
    answer.edit(change);
    // Once a field is wrong, it is looked at again with every change.
    if (problem.peek()) {
      const read = readAnswer(session.interaction, draft.peek());
      problem.value = read.kind === "incomplete" ? read.problem : undefined;
    }
  };

  const note = useRef<HTMLTextAreaElement>(null);
  useShortcuts({
    send: () => submit(),
    note: () => (note.current ? note.current.focus() : false),
    pick: (number) => {
      const fields = [...(form.current?.querySelectorAll<HTMLElement>("[data-option]") ?? [])];
      const field = fields[number - 1];
      if (!field) return false;
      field.focus();
      if (field instanceof HTMLInputElement) field.click();
      else if (field instanceof HTMLButtonElement) edit({ chosen: [field.value] });
    },
  });

  if (!kind?.case) return null; // a kind of a newer server: shown, and answered elsewhere
  const problemId = problem.value ? "answer-problem" : undefined;
  const failure = failureInWords(submission.value);
  const isText = kind.case === "text" || kind.case === "notice";
  const fields = (
    <>
      {isText ? (
        <TextField
          interaction={kind.case === "text" ? kind.value : undefined}
          draft={draft}
          edit={edit}
          problemId={problemId}
        />
      ) : null}
      {kind.case === "selection" ? (
        <SelectionFields
          options={options}
          limits={choiceLimits(kind.value)}
          otherAllowed={kind.value.otherAllowed}
          draft={draft}
          edit={edit}
          problemId={problemId}
        />
      ) : null}
      {kind.case === "confirmation" && !isButtons ? (
        <SelectionFields
          options={options}
          limits={{ least: 1, most: 1 }}
          otherAllowed={false}
          draft={draft}
          edit={edit}
          problemId={problemId}
        />
      ) : null}
      {isText ? null : (
        <label class="field note">
          <span>{t.note}</span>
          <textarea
            ref={note}
            rows={2}
            value={draft.value.note}
            aria-keyshortcuts="n"
            onInput={(event) => edit({ note: event.currentTarget.value })}
          />
        </label>
      )}
      {problem.value ? (
        <p class="problem" id="answer-problem">
          {problemText(problem.value)}
        </p>
      ) : null}
      {failure ? <p class="problem">{failure}</p> : null}
      <div class="actions">
        {isButtons ? (
          <ConfirmationButtons
            options={options}
            picked={draft.value.chosen[0]}
            isSending={isSending}
            press={(value) => {
              edit({ chosen: [value] });
              submit({ chosen: [value] });
            }}
          />
        ) : (
          <button type="submit" class="button primary" aria-disabled={isSending}>
            {isSending ? t.sending : submission.value.kind === "unknown" ? t.retry : t.send}
            <Hint keys={sendKeys()} />
          </button>
        )}
      </div>
    </>
  );
  return (
    <form
      class="answer"
      ref={form}
      aria-label={t.yourAnswer}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {kind.case === "notice" ? (
        <details>
          <summary>{t.reply}</summary>
          {fields}
        </details>
      ) : (
        <>
          <h2>{t.yourAnswer}</h2>
          {fields}
        </>
      )}
      {asking.value ? (
        <DangerousDialog
          session={session}
          options={asking.value}
          cancel={() => {
            asking.value = undefined;
          }}
          confirm={() => {
            asking.value = undefined;
            submit({}, true);
          }}
        />
      ) : null}
    </form>
  );
}

/** The keys of a control, for those who use them. */
export function Hint({ keys }: { keys: string }) {
  return settings.value.shortcuts ? (
    <span class="hint" aria-hidden="true">
      {keys}
    </span>
  ) : null;
}

/** What a picked button says about being sent. */
export function pickedSentence(option: Option): string {
  return text.value.pressToSend(labelOf(option), sendKeys());
}

function problemText({ kind, limit }: Problem): string {
  return text.value.problems[kind](limit);
}
