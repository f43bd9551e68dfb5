import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { AppProvider } from "./app-context.ts";
import { createLiveSessions } from "./live/live-sessions.ts";
import { startClock } from "./live/server-clock.ts";
import { pageOf } from "./page.ts";
import { dropOldDrafts } from "./session/answer-draft.ts";
import { followSettings } from "./settings/settings.ts";
import { followLanguage } from "./text/text.ts";

const transport = createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true });
const client = createClient(SessionService, transport);
const access = createClient(AccessService, transport);
const live = createLiveSessions({ client });

followSettings();
startClock();
dropOldDrafts(Date.now());
// The sign-in page begins by itself, once there is something to sign in with.
if (pageOf(location.pathname).kind !== "sign-in") live.start();
await followLanguage();
const root = document.getElementById("app")!;
root.replaceChildren();
render(
  <AppProvider value={{ client, access, live }}>
    <App />
  </AppProvider>,
  root,
);
