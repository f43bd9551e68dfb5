// What the tools answer: the shapes of the earlier client, with the session's id added.

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Answer,
  type AnswerValue,
  DeliverySummary_State,
  type Reply,
  Reply_Disposition,
  type Responder,
  type Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { AskResult, PendingEntry, PlainResult, ReplyResult } from "./tool-schemas.ts";

/** What an agent is told about a session. `remarks` are sentences that go before the rest of the message. */
export function askResult(session: Session, remarks: readonly string[] = []): AskResult {
  const replies = repliesOf(session);
  const result = (status: AskResult["status"], ...sentences: string[]): AskResult => ({
    status,
    replies,
    ...decisionOf(session),
    message: [...remarks, ...sentences].filter(Boolean).join(" "),
    session_id: session.id,
  });
  const late = replies.some((reply) => reply.late)
    ? "A reply came after the end; it is marked late."
    : "A late reply stays readable with wait_for_reply.";
  switch (session.state) {
    case Session_State.ANSWERED:
      return session.outcome === Session_Outcome.REJECTED
        ? result("success", "The person answered, and refused what was asked for.")
        : result("success", "The person answered.");
    case Session_State.EXPIRED:
      return result("timeout", "Nobody answered in time.", late);
    case Session_State.CANCELLED:
      return result("error", `The question was taken back${because(session)}.`);
    case Session_State.UNDELIVERABLE:
      return result("error", `The question could not be shown to anybody${because(session)}.`);
    default:
      return {
        ...result("waiting", ...deliveryRemarks(session), "No reply yet; the question stays open."),
        next: nextCall(session.id),
      };
  }
}

/** What was decided or chosen, by the asker's own values. */
function decisionOf({ answer, outcome }: Session): Pick<AskResult, "choices" | "refused"> {
  const { kind } = answer?.value ?? {};
  switch (kind?.case) {
    case "confirmation":
      return { choices: [kind.value.value], refused: outcome === Session_Outcome.REJECTED };
    case "selection":
      return { choices: [...kind.value.values], refused: outcome === Session_Outcome.REJECTED };
    default:
      return {};
  }
}

/** Says that a call was taken for a retry, so that an agent that did ask anew can tell. */
export function joinedRemark({ createTime }: Session): string {
  return `This is the same question as the one asked at ${isoTime(createTime)}; it was not asked again.`;
}

/** What to do about a question that is still open. */
export function nextCall(sessionId: string): string {
  return `call wait_for_reply with session_id ${sessionId} to go on waiting`;
}

/** True where the asker has something in hand that should not be offered again. */
export function isWorthTaking({ state, answer, replies }: Session): boolean {
  if (state === Session_State.OPEN) return false;
  return answer !== undefined || replies.some(({ disposition }) => disposition === Reply_Disposition.LATE);
}

/** Why people may not have seen the question, in words; nothing where all is well. */
function deliveryRemarks({ deliveries }: Session): string[] {
  return deliveries.flatMap(({ target, state, reason }) => {
    const chat = `chat ${target?.chatId}`;
    const why = reason ? `: ${reason}` : "";
    switch (state) {
      case DeliverySummary_State.FAILED:
        return [`It could not be sent to ${chat}${why}; it is shown in the console.`];
      case DeliverySummary_State.SUPPRESSED:
        return [`It was not sent to ${chat}${why}.`];
      case DeliverySummary_State.UNKNOWN:
        return [`Whether it reached ${chat} is not known yet${why}.`];
      case DeliverySummary_State.PENDING:
        return reason ? [`It has not been sent to ${chat} yet${why}.`] : [];
      default:
        return [];
    }
  });
}

