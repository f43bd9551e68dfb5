import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { LiveSessions } from "./live/live-sessions.ts";

/** What every part of the app may use. */
export interface AppContext {
  readonly client: Client<typeof SessionService>;
  readonly access: Pick<Client<typeof AccessService>, "whoAmI">;
  readonly live: LiveSessions;
}

const Context = createContext<AppContext | undefined>(undefined);

export const AppProvider = Context.Provider;

export function useApp(): AppContext {
  const app = useContext(Context);
  if (!app) throw new Error("useApp is for components inside AppProvider");
  return app;
}
