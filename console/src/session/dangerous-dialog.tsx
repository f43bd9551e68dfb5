import type { Option, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useEffect, useRef } from "preact/hooks";
import { titleOf } from "../inbox/inbox-order.ts";
import { listed } from "../text/format.ts";
import { language, text } from "../text/text.ts";
import { labelOf } from "./outcome-words.ts";

interface DangerousDialogProps {
  readonly session: Session;
  readonly options: readonly Option[];
  readonly cancel: () => void;
  readonly confirm: () => void;
}

/** Asks once more before something that cannot be taken back: what it is about, and what it does. */
export function DangerousDialog({ session, options, cancel, confirm }: DangerousDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const opener = useRef(document.activeElement);
  useEffect(() => {
    dialog.current?.showModal();
    return () => (opener.current as HTMLElement | null)?.focus();
  }, []);
  const t = text.value;
  const label = listed(language.value, options.map(labelOf));
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="dangerous-title"
      aria-describedby="dangerous-effect"
      onClose={cancel}
    >
      <h2 id="dangerous-title">{t.confirmDangerous(label)}</h2>
      <div id="dangerous-effect">
        <p class="dialog-object">
          {session.projectName ? <span class="badge">{session.projectName}</span> : null} {titleOf(session)}
        </p>
        {options.map((option) =>
          option.description ? <p key={option.value}>{option.description}</p> : null,
        )}
        <p class="warning">{t.cannotBeTakenBack}</p>
      </div>
      <div class="buttons">
        {/* First, so that it has the focus: Enter by habit changes nothing. */}
        <button type="button" class="button" onClick={cancel}>
          {t.cancel}
        </button>
        <button type="button" class="button danger" onClick={confirm}>
          {label}
        </button>
      </div>
    </dialog>
  );
}
