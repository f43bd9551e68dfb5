import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import { sessionPath } from "../page.ts";
import { endedInWords } from "../session/outcome-words.ts";
import { language, text } from "../text/text.ts";
import { Countdown } from "../ui/countdown.tsx";
import { Kind } from "../ui/icons.tsx";
import { titleOf } from "./inbox-order.ts";

interface RowProps {
  readonly session: Session;
  readonly search: string;
  readonly selected: boolean;
}

/** One session of the list: a single link, or for a few seconds what became of it. */
export function InboxRow({ session, search, selected }: RowProps) {
  // A list of a thousand is drawn again for one that changed; the others keep what they had.
  return useMemo(
    () => <Row session={session} search={search} selected={selected} />,
    [session, search, selected, language.value],
  );
}

function Row({ session, search, selected }: RowProps) {
  const t = text.value;
  const isOpen = session.state === Session_State.OPEN;
  const asker = session.asker?.clientName;
  return (
    <li class="row" data-ended={!isOpen}>
      <Link href={sessionPath(session.id, search)} aria-current={selected ? "true" : undefined}>
        <span class="row-title">{titleOf(session) || t.untitled}</span>
        <span class="row-facts">
          <Kind session={session} />
          {isDangerous(session) ? <span class="badge danger">{t.dangerous}</span> : null}
          {session.projectName ? <span>{session.projectName}</span> : null}
          {asker ? <span>{asker}</span> : null}
          <span class="mono">#{session.shortId}</span>
        </span>
        {isOpen ? <Countdown session={session} /> : <span class="row-outcome">{endedInWords(session)}</span>}
      </Link>
    </li>
  );
}

function isDangerous(session: Session): boolean {
  const kind = session.interaction?.kind;
  return (
    (kind?.case === "confirmation" || kind?.case === "selection") &&
    kind.value.options.some((option) => option.dangerous)
  );
}
