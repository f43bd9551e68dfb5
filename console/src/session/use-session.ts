import { Code, ConnectError } from "@connectrpc/connect";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type ReadonlySignal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app-context.ts";

/** What a page about one session knows. */
export type SessionView =
  | { readonly kind: "loading" }
  | { readonly kind: "shown"; readonly session: Session }
  | { readonly kind: "gone" }
  | { readonly kind: "failed"; readonly message: string };

/** Reads a session and follows its changes. `take` shows a newer state of it; `reload` reads it again. */
export function useSession(sessionId: string): {
  view: ReadonlySignal<SessionView>;
  take: (session: Session) => void;
  reload: () => void;
} {
  const { client, live } = useApp();
  const known = live.list.sessions.peek().get(sessionId);
  const view = useSignal<SessionView>(known ? { kind: "shown", session: known } : { kind: "loading" });
  const reading = useRef(false);

  const show = (session: Session) => {
    const shown = view.peek();
    if (shown.kind === "shown" && shown.session.version >= session.version) return;
    view.value = { kind: "shown", session };
  };
  const take = (session: Session) => {
    live.list.apply(session);
    show(session);
  };
  const reload = async () => {
    if (reading.current) return;
    reading.current = true;
    try {
      const { session } = await client.getSession({ sessionId }, { timeoutMs: 15_000 });
      if (session) take(session);
    } catch (error) {
      const failure = ConnectError.from(error);
      if (failure.code === Code.Unauthenticated) live.signedOut();
      // What is shown stays: it is followed, and sending an answer tells the truth in any case.
      else if (view.peek().kind !== "shown") {
        const isUnknown = failure.code === Code.NotFound || failure.code === Code.InvalidArgument;
        view.value = isUnknown ? { kind: "gone" } : { kind: "failed", message: failure.rawMessage };
      }
    } finally {
      reading.current = false;
    }
  };

  useEffect(() => {
    void reload();
    return live.list.onChange((session) => {
      if (session.id === sessionId) show(session);
    });
  }, [sessionId]);

  // One that is shown as open and waits no more ended while nobody told us, as after a long sleep.
  useSignalEffect(() => {
    const listed = live.list.sessions.value.has(sessionId);
    const shown = view.peek();
    if (
      !listed &&
      live.loaded.value &&
      shown.kind === "shown" &&
      shown.session.state === Session_State.OPEN
    ) {
      void reload();
    }
  });
  // Signed in again, or back from a failure: try what failed.
  useSignalEffect(() => {
    if (live.connection.value === "live" && ["failed", "loading"].includes(view.peek().kind)) void reload();
  });

  return { view, take, reload: () => void reload() };
}
