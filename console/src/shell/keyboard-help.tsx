import { useRef } from "preact/hooks";
import { settings } from "../settings/settings.ts";
import { sendKeys, useShortcuts } from "../shortcuts/shortcuts.ts";
import { text } from "../text/text.ts";

/** The dialog that lists the keys; `?` opens it. */
export function KeyboardHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  useShortcuts({ help: () => dialog.current?.showModal() });
  const t = text.value.keys;
  const rows: readonly (readonly [string, string])[] = [
    ["j", t.next],
    ["k", t.previous],
    ["Enter", t.open],
    ["Esc", t.back],
    ["/", t.search],
    ["1 … 9", t.pick],
    [sendKeys(), t.send],
    ["n", t.note],
    ["?", t.help],
  ];
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="keys-title">
      <h2 id="keys-title">{t.title}</h2>
      {settings.value.shortcuts ? null : <p>{t.off}</p>}
      <dl class="keys">
        {rows.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" class="buttons">
        <button type="submit" class="button">
          {text.value.close}
        </button>
      </form>
    </dialog>
  );
}
