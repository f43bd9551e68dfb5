import type { Capabilities, Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { ChatType, Session } from "@hil/gen/hil/session/v1/session_pb.ts";

/** The languages of the words that HIL itself says to people. */
export type Locale = "zh-CN" | "en";

/** The chat that a message goes to, as the vendor names it. */
export interface SendTarget {
  readonly chatId: string;
  readonly chatType: ChatType;
}

/**
 * One message of a rendered session or notice. Plain data: it is kept as JSON, so that what is sent again after a
 * crash is what was sent before, byte for byte.
 *
 *   text, markdown - as it goes to the vendor, within its limits.
 *   image          - the session's picture of that number; its bytes are read when it is sent.
 */
export type Part =
  | { readonly kind: "text"; readonly text: string; readonly mentions: readonly string[] }
  | { readonly kind: "markdown"; readonly text: string }
  | { readonly kind: "image"; readonly number: number };

/** A part with all that sending it needs. */
export type Message =
  | Exclude<Part, { readonly kind: "image" }>
  | { readonly kind: "image"; readonly data: Uint8Array };

/**
 * How one send ended, and so what happens next. A reason is one line for people and holds no credential.
 *
 *   delivered - the vendor took it.
 *   retryable - the vendor did not take it, and may later: not before `retryAfterMs`, where it is set.
 *   refused   - the vendor will not take this message. `broken`: nor any other with this credential.
 *   unknown   - no word came back: it may be shown or not. Sending it again may show a copy.
 */
export type SendOutcome =
  | { readonly kind: "delivered" }
  | { readonly kind: "retryable"; readonly reason: string; readonly retryAfterMs?: number }
  | { readonly kind: "refused"; readonly reason: string; readonly broken: boolean }
  | { readonly kind: "unknown"; readonly reason: string };

/** Names one message of a delivery, the same in every repetition, for who carries it on. */
export interface MessageName {
  readonly id: string;
  /** When it is not worth sending any more, in milliseconds since 1970. */
  readonly expireTimeMs: number;
}

/**
 * Where a channel's messages can be sent from now.
 *
 *   here      - from this process.
 *   elsewhere - from another process of the delivery service.
 *   nowhere   - from none, until something changes; `reason` says what, in words.
 */
export type Place =
  | { readonly kind: "here" }
  | { readonly kind: "elsewhere" }
  | { readonly kind: "nowhere"; readonly reason: string };

/** So many messages a minute that count under one name. 0: no limit. */
export interface TurnLimit {
  /** Empty: the whole channel. */
  readonly name: string;
  readonly perMinute: number;
}

/** A tenant's own words around a session. */
export interface SessionWords {
  /** The text of a MessageTemplate for sessions of this kind and language; it was checked. Undefined: none. */
  readonly template: string | undefined;
}

interface ChannelBase {
  /** Names the channel: "console", "wecom-robot", or as its tenant named it. */
  readonly id: string;
  readonly kind: Channel_Kind;
  /** The name to show. */
  readonly name: string;
  readonly capabilities: Omit<Capabilities, "$typeName" | "$unknown">;
}

/** A channel where sessions show by themselves: nothing is sent. */
export interface ShowingChannel extends ChannelBase {
  readonly mode: "shows";
}

/** A channel that a vendor carries. */
export interface SendingChannel extends ChannelBase {
  readonly mode: "sends";
  /** What an operator has to do before it can send. Undefined: it can. */
  readonly missing: string | undefined;
  /** How many sends may be under way at once, over all chats. */
  readonly concurrency: number;

  /** Why nothing may go to this target, in words; undefined when something may. */
  refusal(target: SendTarget): string | undefined;
  /** The line that a message to this target stands in: the messages of one line go out one after the other. */
  line(target: SendTarget): string;

  /** The messages that show a session, text first, in a tenant's own words where it has some. Pure; at least one. */
  renderSession(session: Session, words?: SessionWords): Part[];
  /** The messages that say something of our own, given as Markdown. Pure; at least one. */
  renderNotice(markdown: string): Part[];
  /** The message that TestChannel sends. `now` makes two of them differ: a vendor may drop a repetition. */
  renderTest(locale: Locale, now: Date): Part[];

  /** The vendor's rate limits that a message to this target counts under, each by its name within the channel. */
  limits(target: SendTarget): readonly TurnLimit[];
  /**
   * Takes the turn of one message under these limits, as far as this process knows. 0: send it now. Otherwise no turn was taken, and
   * asking again makes sense after that many milliseconds.
   */
  turnMs(target: SendTarget): number;
  /** Where its messages can be sent from. Absent: from every process. */
  place?(): Promise<Place>;
  /** The names of the relays that run it and are attached. Absent: it runs on none. */
  attachedRelays?(): Promise<readonly string[]>;
  /** Sends one message. Never throws; ends within a minute, as `unknown` when `signal` cuts it. */
  send(message: Message, target: SendTarget, signal: AbortSignal, name?: MessageName): Promise<SendOutcome>;
  /** Closes connections. Idempotent. */
  close(): Promise<void>;
}

export type Channel = ShowingChannel | SendingChannel;

/** The language of a session's words of ours. */
export function localeOf(session: Session): Locale {
  return session.locale === "en" ? "en" : "zh-CN";
}
