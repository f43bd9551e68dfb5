// What everybody saw during a run, in the order in which it was seen. Appended, never changed; the checkers read only
// this.

import { appendFileSync } from "node:fs";

/** One thing that one party saw. Times are milliseconds since the start of the run. */
export type Entry = { readonly at: number } /** An asker was told that its question is kept. */ & (
  | {
      readonly kind: "asked";
      readonly request: string;
      readonly session: string;
      readonly shortId: string;
      /** Who races with the people of the chat to end it. */
      readonly rival: Rival;
    }
  /** Somebody answered or cancelled a question directly and was told that this is its end. */
  | {
      readonly kind: "ended_directly";
      readonly session: string;
      readonly outcome: string;
      readonly answer: string;
    }
  /** People were shown a message about a session. */
  | { readonly kind: "shown"; readonly shortId: string; readonly text: string }
  /** The vendor's word on a send did not reach us, although people were shown the message. */
  | { readonly kind: "send_ambiguous"; readonly shortId: string }
  /** A person wrote: quoting a session, a text that says which. */
  | { readonly kind: "replied"; readonly message: string; readonly shortId: string; readonly text: string }
  /** The vendor's call was answered 200. */
  | { readonly kind: "reply_acked"; readonly message: string }
  /** The vendor gave up after its tries. */
  | { readonly kind: "reply_dropped"; readonly message: string }
  /** A waiter began or went on to wait. */
  | { readonly kind: "waiting"; readonly request: string }
  /** A waiter was told the end. */
  | {
      readonly kind: "resumed";
      readonly request: string;
      readonly session: string;
      readonly outcome: string;
      readonly answer: string;
    }
  /** A process was killed, or held still, or something around it broke. */
  | { readonly kind: "fault"; readonly what: string; readonly target: string }
  /** Something is in order again. */
  | { readonly kind: "healed"; readonly what: string; readonly target: string }
  /** How a session stands after everything calmed down. */
  | {
      readonly kind: "final_session";
      readonly session: string;
      readonly shortId: string;
      readonly outcome: string;
      readonly answer: string;
      /** The vendor's message that the answer was read from. */
      readonly answeredBy: string;
      readonly accepted: number;
      /** How often an end stands in the session's log. */
      readonly ends: number;
    }
  /** What became of a person's message, in the end. */
  | {
      readonly kind: "final_inbound";
      readonly message: string;
      readonly disposition: string;
      readonly session: string;
    }
);

/** Who else may end a question than the people of its chat: nobody, a person at the console, its asker, or its deadline. */
export type Rival = "none" | "answer" | "cancel" | "deadline";

/** What one kind of entry holds. */
export type EntryOf<K extends Entry["kind"]> = Extract<Entry, { kind: K }>;

type WithoutTime<E> = E extends Entry ? Omit<E, "at"> : never;

export interface History {
  readonly entries: readonly Entry[];
  add(entry: WithoutTime<Entry>): void;
  of<K extends Entry["kind"]>(kind: K): EntryOf<K>[];
}

/** Makes a history; with a file, each entry is appended to it as a line of JSON. */
export function createHistory(file?: string): History {
  const start = performance.now();
  const entries: Entry[] = [];
  return {
    entries,
    add(entry) {
      const timed = { at: Math.round(performance.now() - start), ...entry } as Entry;
      entries.push(timed);
      if (file) appendFileSync(file, `${JSON.stringify(timed)}\n`);
    },
    of: <K extends Entry["kind"]>(kind: K) =>
      entries.filter((entry): entry is EntryOf<K> => entry.kind === kind) as EntryOf<K>[],
  };
}
