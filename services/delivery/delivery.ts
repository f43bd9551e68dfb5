// What becomes of a delivery: pure decisions over what is stored.
//
//   QUEUED     - waits for its first try, or for its next one after the vendor could not.
//   SENDING    - a try is under way. Found so at a start: the process died in it, so it is UNKNOWN.
//   UNKNOWN    - the last try got no word; the same messages go out again, with the same tag.
//   SENT       - final; the vendor took all parts.
//   FAILED     - final; refused for good, or given up at the deadline.
//   SUPPRESSED - final; not sent on purpose.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Channel, Part, SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import {
  type ChatType,
  DeliverySummary_State,
  type Session,
  Session_State,
  type Target,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import { maskSession } from "./mask-session.ts";
import type { TenantRules } from "./tenant-rules.ts";

/** How long a session without a deadline is tried. */
const LONGEST_TRYING_MS = 24 * 3_600_000;
/** How often a picture is tried before the delivery goes on without it. */
const PICTURE_TRIES = 3;
/** The channel of a target that names none. */
const CHAT_CHANNEL_ID = "wecom-robot";

/** Names a delivery. */
export interface DeliveryKey {
  readonly tenantId: string;
  readonly id: string;
}

/** What an order asks for. Times here and below are milliseconds since 1970. */
export interface Order extends DeliveryKey {
  /** Empty for a notice. */
  readonly sessionId: string;
  readonly channelId: string;
  readonly chatId: string;
  readonly chatType: ChatType;
  readonly giveUpTimeMs: number;
}

/** A delivery that is not stored yet. */
export interface NewDelivery extends Order {
  readonly line: string;
  /** What is sent. Empty where nothing is. */
  readonly parts: readonly Part[];
  readonly state: Delivery_State;
  /** What is sent is sealed on disk: notices, which may quote others' questions, and sensitive sessions. */
  readonly isSecret: boolean;
  /** Why it is not sent. */
  readonly reason: string;
  /** When the next try is due. Undefined: none will be. */
  readonly nextTimeMs: number | undefined;
  /** The session service is to be told how it stands. */
  readonly report: boolean;
}

/** A delivery as it is stored. */
export interface StoredDelivery extends Omit<NewDelivery, "report"> {
  /** Its place in the order of creation. */
  readonly sequence: number;
  /** How many parts the vendor has, or were passed over. */
  readonly partsSent: number;
  /** How often the next part was tried. */
  readonly partTries: number;
  readonly attemptCount: number;
  /** Why its session needs it no longer. */
  readonly withdrawn: string | undefined;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
}

/** The channel that a target names. */
export function channelIdOf(target: Target): string {
  return target.channelId || CHAT_CHANNEL_ID;
}

/** When a session is given up: at its deadline. */
export function giveUpTimeOf(session: Session, nowMs: number): number {
  return session.expireTime ? timestampMs(session.expireTime) : nowMs + LONGEST_TRYING_MS;
}

/** What is brought: a session, a notice as Markdown, or messages as they are. */
export type Content =
  | { readonly session: Session }
  | { readonly markdown: string }
  | { readonly parts: readonly Part[] };

/** What an order starts as, under the rules of its tenant. */
export function newDelivery(
  order: Order,
  content: Content,
  channel: Channel | undefined,
  rules: Pick<TenantRules, "mask" | "templateOf" | "sendTime" | "mayAskIn">,
  nowMs: number,
): NewDelivery {
  const report = order.sessionId !== "";
  const ended = (state: Delivery_State, reason: string): NewDelivery => ({
    ...order,
    line: "",
    parts: [],
    isSecret: false,
    state,
    reason,
    nextTimeMs: undefined,
    report,
  });
  // The session service knows that the console shows every session, so it is not told.
  if (channel?.mode === "shows") return { ...ended(Delivery_State.SENT, ""), report: false };
  const barrier = barrierOf(order, channel, rules);
  if (barrier) return ended(barrier.state, barrier.reason);
  if ("session" in content && content.session.state !== Session_State.OPEN) {
    return ended(Delivery_State.SUPPRESSED, "the session has ended");
  }
  const sending = channel as SendingChannel;
  const sendTimeMs = rules.sendTime(nowMs, order.giveUpTimeMs);
  return {
    ...order,
    line: sending.line(order),
    parts: partsOf(content, sending, rules),
    isSecret: !("session" in content) || content.session.sensitive,
    state: Delivery_State.QUEUED,
    reason: sendTimeMs > nowMs ? "waits for the end of quiet hours" : "",
    nextTimeMs: sendTimeMs,
    report: false,
  };
}

/** The messages of a delivery. Secrets are taken out before the channel sees anything. */
function partsOf(
  content: Content,
  channel: SendingChannel,
  { mask, templateOf }: Pick<TenantRules, "mask" | "templateOf">,
): readonly Part[] {
  if ("parts" in content) return content.parts;
  if ("markdown" in content) return channel.renderNotice(mask(content.markdown));
  const { session } = content;
  return channel.renderSession(maskSession(session, mask), { template: templateOf(session) });
}

