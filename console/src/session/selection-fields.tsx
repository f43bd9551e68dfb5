import type { Option } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { text } from "../text/text.ts";
import type { AnswerDraft } from "./answer-draft.ts";
import { Hint } from "./answer-form.tsx";
import { labelOf } from "./outcome-words.ts";

/** More options than this to choose one from are a drop-down list. */
const MAX_RADIOS = 7;
/** More options than this to choose several from can be filtered. */
const MAX_UNFILTERED = 15;
const MIN_FOR_SELECT_ALL = 6;
/** The value of "something else" in a drop-down list; an option's value is never empty, nor this. */
const OTHER = "\u0000other";

interface SelectionFieldsProps {
  readonly options: readonly Option[];
  readonly limits: { readonly least: number; readonly most: number };
  readonly otherAllowed: boolean;
  readonly draft: ReadonlySignal<AnswerDraft>;
  readonly edit: (change: Partial<AnswerDraft>) => void;
  readonly problemId: string | undefined;
}

/** A choice of one: radios, or a drop-down list. Of several: checkboxes. Nothing is chosen to begin with. */
export function SelectionFields(props: SelectionFieldsProps) {
  if (props.limits.most > 1) return <Checkboxes {...props} />;
  return props.options.length > MAX_RADIOS ? <DropDown {...props} /> : <Radios {...props} />;
}

function Radios({ options, otherAllowed, draft, edit, problemId }: SelectionFieldsProps) {
  const t = text.value;
  const { chosen, otherChosen } = draft.value;
  return (
    <fieldset aria-describedby={problemId}>
      <legend>{t.chooseOne}</legend>
      {options.map((option, at) => (
        <Choice
          key={option.value}
          type="radio"
          option={option}
          at={at}
          checked={!otherChosen && chosen.includes(option.value)}
          change={() => edit({ chosen: [option.value], otherChosen: false })}
        />
      ))}
      {otherAllowed ? (
        <OtherChoice
          type="radio"
          at={options.length}
          draft={draft}
          edit={edit}
          change={() => edit({ chosen: [], otherChosen: true })}
        />
      ) : null}
    </fieldset>
  );
}

function DropDown({ options, otherAllowed, draft, edit, problemId }: SelectionFieldsProps) {
  const t = text.value;
  const { chosen, otherChosen } = draft.value;
  const description = options.find((option) => option.value === chosen[0])?.description;
  return (
    <>
      <label class="field">
        <span>{t.chooseOne}</span>
        <select
          data-answer
          value={otherChosen ? OTHER : (chosen[0] ?? "")}
          aria-invalid={problemId !== undefined}
          aria-describedby={problemId}
          onChange={(event) => {
            const { value } = event.currentTarget;
            edit({ chosen: value && value !== OTHER ? [value] : [], otherChosen: value === OTHER });
          }}
        >
          <option value="">{t.choose}</option>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {labelOf(option)}
            </option>
          ))}
          {otherAllowed ? <option value={OTHER}>{t.somethingElse}</option> : null}
        </select>
        {description ? <span class="quiet">{description}</span> : null}
      </label>
      {otherChosen ? <OtherText draft={draft} edit={edit} /> : null}
    </>
  );
}

function Checkboxes({ options, limits, otherAllowed, draft, edit, problemId }: SelectionFieldsProps) {
  const t = text.value;
  const filter = useSignal("");
  const { chosen, otherChosen } = draft.value;
  const words = filter.value.trim().toLowerCase();
  const shown = options.filter(
    (option) => !words || `${labelOf(option)} ${option.description}`.toLowerCase().includes(words),
  );
  const toggle = (value: string) =>
    edit({ chosen: chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value] });
  return (
    <fieldset aria-describedby={problemId}>
      <legend>
        {t.chooseBetween(limits.least, Math.min(limits.most, options.length + (otherAllowed ? 1 : 0)))}
      </legend>
      {options.length > MAX_UNFILTERED ? (
        <input
          type="search"
          aria-label={t.filterOptions}
          placeholder={t.filterOptions}
          value={filter}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
      ) : null}
      {options.length >= MIN_FOR_SELECT_ALL && limits.most >= options.length ? (
        <p class="buttons">
          <button
            type="button"
            class="button small"
            onClick={() => edit({ chosen: options.map(({ value }) => value) })}
          >
            {t.selectAll}
          </button>
          <button type="button" class="button small" onClick={() => edit({ chosen: [] })}>
            {t.selectNone}
          </button>
        </p>
      ) : null}
      {shown.map((option, at) => (
        <Choice
          key={option.value}
          type="checkbox"
          option={option}
          at={at}
          checked={chosen.includes(option.value)}
          change={() => toggle(option.value)}
        />
      ))}
      {otherAllowed ? (
        <OtherChoice
          type="checkbox"
          at={shown.length}
          draft={draft}
          edit={edit}
          change={() => edit({ otherChosen: !otherChosen })}
        />
      ) : null}
    </fieldset>
  );
}

interface ChoiceProps {
  readonly type: "radio" | "checkbox";
  readonly option: Option;
  /** Its place, from 0: the number key that picks it is one more. */
  readonly at: number;
  readonly checked: boolean;
  readonly change: () => void;
}

function Choice({ type, option, at, checked, change }: ChoiceProps) {
  return (
    <label class="choice">
      <input
        type={type}
        name="answer"
        value={option.value}
        checked={checked}
        data-option
        data-answer={at === 0 ? true : undefined}
        onChange={change}
      />
      <span>
        {labelOf(option)}
        {option.dangerous ? <span class="badge danger">{text.value.dangerous}</span> : null}
        {option.description ? <span class="quiet described">{option.description}</span> : null}
      </span>
      {at < 9 ? <Hint keys={String(at + 1)} /> : null}
    </label>
  );
}

interface OtherProps {
  readonly draft: ReadonlySignal<AnswerDraft>;
  readonly edit: (change: Partial<AnswerDraft>) => void;
}

function OtherChoice({
  type,
  at,
  draft,
  edit,
  change,
}: OtherProps & { type: "radio" | "checkbox"; at: number; change: () => void }) {
  const { otherChosen } = draft.value;
  return (
    <>
      <label class="choice">
        <input type={type} name="answer" checked={otherChosen} data-option onChange={change} />
        <span>{text.value.somethingElse}</span>
        {at < 9 ? <Hint keys={String(at + 1)} /> : null}
      </label>
      {otherChosen ? <OtherText draft={draft} edit={edit} /> : null}
    </>
  );
}

function OtherText({ draft, edit }: OtherProps) {
  return (
    <label class="field other">
      <span>{text.value.somethingElseText}</span>
      <textarea
        rows={2}
        // It was just asked for: writing is the next thing.
        ref={(field) => {
          if (field && !draft.peek().other && document.activeElement?.closest(".answer")) field.focus();
        }}
        value={draft.value.other}
        onInput={(event) => edit({ other: event.currentTarget.value })}
      />
    </label>
  );
}
