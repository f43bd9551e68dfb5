import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";

/** Questions that end sooner than this stand on top. */
export const SOON_MS = 5 * 60_000;

/** Which of the sessions to show. */
export interface InboxFilter {
  /** Words that all must occur. */
  readonly query: string;
  /** A project; undefined: all. */
  readonly project: string | undefined;
}

/** The inbox as it is shown, each group in its order. */
export interface Inbox {
  readonly soon: readonly Session[];
  readonly later: readonly Session[];
  readonly notices: readonly Session[];
  /** All questions that wait, shown or not. Notices never count. */
  readonly waiting: number;
  /** The projects to choose from, in order. */
  readonly projects: readonly string[];
}

/** Arranges what a tab knows: soonest deadline first, then oldest. Ended ones stay in their place until they leave. */
export function arrangeInbox(sessions: Iterable<Session>, filter: InboxFilter, nowMs: number): Inbox {
  const all = [...sessions].sort(byDeadline);
  const words = filter.query.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = all.filter(
    (session) =>
      (filter.project === undefined || session.projectName === filter.project) && matches(session, words),
  );
  const questions = shown.filter((session) => !isNotice(session));
  return {
    soon: questions.filter((session) => isSoon(session, nowMs)),
    later: questions.filter((session) => !isSoon(session, nowMs)),
    notices: shown.filter(isNotice).sort((a, b) => createdMs(b) - createdMs(a)),
    waiting: all.filter((session) => !isNotice(session) && session.state === Session_State.OPEN).length,
    projects: [...new Set(all.map((session) => session.projectName))].sort(),
  };
}

/** How many deadlines are near: the arrangement changes with it, and not every second. */
export function countSoon(sessions: Iterable<Session>, nowMs: number): number {
  let count = 0;
  for (const session of sessions) if (isSoon(session, nowMs)) count++;
  return count;
}

export function isNotice(session: Session): boolean {
  return session.interaction?.kind.case === "notice";
}

/** What people call a session: its title, else the first line of its body. May be empty. */
export function titleOf(session: Session): string {
  return (
    session.title ||
    (session.body
      .split("\n")
      .map((line) => line.replace(/^[#>\s]+/, "").trim())
      .find(Boolean) ??
      "")
  );
}

/** The question to offer after one: the first that waits, in the inbox's order. */
export function nextWaiting(sessions: Iterable<Session>, exceptId: string): Session | undefined {
  return [...sessions]
    .filter(
      (session) => session.id !== exceptId && session.state === Session_State.OPEN && !isNotice(session),
    )
    .sort(byDeadline)[0];
}

function isSoon(session: Session, nowMs: number): boolean {
  return deadlineMs(session) - nowMs < SOON_MS;
}

function byDeadline(a: Session, b: Session): number {
  const [left, right] = [deadlineMs(a), deadlineMs(b)];
  if (left !== right) return left < right ? -1 : 1;
  return createdMs(a) - createdMs(b) || (a.id < b.id ? -1 : 1);
}

function deadlineMs(session: Session): number {
  return session.expireTime ? timestampMs(session.expireTime) : Number.POSITIVE_INFINITY;
}

function createdMs(session: Session): number {
  return session.createTime ? timestampMs(session.createTime) : 0;
}

function matches(session: Session, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const where = [
    session.title,
    session.body,
    session.projectName,
    session.asker?.clientName ?? "",
    `#${session.shortId}`,
  ]
    .join("\n")
    .toLowerCase();
  return words.every((word) => where.includes(word));
}
