import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";

/** What a person has entered so far. Nothing is chosen to begin with. */
export interface AnswerDraft {
  readonly text: string;
  readonly note: string;
  /** Values of options. */
  readonly chosen: readonly string[];
  /** "Something else" is chosen. */
  readonly otherChosen: boolean;
  readonly other: string;
}

export const EMPTY_DRAFT: AnswerDraft = { text: "", note: "", chosen: [], otherChosen: false, other: "" };

const PREFIX = "hil.draft.";
/** How long a draft is kept that nobody came back to. */
const KEEP_MS = 30 * 24 * 3600_000;

/** Reads the draft of a session from this browser. */
export function readDraft(sessionId: string): AnswerDraft {
  try {
    const stored = JSON.parse(localStorage.getItem(PREFIX + sessionId) ?? "{}") as Partial<AnswerDraft>;
    return {
      text: typeof stored.text === "string" ? stored.text : "",
      note: typeof stored.note === "string" ? stored.note : "",
      chosen: Array.isArray(stored.chosen) ? stored.chosen.map(String) : [],
      otherChosen: stored.otherChosen === true,
      other: typeof stored.other === "string" ? stored.other : "",
    };
  } catch {
    return EMPTY_DRAFT; // no storage, or an entry that is not ours
  }
}

/** Keeps a draft; an empty one is dropped. */
export function writeDraft(sessionId: string, draft: AnswerDraft): void {
  try {
    if (isEmpty(draft)) localStorage.removeItem(PREFIX + sessionId);
    else localStorage.setItem(PREFIX + sessionId, JSON.stringify({ ...draft, savedMs: Date.now() }));
  } catch {
    // storage is full or forbidden: what was typed is still on the page
  }
}

export function dropDraft(sessionId: string): void {
  try {
    localStorage.removeItem(PREFIX + sessionId);
  } catch {
    // storage is forbidden: there is no draft either
  }
}

/** Drops drafts that nobody came back to. */
export function dropOldDrafts(nowMs: number): void {
  try {
    for (const name of Object.keys(localStorage).filter((each) => each.startsWith(PREFIX))) {
      const { savedMs = 0 } = JSON.parse(localStorage.getItem(name) ?? "{}") as { savedMs?: number };
      if (nowMs - savedMs > KEEP_MS) localStorage.removeItem(name);
    }
  } catch {
    // storage is forbidden, or an entry is not ours: it stays
  }
}

export function isEmpty(draft: AnswerDraft): boolean {
  return !draft.text && !draft.note && draft.chosen.length === 0 && !draft.otherChosen && !draft.other;
}

/** What a person wrote, to copy it when it could not be sent. Empty when only options were chosen. */
export function writtenText(draft: AnswerDraft, session: Session): string {
  const isText = session.interaction?.kind.case === "text" || session.interaction?.kind.case === "notice";
  return [isText ? draft.text : draft.other, draft.note].filter(Boolean).join("\n\n");
}
