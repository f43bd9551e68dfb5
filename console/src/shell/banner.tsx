import { useComputed } from "@preact/signals";
import { Link, useLocation, useSearch } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { serverNowMs } from "../live/server-clock.ts";
import { clockTime } from "../text/format.ts";
import { language, text } from "../text/text.ts";

/** How long news may fail to come before the page says so in a sentence. */
const STALE_MS = 5000;

/** What is wrong with the connection, in a sentence, while there is something to read. */
export function Banner() {
  const { live } = useApp();
  const [path] = useLocation();
  const search = useSearch();
  const isStale = useComputed(() => {
    serverNowMs.value; // looked at anew every second
    return live.connection.value === "reconnecting" && Date.now() - live.updatedMs.value > STALE_MS;
  });
  const t = text.value;
  if (!live.loaded.value) return null;
  switch (live.connection.value) {
    case "offline":
      return <p class="banner">{t.offlineBanner}</p>;
    case "signed-out": {
      const here = encodeURIComponent(`${path}${search ? `?${search}` : ""}`);
      return (
        <p class="banner">
          {t.signedOutBanner} <Link href={`/login?next=${here}`}>{t.signIn.title}</Link>
        </p>
      );
    }
    case "reconnecting": {
      if (!isStale.value) return null;
      const updated = new Date(live.updatedMs.value);
      return <p class="banner">{t.staleBanner(clockTime(language.value, updated, new Date()))}</p>;
    }
    case "connecting":
    case "live":
    case "polling":
      return null;
  }
}
