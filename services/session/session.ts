// The life of a session, decided without touching anything.
//
//   OPEN ──answer────────────────► ANSWERED       by a person, directly or by a reply that can be read
//   OPEN ──deadline, expire──────► EXPIRED        answer is the declared default, or unset
//   OPEN ──cancel────────────────► CANCELLED      by the asker
//   OPEN ──every delivery failed─► UNDELIVERABLE
//
// S1. Ended is final: the first ending wins, and what comes later is recorded as late (I3, I4).
// S2. Every change that has an event raises the version by one.
// S3. These functions never change the session they are given.

import { hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  AnswerSchema,
  type AnswerValue,
  type ConfirmationInteraction,
  type DeliverySummary,
  DeliverySummary_State,
  Event_Type,
  type Interaction,
  type Reply,
  Reply_Disposition,
  ReplyMatching,
  ReplySchema,
  type Responder,
  type SelectionInteraction,
  type Session,
  Session_Outcome,
  Session_State,
  Session_StateSchema,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { mayReply } from "./answer-policy.ts";
import { readReply } from "./read-reply.ts";
import { guidanceOf } from "./texts.ts";

/** Replies that a session keeps: the latest, and always the one that ended it. */
const MAX_REPLIES = 100;

const EMPTY_SESSION = create(SessionSchema);

export const CHANNEL_DEADLINE = "deadline";

/** A state as messages name it: "ANSWERED". */
export function stateName(state: Session_State): string {
  return Session_StateSchema.value[state]?.localName ?? String(state);
}

/** True for the events that end a session. */
export function endsSession(type: Event_Type): boolean {
  switch (type) {
    case Event_Type.ANSWERED:
    case Event_Type.EXPIRED:
    case Event_Type.CANCELLED:
    case Event_Type.UNDELIVERABLE:
      return true;
    default:
      return false;
  }
}

export function isEnded(session: Session): boolean {
  return session.state !== Session_State.OPEN;
}

export function isNotice(session: Session): boolean {
  return session.interaction?.kind.case === "notice";
}

/** True where the asker has something to read that it did not acknowledge. */
export function isUntaken(session: Session): boolean {
  const taken = session.takenTime ? timestampMs(session.takenTime) : undefined;
  if (session.answer && taken === undefined) return true;
  return session.replies.some(
    (reply) =>
      reply.disposition === Reply_Disposition.LATE &&
      (taken === undefined || (reply.receiveTime !== undefined && timestampMs(reply.receiveTime) > taken)),
  );
}

/** How replies of a chat are matched to this session, with what UNSPECIFIED stands for filled in. */
export function replyMatchingOf(session: Session): ReplyMatching {
  const declared = session.audience?.replyMatching ?? ReplyMatching.UNSPECIFIED;
  if (isNotice(session)) return ReplyMatching.QUOTED;
  return declared === ReplyMatching.UNSPECIFIED ? ReplyMatching.PLAIN : declared;
}

/** What one person sent, before it is known what it does. */
export interface Submission {
  /** Names it: the inbound message, or the request of a direct answer. */
  readonly id: string;
  readonly channelId: string;
  readonly chat: Pick<Reply, "chatId" | "chatType"> | undefined;
  readonly sender: Responder;
  readonly text: string;
  readonly imageUrls: readonly string[];
  readonly receivedAt: Date;
  readonly vendorMessage: string;
}

/** What became of a direct answer. */
export type AnswerOutcome =
  | { readonly kind: "answered"; readonly session: Session } // this answer ended it
  | { readonly kind: "repeated"; readonly session: Session } // this answer ended it before
  | { readonly kind: "late"; readonly session: Session }; // it had ended; the answer is kept

/** Answers with a value that fits the interaction. The session is unchanged where the request was seen before. */
export function answerSession(
  session: Session,
  { submission, value, note, now }: { submission: Submission; value: AnswerValue; note: string; now: Date },
): AnswerOutcome {
  const seen = session.replies.find((reply) => reply.id === submission.id);
  if (seen) return { kind: seen.disposition === Reply_Disposition.ACCEPTED ? "repeated" : "late", session };
  if (isEnded(session)) {
    const late = replyOf(submission, value, Reply_Disposition.LATE, guidanceOf({ kind: "late", session }));
    return { kind: "late", session: changed(session, now, { replies: keep(session.replies, late) }) };
  }
  return { kind: "answered", session: accept(session, submission, value, note, now) };
}

/** What became of something sent in a chat. */
export interface ReplyOutcome {
  readonly disposition: Reply_Disposition;
  /** What to tell the person; empty: nothing. */
  readonly guidance: string;
  /** Undefined where nothing changes. */
  readonly session: Session | undefined;
  readonly event: Event_Type;
}

/** Takes a reply that was matched to this session. */
export function submitReply(session: Session, submission: Submission, now: Date): ReplyOutcome {
  const refuse = (kind: "not_asked_here" | "not_a_responder"): ReplyOutcome => ({
    disposition: Reply_Disposition.NOT_ALLOWED,
    guidance: guidanceOf({ kind, session }),
    session: undefined,
    event: Event_Type.REPLY,
  });
  if (!wasSentTo(session, submission.channelId, submission.chat?.chatId ?? "")) {
    return refuse("not_asked_here");
  }
  if (!mayReply(session, submission.sender)) return refuse("not_a_responder");
  const reading = readReply(session.interaction!, submission.text, submission.imageUrls);
  const record = (disposition: Reply_Disposition, guidance: string): ReplyOutcome => {
    const value = reading.kind === "value" ? reading.value : undefined;
    const reply = replyOf(submission, value, disposition, guidance);
    return {
      disposition,
      guidance,
      session: changed(session, now, { replies: keep(session.replies, reply) }),
      event: Event_Type.REPLY,
    };
  };
  if (isEnded(session)) return record(Reply_Disposition.LATE, guidanceOf({ kind: "late", session }));
  if (reading.kind === "unreadable") {
    return record(Reply_Disposition.INVALID, guidanceOf({ kind: "invalid", session, why: reading.why }));
  }
  return {
    disposition: Reply_Disposition.ACCEPTED,
    guidance: "",
    session: accept(session, submission, reading.value, reading.note, now),
    event: Event_Type.ANSWERED,
  };
}

/** Ends an open session as its deadline does. Undefined where it has ended. */
export function expireSession(session: Session, now: Date): Session | undefined {
  if (isEnded(session)) return undefined;
  const answer = session.defaultAnswer
    ? create(AnswerSchema, {
        value: session.defaultAnswer,
        channelId: CHANNEL_DEADLINE,
        answerTime: timestampFromDate(now),
        evidence: { questionDigest: questionDigest(session) },
      })
    : undefined;
  return ended(session, Session_State.EXPIRED, Session_Outcome.EXPIRED, now, { answer });
}

/** Takes an open session back. Undefined where it has ended. */
export function cancelSession(session: Session, reason: string, now: Date): Session | undefined {
  if (isEnded(session)) return undefined;
  return ended(session, Session_State.CANCELLED, Session_Outcome.CANCELLED, now, { endReason: reason });
}

/** Moves the deadline of an open session. Undefined where it has ended. */
export function extendDeadline(session: Session, expireTime: Date, now: Date): Session | undefined {
  if (isEnded(session)) return undefined;
  return changed(session, now, { expireTime: timestampFromDate(expireTime) });
}

/** Records that the asker has the answer. Undefined where it was recorded before and nothing came since. */
export function acknowledgeAnswer(session: Session, now: Date): Session | undefined {
  if (session.takenTime && !isUntaken(session)) return undefined;
  return changed(session, now, { takenTime: timestampFromDate(now) });
}

/** Records how far a delivery is; ends the session when every one has failed. Undefined where nothing changes. */
export function reportDelivery(
  session: Session,
  report: DeliverySummary,
  now: Date,
): { readonly session: Session; readonly event: Event_Type } | undefined {
  const before = session.deliveries.find((each) => each.deliveryId === report.deliveryId);
  if (!before || isEnded(session)) return undefined;
  if (before.state === report.state && before.reason === report.reason) return undefined;
  const deliveries = session.deliveries.map((each) =>
    each === before ? { ...report, target: before.target, updateTime: timestampFromDate(now) } : each,
  );
  if (deliveries.every((each) => each.state === DeliverySummary_State.FAILED)) {
    const reason = deliveries.map((each) => each.reason).find(Boolean) ?? "";
    return {
      session: ended(session, Session_State.UNDELIVERABLE, Session_Outcome.UNDELIVERABLE, now, {
        deliveries,
        endReason: reason,
      }),
      event: Event_Type.UNDELIVERABLE,
    };
  }
  return { session: changed(session, now, { deliveries }), event: Event_Type.DELIVERY };
}

/** The asker waits: plain replies of the chat count from now on. Undefined where they do already. */
export function beginWaiting(session: Session): Session | undefined {
  if (isEnded(session) || replyMatchingOf(session) !== ReplyMatching.QUOTED_UNTIL_WAITED) return undefined;
  return { ...session, audience: { ...session.audience!, replyMatching: ReplyMatching.PLAIN } };
}

/**
 * SHA-256 of what a person had before them, as Evidence.question_digest lays down: 64 hex digits. Remembered as long as
 * the question stays in memory: it is needed when a session is asked and again when it is answered.
 */
export function questionDigest(session: Session): string {
  const { projectName, title, body, interaction, defaultAnswer, context } = session;
  const parts = [projectName, title, body, interaction, defaultAnswer, context];
  const known = interaction && digests.get(interaction);
  if (known?.parts.every((part, index) => part === parts[index])) return known.digest;
  // What is left out is read from the prototype, and so not copied. Only a field of its own counts as present.
  const question: Session = Object.create(EMPTY_SESSION);
  Object.assign(question, { projectName, title, body, interaction, defaultAnswer, context });
  const digest = hash("sha256", toBinary(SessionSchema, question));
  if (interaction) digests.set(interaction, { parts, digest });
  return digest;
}

/** The parts tell whether it is still the same question. */
const digests = new WeakMap<Interaction, { readonly parts: readonly unknown[]; readonly digest: string }>();

function accept(
  session: Session,
  submission: Submission,
  value: AnswerValue,
  note: string,
  now: Date,
): Session {
  const reply = replyOf(submission, value, Reply_Disposition.ACCEPTED, "");
  const answer = create(AnswerSchema, {
    value,
    note,
    responder: submission.sender,
    channelId: submission.channelId,
    inboundId: submission.chat ? submission.id : "",
    answerTime: timestampFromDate(now),
    evidence: { questionDigest: questionDigest(session) },
  });
  const outcome = refuses(session.interaction!, value) ? Session_Outcome.REJECTED : Session_Outcome.ANSWERED;
  return ended(session, Session_State.ANSWERED, outcome, now, {
    answer,
    replies: keep(session.replies, reply),
  });
}

function ended(
  session: Session,
  state: Session_State,
  outcome: Session_Outcome,
  now: Date,
  edit: Partial<Session>,
): Session {
  return changed(session, now, { endReason: "", ...edit, state, outcome, endTime: timestampFromDate(now) });
}

/** One version on, with what is edited: one copy, for a session is large. Time never goes back, even where the clock does. */
function changed(session: Session, now: Date, edit: Partial<Session>): Session {
  const last = session.updateTime ? timestampDate(session.updateTime) : now;
  return {
    ...session,
    ...edit,
    version: session.version + 1n,
    updateTime: timestampFromDate(now < last ? last : now),
  };
}

function refuses(interaction: Interaction, value: AnswerValue): boolean {
  const chosen = (
    options: (ConfirmationInteraction | SelectionInteraction)["options"],
    values: readonly string[],
  ) => options.some((option) => option.refuses && values.includes(option.value));
  if (interaction.kind.case === "confirmation" && value.kind.case === "confirmation") {
    return chosen(interaction.kind.value.options, [value.kind.value.value]);
  }
  if (interaction.kind.case === "selection" && value.kind.case === "selection") {
    return chosen(interaction.kind.value.options, value.kind.value.values);
  }
  return false;
}

function replyOf(
  submission: Submission,
  value: AnswerValue | undefined,
  disposition: Reply_Disposition,
  reason: string,
): Reply {
  return create(ReplySchema, {
    id: submission.id,
    channelId: submission.channelId,
    chatId: submission.chat?.chatId ?? "",
    chatType: submission.chat?.chatType,
    sender: submission.sender,
    text: submission.text,
    imageUrls: [...submission.imageUrls],
    value,
    disposition,
    reason,
    receiveTime: timestampFromDate(submission.receivedAt),
    vendorMessage: submission.vendorMessage,
  });
}

function keep(replies: readonly Reply[], reply: Reply): Reply[] {
  const all = [...replies, reply];
  if (all.length <= MAX_REPLIES) return all;
  const dropped = all.findIndex((each) => each.disposition !== Reply_Disposition.ACCEPTED);
  return all.filter((_, index) => index !== dropped);
}

function wasSentTo(session: Session, channelId: string, chatId: string): boolean {
  return (session.audience?.targets ?? []).some(
    (target) => target.channelId === channelId && target.chatId === chatId,
  );
}
