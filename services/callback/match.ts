// Which session a message answers. Pure: what is known about sessions is passed in.
//
// M1. A tag names its session only if that session was sent to the chat that the message came from.
// M2. A tag that names no such session never falls back to another question.
// M3. Without a tag there is a match only where exactly one question can be meant; nothing is ever guessed.
// M4. A plain message answers no question that was asked after it.
// M5. Tenants may share a chat of the deployment's robot. Where questions of several of them can be meant, none is
//     named to anybody; a chat of a tenant's own channel answers that tenant's questions alone (I6).

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ReplyMatching, type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Tag } from "./tag.ts";

/** What a message answers. */
export type Match =
  /** This session; `text` is the reply without a typed tag. It may have ended: then the reply is a late one. */
  | {
      readonly kind: "session";
      readonly tenantId: string;
      readonly sessionId: string;
      readonly text: string;
      /** Where its ask stands in a trace. Unset: it is in none, or nobody looked. */
      readonly traceparent?: string;
    }
  /** Nothing can be meant. */
  | { readonly kind: "unmatched" }
  /** Several of one tenant can be meant, newest first; or the message itself names several, of which these still wait. */
  | { readonly kind: "ambiguous"; readonly tenantId: string; readonly candidates: readonly Session[] }
  /** Questions of several tenants can be meant. */
  | { readonly kind: "severalTenants" }
  /** The chat was asked nothing of this tag. Whether another chat was is nobody's business here. */
  | { readonly kind: "unknownTag"; readonly shortId: string };

/** Where a message came from. */
export interface Chat {
  readonly channelId: string;
  readonly chatId: string;
  /** Whose own channel it is. Undefined: the deployment's, over which every tenant asks. */
  readonly channelTenantId: string | undefined;
}

/** How far the clocks of two machines may differ. Nobody reads and answers a question in less. */
const CLOCK_TOLERANCE_MS = 5_000;

/** Decides for a message with a tag. `sessions` are all with that short id, of whatever tenant. */
export function matchTagged(
  tag: Extract<Tag, { kind: "one" }>,
  sessions: readonly Session[],
  chat: Chat,
): Match {
  const here = sessions.filter((session) => session.shortId === tag.shortId && wasSentTo(session, chat));
  const open = here.filter(isOpen);
  const meant = newestFirst(open.length > 0 ? open : here);
  const [first] = meant;
  if (!first) return { kind: "unknownTag", shortId: tag.shortId };
  if (!areOfOneTenant(meant)) return { kind: "severalTenants" };
  return matched(first, tag.text);
}

/** Decides for a message without a tag, or with several. `sessions` are the open ones of its chat, of whatever tenant. */
export function matchPlain(
  message: { readonly text: string; readonly receiveTime: Date },
  tag: Extract<Tag, { kind: "none" | "several" }>,
  sessions: readonly Session[],
  chat: Chat,
): Match {
  const candidates = newestFirst(
    sessions.filter(
      (session) =>
        isOpen(session) &&
        takesPlainReplies(session) &&
        wasSentTo(session, chat) &&
        wasAskedBefore(session, message.receiveTime),
    ),
  );
  const [first] = candidates;
  if (!first) return { kind: "unmatched" };
  if (!areOfOneTenant(candidates)) return { kind: "severalTenants" };
  if (candidates.length > 1 || tag.kind === "several") {
    return { kind: "ambiguous", tenantId: first.tenantId, candidates };
  }
  return matched(first, message.text);
}

/** True where a session was sent to a chat. A target without a channel means the deployment's that sends to chats. */
export function wasSentTo({ tenantId, audience }: Session, chat: Chat): boolean {
  if (chat.channelTenantId !== undefined && chat.channelTenantId !== tenantId) return false;
  return (audience?.targets ?? []).some(
    ({ channelId, chatId }) =>
      chatId === chat.chatId &&
      (channelId === chat.channelId || (channelId === "" && chat.channelTenantId === undefined)),
  );
}

function matched({ tenantId, id: sessionId, traceparent }: Session, text: string): Match {
  return { kind: "session", tenantId, sessionId, text, ...(traceparent && { traceparent }) };
}

function areOfOneTenant(sessions: readonly Session[]): boolean {
  return sessions.every((session) => session.tenantId === sessions[0]?.tenantId);
}

/** Ids sort by creation. */
function newestFirst(sessions: readonly Session[]): Session[] {
  return sessions.toSorted((one, other) => (one.id < other.id ? 1 : -1));
}

function isOpen(session: Session): boolean {
  return session.state === Session_State.OPEN;
}

function takesPlainReplies(session: Session): boolean {
  if (session.interaction?.kind.case === "notice") return false;
  switch (session.audience?.replyMatching ?? ReplyMatching.UNSPECIFIED) {
    case ReplyMatching.UNSPECIFIED:
    case ReplyMatching.PLAIN:
      return true;
    case ReplyMatching.QUOTED:
    // The session service makes it PLAIN once the asker waits.
    case ReplyMatching.QUOTED_UNTIL_WAITED:
      return false;
    // A rule that a newer asker knows and we do not: better asked back than guessed.
    default:
      return false;
  }
}

function wasAskedBefore(session: Session, time: Date): boolean {
  return !session.createTime || timestampMs(session.createTime) <= time.getTime() + CLOCK_TOLERANCE_MS;
}
