import { useApp } from "../app-context.ts";
import { text } from "../text/text.ts";

/** Says whether news arrive: a word, and a dot whose shape differs too. */
export function ConnectionIndicator() {
  const { live } = useApp();
  const state = live.connection.value;
  return (
    <span class="connection" role="status" data-state={state}>
      <span class="dot" aria-hidden="true" />
      {text.value.connection[state]}
    </span>
  );
}
