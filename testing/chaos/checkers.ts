// What must hold for every history, whatever broke. Each check is named by the promise that it decides.

import type { Entry, EntryOf } from "./history.ts";

/** One breach: which promise, and what shows it. */
export interface Violation {
  readonly promise: string;
  readonly what: string;
}

type Check = (history: readonly Entry[]) => Violation[];

/** How long a waiter may take to be told after the cause of its delay is gone. */
const RESUME_PATIENCE_MS = 3_000;

const of = <K extends Entry["kind"]>(history: readonly Entry[], kind: K): EntryOf<K>[] =>
  history.filter((entry): entry is EntryOf<K> => entry.kind === kind);

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** The text of a reply to a session: it names the session, so that an answer that went astray is seen. */
export const replyTextOf = (shortId: string, number: number) => `answer ${number} to ${shortId}`;

/** I1: what the vendor got a 200 for is accounted for, once. */
const noLostReply: Check = (history) => {
  const finals = groupBy(of(history, "final_inbound"), ({ message }) => message);
  return of(history, "reply_acked").flatMap(({ message }) => {
    const found = finals.get(message) ?? [];
    const settled = found.filter(
      ({ disposition }) => disposition !== "UNSPECIFIED" && disposition !== "DEAD",
    );
    if (found.length === 1 && settled.length === 1) return [];
    const what = `message ${message} was acknowledged and is ${found.length === 0 ? "gone" : found.map(({ disposition }) => disposition).join(", ")}`;
    return [{ promise: "I1", what }];
  });
};

/** I2: a message is attached to at most one session, and an answered session has exactly one accepted reply. */
const oneReplyOneSession: Check = (history) => {
  const violations: Violation[] = [];
  const answers = groupBy(
    of(history, "final_session").filter(({ answeredBy }) => answeredBy !== ""),
    ({ answeredBy }) => answeredBy,
  );
  for (const [message, sessions] of answers) {
    if (sessions.length > 1) {
      violations.push({
        promise: "I2",
        what: `message ${message} answers ${sessions.map(({ session }) => session).join(" and ")}`,
      });
    }
  }
  for (const { session, shortId, outcome, answer, accepted } of of(history, "final_session")) {
    const isAnswered = outcome === "ANSWERED" || outcome === "REJECTED";
    if (isAnswered && accepted !== 1) {
      violations.push({ promise: "I2", what: `session ${session} has ${accepted} accepted replies` });
    }
    if (isAnswered && !answer.endsWith(` to ${shortId}`)) {
      violations.push({
        promise: "I2",
        what: `session ${session} (#${shortId}) has the answer ${JSON.stringify(answer)}`,
      });
    }
  }
  return violations;
};

/** I3: each session ends once, and everybody saw the same end. */
const oneEnd: Check = (history) => {
  const finals = new Map(of(history, "final_session").map((each) => [each.session, each]));
  const violations: Violation[] = [];
  for (const { session, ends } of finals.values()) {
    if (ends > 1) violations.push({ promise: "I3", what: `session ${session} ended ${ends} times` });
  }
  for (const { session, outcome, answer } of of(history, "resumed")) {
    const final = finals.get(session);
    if (final && (final.outcome !== outcome || final.answer !== answer)) {
      const what = `a waiter was told ${outcome} ${JSON.stringify(answer)} of session ${session}, and it is ${final.outcome} ${JSON.stringify(final.answer)}`;
      violations.push({ promise: "I3", what });
    }
  }
  return violations;
};

/** I4: who was told to have ended a session did, and nobody else. */
const raceDecidedOnce: Check = (history) => {
  const finals = new Map(of(history, "final_session").map((each) => [each.session, each]));
  return of(history, "ended_directly").flatMap(({ session, outcome, answer }) => {
    const final = finals.get(session);
    if (!final || (final.outcome === outcome && final.answer === answer)) return [];
    const what = `the end of session ${session} was confirmed as ${outcome} ${JSON.stringify(answer)}, and it is ${final.outcome} ${JSON.stringify(final.answer)}`;
    return [{ promise: "I4", what }];
  });
};

