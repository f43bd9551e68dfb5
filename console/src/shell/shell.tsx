import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { Page } from "../page.ts";
import { text } from "../text/text.ts";
import { Announcer } from "../ui/announcer.tsx";
import { Banner } from "./banner.tsx";
import { ConnectionIndicator } from "./connection-indicator.tsx";
import { KeyboardHelp } from "./keyboard-help.tsx";

/** What surrounds every page but the sign-in. */
export function Shell({ page, children }: { page: Page["kind"]; children: ComponentChildren }) {
  const t = text.value;
  const current = (kinds: readonly Page["kind"][]) => (kinds.includes(page) ? "page" : undefined);
  return (
    <>
      <a class="skip" href="#main">
        {t.skipToContent}
      </a>
      <header class="top">
        <Link href="/inbox" class="brand">
          {t.product}
        </Link>
        <nav class="pages" aria-label={t.pages} data-page={page}>
          <Link href="/inbox" aria-current={current(["inbox", "session"])}>
            <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
              <path d="M4 13l3-8h10l3 8v6H4zM4 13h5l1 3h4l1-3h5" />
            </svg>
            {t.inbox}
          </Link>
          <Link href="/settings" aria-current={current(["settings"])}>
            <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
              <path d="M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5" />
            </svg>
            {t.settings}
          </Link>
        </nav>
        <ConnectionIndicator />
      </header>
      <Banner />
      <main id="main" tabIndex={-1} data-page={page}>
        {children}
      </main>
      <KeyboardHelp />
      <Announcer />
    </>
  );
}
