import { signal } from "@preact/signals";

const polite = signal("");
const assertive = signal("");

/** Has screen readers say something: after what they are saying, or at once for deadlines and failures. */
export function announce(sentence: string, urgency: "polite" | "assertive" = "polite"): void {
  const region = urgency === "polite" ? polite : assertive;
  // A region that says the same again is silent; a space that nobody hears makes it new.
  region.value = region.peek() === sentence ? `${sentence}\u00a0` : sentence;
}

/** The two live regions of the page. */
export function Announcer() {
  return (
    <>
      <div class="unseen" aria-live="polite">
        {polite}
      </div>
      <div class="unseen" aria-live="assertive">
        {assertive}
      </div>
    </>
  );
}
