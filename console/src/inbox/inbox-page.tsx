import { useComputed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { serverNowMs } from "../live/server-clock.ts";
import { SessionPage } from "../session/session-page.tsx";
import { useShortcuts } from "../shortcuts/shortcuts.ts";
import { text } from "../text/text.ts";
import { usePageHeading } from "../ui/use-page-heading.ts";
import { InboxFilters } from "./inbox-filters.tsx";
import { InboxList } from "./inbox-list.tsx";
import { arrangeInbox, countSoon } from "./inbox-order.ts";

/** /inbox and /s/{id}: the list of what waits, and beside it the session that is open. */
export function InboxPage({ sessionId }: { sessionId: string | undefined }) {
  const { live } = useApp();
  const [, navigate] = useLocation();
  const search = useSearch();
  const column = useRef<HTMLElement>(null);
  const opened = useRef<string | undefined>(undefined);

  const parameters = new URLSearchParams(search);
  const filter = { query: parameters.get("q") ?? "", project: parameters.get("project") ?? undefined };
  const soon = useComputed(() => countSoon(live.list.sessions.value.values(), serverNowMs.value));
  soon.value; // the groups change with it
  const inbox = arrangeInbox(live.list.sessions.value.values(), filter, serverNowMs.peek());

  const links = () => [...(column.current?.querySelectorAll<HTMLAnchorElement>(".row > a") ?? [])];
  // Closing a session gives the focus back to the row that opened it.
  const heading = usePageHeading(sessionId === undefined ? "inbox" : undefined, () =>
    links().find((link) => link.pathname === `/s/${opened.current}`),
  );
  if (sessionId !== undefined) opened.current = sessionId;
  const move = (by: 1 | -1) => {
    const all = links().filter((link) => link.offsetParent !== null);
    const focused = all.indexOf(document.activeElement as HTMLAnchorElement);
    const from = focused >= 0 ? focused : all.findIndex((link) => link.hasAttribute("aria-current"));
    const to = from < 0 ? (by > 0 ? 0 : all.length - 1) : from + by;
    all[Math.min(Math.max(to, 0), all.length - 1)]?.focus();
    return all.length > 0;
  };
  useShortcuts({
    next: () => move(1),
    previous: () => move(-1),
    search: () => column.current?.querySelector<HTMLInputElement>("input[type=search]")?.focus(),
    back: () => {
      if (sessionId === undefined) return false;
      navigate(`/inbox${search ? `?${search}` : ""}`);
    },
  });

  // A row that leaves while it has the focus passes it on, or the keyboard would begin at the top of the page.
  const focused = useRef<{ row: HTMLElement; index: number } | undefined>(undefined);
  useLayoutEffect(() => {
    if (!focused.current || focused.current.row.isConnected) return;
    const rest = links();
    const next = rest[Math.min(focused.current.index, rest.length - 1)];
    focused.current = undefined;
    if (document.activeElement === document.body) (next ?? heading.current)?.focus();
  });
  const remember = (event: FocusEvent) => {
    const row = event.target as HTMLAnchorElement;
    const index = links().indexOf(row);
    focused.current = index >= 0 ? { row, index } : undefined;
  };

  const t = text.value;
  const Heading = sessionId === undefined ? "h1" : "h2";
  return (
    <div class="columns" data-open={sessionId !== undefined}>
      <section
        class="list-column"
        aria-label={t.listLabel}
        ref={column}
        onFocusIn={remember}
        onFocusOut={() => {
          // The browser tells of the row's removal only by leaving nothing focused.
          if (document.activeElement !== document.body) focused.current = undefined;
        }}
      >
        <div class="list-head">
          <Heading ref={heading} tabIndex={-1} class="list-title">
            {t.waiting}
            {live.loaded.value ? (
              <>
                <span class="count" aria-hidden="true">
                  {inbox.waiting}
                </span>
                <span class="unseen">: {t.waitingCount(inbox.waiting)}</span>
              </>
            ) : null}
          </Heading>
          <InboxFilters filter={filter} projects={inbox.projects} />
        </div>
        <InboxList inbox={inbox} filter={filter} sessionId={sessionId} search={search} />
      </section>
      <section class="detail-column" aria-label={t.question}>
        {sessionId === undefined ? (
          <div class="placeholder">
            <p>{t.chooseQuestion}</p>
            <p class="quiet">{t.chooseQuestionKeys}</p>
          </div>
        ) : (
          <SessionPage key={sessionId} sessionId={sessionId} />
        )}
      </section>
    </div>
  );
}
