import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { useApp } from "./app-context.ts";
import { isNotice } from "./inbox/inbox-order.ts";
import { InboxPage } from "./inbox/inbox-page.tsx";
import { pageOf } from "./page.ts";
import { SettingsPage } from "./settings/settings-page.tsx";
import { Shell } from "./shell/shell.tsx";
import { SignInPage } from "./sign-in/sign-in-page.tsx";
import { text } from "./text/text.ts";

/** The whole console: which page an address shows, and where those who are not signed in go. */
export function App() {
  const { live } = useApp();
  const [path, navigate] = useLocation();
  const page = pageOf(path);

  useSignalEffect(() => {
    let waiting = 0;
    for (const session of live.list.sessions.value.values()) {
      if (session.state === Session_State.OPEN && !isNotice(session)) waiting++;
    }
    document.title = `${text.value.waitingTitle(waiting)} · ${text.value.product}`;
  });

  // Whoever reads already is told by the banner instead, and keeps what was typed.
  const mustSignIn = live.connection.value === "signed-out" && !live.loaded.value && page.kind !== "sign-in";
  useEffect(() => {
    if (mustSignIn) navigate(`/login?next=${encodeURIComponent(path + location.search)}`, { replace: true });
  }, [mustSignIn]);

  switch (page.kind) {
    case "sign-in":
      return <SignInPage />;
    case "settings":
      return (
        <Shell page="settings">
          <SettingsPage />
        </Shell>
      );
    case "inbox":
    case "session":
      return (
        <Shell page={page.kind}>
          <InboxPage sessionId={page.kind === "session" ? page.sessionId : undefined} />
        </Shell>
      );
    case "unknown":
      return (
        <Shell page="unknown">
          <div class="placeholder">
            <h1>{text.value.pageNotFound}</h1>
          </div>
        </Shell>
      );
  }
}
