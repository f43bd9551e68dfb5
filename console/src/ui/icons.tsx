import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { text } from "../text/text.ts";

const PATHS = {
  text: "M4 5h16M4 10h16M4 15h10",
  confirmation: "M5 12l5 5L20 7",
  selection: "M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01",
  notice: "M12 8h.01M12 12v5M12 3a9 9 0 110 18 9 9 0 010-18",
  unknown: "M9 9a3 3 0 115 2.2c-1.2.9-2 1.5-2 2.8M12 18h.01",
} as const;

/** The kind of a question: a sign, and the word that says the same. */
export function Kind({ session }: { session: Session }) {
  const kind = session.interaction?.kind.case ?? "unknown";
  return (
    <span class="kind">
      <svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">
        <path d={PATHS[kind]} />
      </svg>
      {text.value.kinds[kind]}
    </span>
  );
}
