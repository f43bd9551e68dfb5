// What GET /poll/{id} answers about a session.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type AnswerValue,
  type Interaction,
  type Option,
  type Reply,
  Reply_Disposition,
  type Responder,
  type Session,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { zonedTime } from "../zoned-time.ts";
import { POLL_UNKNOWN, pollStatus } from "./texts.ts";

export type PollStatus = "waiting" | "replied" | "timeout" | "not_found";

/** A reply as agents read it. */
export interface PollReply {
  readonly msg_type: "text" | "image" | "mixed";
  readonly content: string | null;
  /** The first picture. */
  readonly image_url: string | null;
  readonly from_user: { readonly userid: string; readonly name: string; readonly alias: string };
  /** ISO with "+00:00". */
  readonly timestamp: string;
  /** The vendor's message, only the parts that the reply needs; {} for one given in the console or by a program. */
  readonly raw_data: Record<string, unknown>;
}

export interface PollAnswer {
  readonly session_id: string;
  readonly status: PollStatus;
  readonly has_reply: boolean;
  readonly replies: readonly PollReply[];
  readonly message: string;
  readonly error: string | null;
}

/** The answer about a session that is not here, or not the caller's. */
export function unknownAnswer(sessionId: string): PollAnswer {
  return {
    session_id: sessionId,
    status: "not_found",
    has_reply: false,
    replies: [],
    message: POLL_UNKNOWN,
    error: null,
  };
}

/**
 * The answer about a session.
 *
 * The clients of this face know four states. `not_found` makes them fail at once and say that the session never
 * was, so it is kept for that. A session that was cancelled or could not be delivered is a `timeout` to them
 * (nobody answered, and nobody will), with the reason in `error`.
 */
export function pollAnswerOf(session: Session): PollAnswer {
  const status = pollStatusOf(session);
  return {
    session_id: session.id,
    status,
    has_reply: status === "replied",
    replies: repliesToShow(session).map((reply) => toPollReply(reply, session.interaction)),
    message: pollStatus(status),
    error: status === "timeout" && session.endReason !== "" ? session.endReason : null,
  };
}

function pollStatusOf(session: Session): PollStatus {
  switch (session.state) {
    case Session_State.ANSWERED:
      return "replied";
    case Session_State.EXPIRED:
    case Session_State.CANCELLED:
    case Session_State.UNDELIVERABLE:
      return "timeout";
    default: // OPEN; a state of a newer version is not an end that this face knows
      return "waiting";
  }
}

type ShownReply = Pick<Reply, "sender" | "text" | "imageUrls" | "value" | "receiveTime" | "vendorMessage"> & {
  readonly note?: string;
};

/** The reply that answered; for a session that ended without one, what came too late. */
function repliesToShow(session: Session): readonly ShownReply[] {
  switch (session.state) {
    case Session_State.ANSWERED: {
      const accepted = session.replies.filter(
        (reply) => reply.disposition === Reply_Disposition.ACCEPTED && reply.vendorMessage !== "",
      );
      return accepted.length > 0 ? accepted : [directReply(session)];
    }
    case Session_State.EXPIRED:
    case Session_State.CANCELLED:
    case Session_State.UNDELIVERABLE:
      return session.replies.filter((reply) => reply.disposition === Reply_Disposition.LATE);
    default:
      return [];
  }
}

/** An answer that no vendor's message brought. */
function directReply(session: Session): ShownReply {
  const answer = session.answer;
  return {
    sender: answer?.responder,
    text: "",
    imageUrls: [],
    value: answer?.value,
    receiveTime: answer?.answerTime,
    vendorMessage: "",
    note: answer?.note,
  };
}

function toPollReply(reply: ShownReply, interaction: Interaction | undefined): PollReply {
  const read = wordsOf(reply.value, interaction);
  const text = [reply.text || read.text, reply.note ?? ""].filter(Boolean).join("\n");
  const images = reply.imageUrls.length > 0 ? reply.imageUrls : read.imageUrls;
  return {
    msg_type: images.length === 0 ? "text" : text === "" ? "image" : "mixed",
    content: text === "" ? null : text,
    image_url: images[0] ?? null,
    from_user: fromUser(reply.sender),
    timestamp: reply.receiveTime ? zonedTime(timestampDate(reply.receiveTime)) : "",
    raw_data: parseObject(reply.vendorMessage),
  };
}

function fromUser(sender: Responder | undefined): PollReply["from_user"] {
  return {
    userid: sender?.userId || sender?.principalId || "",
    name: sender?.name ?? "",
    alias: sender?.alias ?? "",
  };
}

/** An answer in the words that the person read. */
function wordsOf(value: AnswerValue | undefined, interaction: Interaction | undefined) {
  const none: readonly string[] = [];
  switch (value?.kind.case) {
    case "text":
      return { text: value.kind.value.text, imageUrls: value.kind.value.imageUrls };
    case "confirmation":
      return { text: labelOf(value.kind.value.value, interaction), imageUrls: none };
    case "selection": {
      const { values, other } = value.kind.value;
      const words = values.map((each) => labelOf(each, interaction));
      return { text: [...words, other].filter(Boolean).join(", "), imageUrls: none };
    }
    case undefined:
      return { text: "", imageUrls: none };
  }
}

function labelOf(value: string, interaction: Interaction | undefined): string {
  const kind = interaction?.kind;
  const options: readonly Option[] =
    kind?.case === "confirmation" || kind?.case === "selection" ? kind.value.options : [];
  return options.find((option) => option.value === value)?.label || value;
}

function parseObject(json: string): Record<string, unknown> {
  if (json === "") return {};
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {}; // kept by an older version in another form; the reply's own fields say what counts
  }
}
