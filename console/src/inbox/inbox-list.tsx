import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { Link } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { text } from "../text/text.ts";
import type { Inbox, InboxFilter } from "./inbox-order.ts";
import { InboxRow } from "./inbox-row.tsx";

interface InboxListProps {
  readonly inbox: Inbox;
  readonly filter: InboxFilter;
  readonly sessionId: string | undefined;
  readonly search: string;
}

/** The list in whatever state it is: loading, failed, empty, without a match, or with its groups. */
export function InboxList({ inbox, filter, sessionId, search }: InboxListProps) {
  const { live } = useApp();
  const t = text.value;
  if (!live.loaded.value) return live.loadError.value ? <LoadFailed /> : <Skeleton />;

  const Group = sessionId === undefined ? "h2" : "h3"; // below the list's heading, see InboxPage
  const questions = inbox.soon.length + inbox.later.length;
  const isFiltered = filter.query.trim() !== "" || filter.project !== undefined;
  const rows = (sessions: readonly Session[]) => (
    <ul class="rows">
      {sessions.map((session) => (
        <InboxRow key={session.id} session={session} search={search} selected={session.id === sessionId} />
      ))}
    </ul>
  );
  return (
    <>
      {questions + inbox.notices.length === 0 && isFiltered ? (
        <div class="empty">
          <p>{t.noMatch}</p>
          <Link href={sessionId === undefined ? "/inbox" : `/s/${sessionId}`} class="button">
            {t.clearFilters}
          </Link>
        </div>
      ) : null}
      {questions === 0 && !isFiltered ? (
        <div class="empty">
          <p>{t.nothingWaits}</p>
          <p class="quiet">{t.nothingWaitsHint}</p>
        </div>
      ) : null}
      {inbox.soon.length > 0 ? (
        <>
          <Group class="group soon">{t.soon}</Group>
          {rows(inbox.soon)}
        </>
      ) : null}
      {inbox.later.length > 0 ? (
        <>
          {inbox.soon.length > 0 ? <Group class="group">{t.later}</Group> : null}
          {rows(inbox.later)}
        </>
      ) : null}
      {inbox.notices.length > 0 ? (
        <div class="notices">
          <Group class="group">{t.notices}</Group>
          {rows(inbox.notices)}
        </div>
      ) : null}
    </>
  );
}

function LoadFailed() {
  const { live } = useApp();
  const t = text.value;
  return (
    <div class="empty" role="alert">
      <p>{t.listFailed}</p>
      <p class="quiet">{live.loadError.value?.rawMessage}</p>
      <button type="button" class="button" onClick={() => live.retry()}>
        {t.retry}
      </button>
    </div>
  );
}

function Skeleton() {
  return (
    <div aria-busy="true">
      <p class="unseen" role="status">
        {text.value.loading}
      </p>
      <ul class="rows" aria-hidden="true">
        {[1, 2, 3, 4].map((each) => (
          <li key={each} class="row skeleton">
            <span />
          </li>
        ))}
      </ul>
    </div>
  );
}