/** What an agent is told about a notice. It failed where no chat got it; the console shows it all the same. */
export function noticeResult(session: Session, remarks: readonly string[]): PlainResult {
  const { deliveries, state } = session;
  const inState = (...states: DeliverySummary_State[]) =>
    deliveries.filter((each) => states.includes(each.state));
  const missed = inState(DeliverySummary_State.FAILED, DeliverySummary_State.SUPPRESSED);
  const failed =
    state === Session_State.UNDELIVERABLE || (deliveries.length > 0 && missed.length === deliveries.length);
  const sentences = [
    ...remarks,
    ...(inState(DeliverySummary_State.SENT).length > 0 ? ["The message was sent."] : []),
    ...(inState(DeliverySummary_State.PENDING).length > 0 ? ["The message is on its way."] : []),
    ...deliveryRemarks(session),
  ];
  return { status: failed ? "error" : "success", message: sentences.join(" "), session_id: session.id };
}

/** One line of list_pending. */
export function pendingEntry(session: Session): PendingEntry {
  const question = session.title || session.body;
  return {
    session_id: session.id,
    short_id: session.shortId,
    status: askResult(session).status,
    message: question.length > 200 ? `${question.slice(0, 200)}…` : question,
    project_name: session.projectName,
    created_at: isoTime(session.createTime) ?? "",
    expires_at: isoTime(session.expireTime),
    replies: repliesOf(session).length,
  };
}

function repliesOf({ replies, answer }: Session): ReplyResult[] {
  const shown = replies.filter(
    ({ disposition }) => disposition === Reply_Disposition.ACCEPTED || disposition === Reply_Disposition.LATE,
  );
  const accepted = shown.some(({ disposition }) => disposition === Reply_Disposition.ACCEPTED);
  return [
    ...(answer && !accepted ? [answerResult(answer)] : []),
    ...shown.map((reply) =>
      replyResult(reply, reply.disposition === Reply_Disposition.ACCEPTED ? answer : undefined),
    ),
  ];
}

function replyResult(reply: Reply, answer: Answer | undefined): ReplyResult {
  const late = reply.disposition === Reply_Disposition.LATE;
  return {
    ...contentResult(reply.text || contentOf(reply.value), reply.imageUrls),
    ...(answer?.note ? { note: answer.note } : {}),
    from_user: senderResult(reply.sender),
    timestamp: isoTime(reply.receiveTime) ?? "",
    ...(late ? { late } : {}),
  };
}

/** For an answer without a message of a person: a default answer. */
function answerResult({ value, note, responder, answerTime }: Answer): ReplyResult {
  const images = value?.kind.case === "text" ? value.kind.value.imageUrls : [];
  return {
    ...contentResult(contentOf(value), images),
    ...(note ? { note } : {}),
    from_user: senderResult(responder),
    timestamp: isoTime(answerTime) ?? "",
  };
}

function contentResult(
  content: string,
  imageUrls: readonly string[],
): Pick<ReplyResult, "msg_type" | "content" | "image_urls" | "untrusted"> {
  if (imageUrls.length === 0) return { msg_type: "text", content, untrusted: true };
  return { msg_type: content ? "mixed" : "image", content, untrusted: true, image_urls: [...imageUrls] };
}

function contentOf(value: AnswerValue | undefined): string {
  switch (value?.kind.case) {
    case "text":
      return value.kind.value.text;
    case "confirmation":
      return value.kind.value.value;
    case "selection":
      return [...value.kind.value.values, value.kind.value.other].filter(Boolean).join(", ");
    default:
      return "";
  }
}

function senderResult(sender: Responder | undefined): ReplyResult["from_user"] {
  return {
    userid: sender?.userId || sender?.principalId || "",
    name: sender?.name ?? "",
    alias: sender?.alias ?? "",
  };
}

/** With "+00:00" and not "Z", which older Python cannot read. */
function isoTime(time: Timestamp | undefined): string | undefined {
  return time && timestampDate(time).toISOString().replace("Z", "+00:00");
}

function because({ endReason }: Session): string {
  return endReason ? `: ${endReason.replace(/\.$/, "")}` : "";
}