/** I5: an accepted question is shown, unless somebody ended it before, and only as often as sends were in doubt. */
const shownAtLeastOnce: Check = (history) => {
  const shown = groupBy(of(history, "shown"), ({ shortId }) => shortId);
  const faults = of(history, "fault").length;
  const ambiguous = groupBy(of(history, "send_ambiguous"), ({ shortId }) => shortId);
  const finals = new Map(of(history, "final_session").map((each) => [each.session, each]));
  return of(history, "asked").flatMap(({ session, shortId, rival }) => {
    const copies = shown.get(shortId)?.length ?? 0;
    const { outcome, answer } = finals.get(session) ?? {};
    const endedBefore = (rival === "deadline" && outcome === "EXPIRED") || outcome === "CANCELLED";
    if (copies === 0 && outcome !== "UNDELIVERABLE" && !answer && !endedBefore) {
      return [{ promise: "I5", what: `session ${session} was kept and never shown` }];
    }
    // A send that a kill interrupted is in doubt; how many a session met is bounded by the kills there were.
    const most = 1 + faults + (ambiguous.get(shortId)?.length ?? 0);
    if (copies > most) return [{ promise: "I5", what: `session ${session} was shown ${copies} times` }];
    return [];
  });
};

/** I5: without a fault nothing is shown twice. */
const noCopiesInPeace: Check = (history) => {
  if (of(history, "fault").length > 0) return [];
  return [...groupBy(of(history, "shown"), ({ shortId }) => shortId)]
    .filter(([, copies]) => copies.length > 1)
    .map(([shortId, copies]) => ({
      promise: "I5",
      what: `#${shortId} was shown ${copies.length} times without a fault`,
    }));
};

/** I7: every waiter is told the end in the end. */
const everyWaitEnds: Check = (history) => {
  const resumed = new Set(of(history, "resumed").map(({ request }) => request));
  return [...new Set(of(history, "waiting").map(({ request }) => request))]
    .filter((request) => !resumed.has(request))
    .map((request) => ({ promise: "I7", what: `the waiter of ${request} was never told` }));
};

/** I8: the same request names the same session, however often it is sent. */
const sameKeySameSession: Check = (history) =>
  [...groupBy(of(history, "asked"), ({ request }) => request)]
    .filter(([, asked]) => new Set(asked.map(({ session }) => session)).size > 1)
    .map(([request, asked]) => ({
      promise: "I8",
      what: `request ${request} made ${asked.map(({ session }) => session).join(" and ")}`,
    }));

/** What was kept is there in the end. */
const nothingVanishes: Check = (history) => {
  const finals = new Set(of(history, "final_session").map(({ session }) => session));
  return of(history, "asked")
    .filter(({ session }) => !finals.has(session))
    .map(({ session }) => ({ promise: "I1", what: `session ${session} was kept and is gone` }));
};

const CHECKS: readonly Check[] = [
  noLostReply,
  oneReplyOneSession,
  oneEnd,
  raceDecidedOnce,
  shownAtLeastOnce,
  noCopiesInPeace,
  everyWaitEnds,
  sameKeySameSession,
  nothingVanishes,
];

/** Every breach of a promise that a history shows. */
export function check(history: readonly Entry[]): Violation[] {
  return CHECKS.flatMap((each) => each(history));
}

/** How long each waiter took to be told after the vendor's call of the reply that answered it was taken. Sorted. */
export function answerTimes(history: readonly Entry[]): number[] {
  return resumes(history)
    .map(({ at, acked }) => Math.max(0, at - acked))
    .sort((a, b) => a - b);
}

/** The same, or after the last fault in between was over. Milliseconds, sorted. */
export function resumeTimes(history: readonly Entry[]): number[] {
  const healedAt = of(history, "healed").map(({ at }) => at);
  return resumes(history)
    .map(({ at, acked }) => {
      const lastHealed = healedAt.findLast((each) => each <= at && each > acked) ?? 0;
      return Math.max(0, at - Math.max(acked, lastHealed));
    })
    .sort((a, b) => a - b);
}

/** When waiters were told, and when the call of the reply that answered them was taken. */
function resumes(history: readonly Entry[]): { at: number; acked: number }[] {
  const ackedAt = new Map(of(history, "reply_acked").map(({ message, at }) => [message, at]));
  const answeredBy = new Map(
    of(history, "final_session").map(({ session, answeredBy }) => [session, answeredBy]),
  );
  return of(history, "resumed").flatMap(({ session, at }) => {
    const acked = ackedAt.get(answeredBy.get(session) ?? "");
    return acked === undefined ? [] : [{ at, acked }];
  });
}

/** Waiters that were told later than 3 s after nothing was in their way any more. */
export function slowResumes(history: readonly Entry[]): number {
  return resumeTimes(history).filter((ms) => ms > RESUME_PATIENCE_MS).length;
}
