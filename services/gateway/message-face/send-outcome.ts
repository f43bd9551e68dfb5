import { DeliverySummary_State, type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";

/**
 * How far a message is on its way to its chat.
 *
 *   sent          - the vendor took it.
 *   console-only  - no robot is set up: people are shown it in the console.
 *   failed        - nobody was shown it, and nobody will be.
 *   under-way     - not taken yet; it is being tried.
 */
export type SendOutcome =
  | { readonly kind: "sent" }
  | { readonly kind: "console-only" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "under-way" };

/** Reads the outcome off a session of one target. */
export function sendOutcomeOf(session: Session): SendOutcome {
  const delivery = session.deliveries[0];
  const reason = session.endReason || delivery?.reason || "";
  switch (session.state) {
    case Session_State.UNDELIVERABLE:
      return { kind: "failed", reason };
    case Session_State.ANSWERED:
      return { kind: "sent" }; // who answers has seen it, in the chat or in the console
    case Session_State.EXPIRED:
    case Session_State.CANCELLED:
      return delivery?.state === DeliverySummary_State.SENT ? { kind: "sent" } : { kind: "failed", reason };
    default: // OPEN: the delivery says
      break;
  }
  switch (delivery?.state) {
    case DeliverySummary_State.SENT:
      return { kind: "sent" };
    case DeliverySummary_State.SUPPRESSED:
      return { kind: "console-only" };
    case DeliverySummary_State.FAILED:
      return { kind: "failed", reason };
    default: // PENDING, UNKNOWN, or not ordered yet
      return { kind: "under-way" };
  }
}