/** What keeps everything from being sent to this chat, whatever it says. Undefined: nothing. */
export function barrierOf(
  order: Pick<Order, "sessionId" | "channelId" | "chatId" | "chatType">,
  channel: Channel | undefined,
  rules: Pick<TenantRules, "mayAskIn">,
): { state: Delivery_State; reason: string } | undefined {
  const { sessionId, channelId, chatId, chatType } = order;
  if (!channel) {
    const reason = `there is no channel ${JSON.stringify(channelId)}; ListChannels names those there are`;
    return { state: Delivery_State.FAILED, reason };
  }
  if (channel.mode === "shows") return undefined;
  if (channel.missing !== undefined) return { state: Delivery_State.SUPPRESSED, reason: channel.missing };
  const refusal = channel.refusal({ chatId, chatType });
  if (refusal !== undefined) return { state: Delivery_State.FAILED, reason: refusal };
  // Notices answer what a person wrote in that chat; nobody asks there.
  if (sessionId === "" || rules.mayAskIn({ channelId, chatId })) return undefined;
  const reason = "CHAT_NOT_ALLOWED: this tenant does not send to that chat; an administrator can allow it";
  return { state: Delivery_State.FAILED, reason };
}

/** How a try ended: with all parts sent, at a part that was not, or because its turn has not come. */
export type TryEnd =
  | { readonly kind: "sent" }
  | { readonly kind: "stopped"; readonly outcome: Exclude<SendOutcome, { kind: "delivered" }> }
  | { readonly kind: "paused"; readonly reason: string };

/** How a delivery stands after a try, and what is written down about the try. */
export interface Settlement {
  readonly state: Delivery_State;
  readonly reason: string;
  readonly nextTimeMs: number | undefined;
  readonly outcome: Attempt_Outcome;
  readonly detail: string;
  readonly report: boolean;
}

export interface RetryPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  readonly random?: () => number;
}

/** Decides what a try does to its delivery. `delivery` as it is at the end of the try. */
export function settle(delivery: StoredDelivery, end: TryEnd, nowMs: number, retry: RetryPolicy): Settlement {
  const settlement = settleTry(delivery, end, nowMs, retry);
  if (delivery.withdrawn === undefined || settlement.nextTimeMs === undefined) return settlement;
  return {
    ...settlement,
    state: Delivery_State.SUPPRESSED,
    reason: delivery.withdrawn,
    nextTimeMs: undefined,
  };
}

function settleTry(delivery: StoredDelivery, end: TryEnd, nowMs: number, retry: RetryPolicy): Settlement {
  const final = { reason: "", detail: "", nextTimeMs: undefined, report: true };
  switch (end.kind) {
    case "sent":
      return { ...final, state: Delivery_State.SENT, outcome: Attempt_Outcome.DELIVERED };
    case "paused":
      return {
        state: Delivery_State.QUEUED,
        reason: delivery.reason,
        // It was the first in its line and stays so: the parts of one question stand together in the chat.
        nextTimeMs: Math.min(delivery.nextTimeMs ?? nowMs, nowMs),
        outcome: Attempt_Outcome.RETRYABLE,
        detail: end.reason,
        report: false,
      };
    case "stopped":
      break;
  }
  const { outcome } = end;
  const waitMs = backoffMs(Math.max(1, delivery.partTries), retry);
  const detail = outcome.reason;
  switch (outcome.kind) {
    case "refused":
      return {
        ...final,
        state: Delivery_State.FAILED,
        reason: detail,
        detail,
        outcome: Attempt_Outcome.REFUSED,
      };
    case "retryable":
      return {
        state: Delivery_State.QUEUED,
        reason: detail,
        detail,
        nextTimeMs: Math.min(nowMs + Math.max(waitMs, outcome.retryAfterMs ?? 0), delivery.giveUpTimeMs),
        outcome: Attempt_Outcome.RETRYABLE,
        report: true,
      };
    case "unknown":
      return {
        state: Delivery_State.UNKNOWN,
        reason: detail,
        detail,
        nextTimeMs: Math.min(nowMs + waitMs, delivery.giveUpTimeMs),
        outcome: Attempt_Outcome.UNKNOWN,
        report: true,
      };
  }
}

/** Whether the delivery goes on without a part that could not be sent: the words matter, a picture helps. */
export function passesOver(part: Part, outcome: SendOutcome, tries: number): boolean {
  switch (outcome.kind) {
    case "delivered":
      return false;
    case "refused":
      return part.kind === "image";
    case "retryable":
      return part.kind === "image" && outcome.retryAfterMs === undefined && tries >= PICTURE_TRIES;
    case "unknown":
      return part.kind === "image" && tries >= PICTURE_TRIES;
  }
}

/** Why a delivery is given up at its deadline. */
export function gaveUp({ attemptCount, reason }: StoredDelivery): string {
  if (attemptCount === 0) {
    return `given up at the deadline: ${reason || "its turn never came under the vendor's limits"}`;
  }
  const tries = `${attemptCount} ${attemptCount === 1 ? "try" : "tries"}`;
  return `given up at the deadline after ${tries}${reason ? `: ${reason}` : ""}`;
}

/** A delivery's state in the words of the session service. */
export function summaryState(state: Delivery_State): DeliverySummary_State {
  switch (state) {
    case Delivery_State.QUEUED:
    case Delivery_State.SENDING:
      return DeliverySummary_State.PENDING;
    case Delivery_State.SENT:
      return DeliverySummary_State.SENT;
    case Delivery_State.UNKNOWN:
      return DeliverySummary_State.UNKNOWN;
    case Delivery_State.FAILED:
      return DeliverySummary_State.FAILED;
    case Delivery_State.SUPPRESSED:
      return DeliverySummary_State.SUPPRESSED;
    default:
      return DeliverySummary_State.UNSPECIFIED; // never stored
  }
}
