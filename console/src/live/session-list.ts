// The sessions that this tab knows: those that wait, and those that ended a moment ago.
//
// K1. A session never goes back: of two states the one with the higher version stays, however they arrive.
// K2. One that ends stays LEAVING_MS longer, so that people see what became of it.

import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type ReadonlySignal, signal } from "@preact/signals";

/** How long an ended session stays in the list. */
export const LEAVING_MS = 5000;

export interface SessionList {
  /** By id. */
  readonly sessions: ReadonlySignal<ReadonlyMap<string, Session>>;
  /** Takes one state of a session. False when a newer one is known. */
  apply(session: Session): boolean;
  /** Takes a whole list of what waits: what is not in it waits no more. */
  replace(open: readonly Session[]): void;
  /** Calls back for every state that is taken, of ended sessions too. Returns what ends it. */
  onChange(listener: (session: Session) => void): () => void;
}

export function createSessionList(): SessionList {
  const sessions = signal<ReadonlyMap<string, Session>>(new Map());
  const versions = new Map<string, bigint>();
  const listeners = new Set<(session: Session) => void>();

  const put = (map: Map<string, Session>, session: Session): boolean => {
    if (session.version <= (versions.get(session.id) ?? 0n)) return false;
    versions.set(session.id, session.version);
    if (session.state === Session_State.OPEN) {
      map.set(session.id, session);
    } else if (map.has(session.id)) {
      map.set(session.id, session);
      setTimeout(() => leave(session), LEAVING_MS);
    }
    return true;
  };
  const leave = (ended: Session) => {
    if (sessions.peek().get(ended.id)?.state !== ended.state) return;
    const left = new Map(sessions.peek());
    left.delete(ended.id);
    sessions.value = left;
  };
  const tell = (session: Session) => {
    for (const listener of listeners) listener(session);
  };

  return {
    sessions,
    apply(session) {
      const next = new Map(sessions.peek());
      if (!put(next, session)) return false;
      sessions.value = next;
      tell(session);
      return true;
    },
    replace(open) {
      const listed = new Set(open.map((session) => session.id));
      const next = new Map(
        [...sessions.peek()].filter(([id, known]) => listed.has(id) || known.state !== Session_State.OPEN),
      );
      const taken = open.filter((session) => put(next, session));
      sessions.value = next;
      taken.forEach(tell);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
