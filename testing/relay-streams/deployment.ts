// The delivery service of recordings, and what is asked of it.

import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { type DeliveryBench, order } from "../../services/delivery/testing/start-delivery.ts";
import { type Outcome, pictureOf, type RecordedEvent } from "./recording.ts";

/** The relay's name. */
export const RELAY = "plant-1";
/** The robot is reached by relays. */
export const FORM = { environment: { BOT_KEY: "", HIL_MODE: "relay", HIL_RELAY_PORT: "0" } };

type EventOf<K extends RecordedEvent["event"]> = Extract<RecordedEvent, { event: K }>;

/** Has a session brought to a chat. */
export async function askIn(
  bench: DeliveryBench,
  { sessionId, chatId, pictureBytes }: EventOf<"ask">,
): Promise<void> {
  for (const [index, bytes] of pictureBytes.entries()) {
    bench.sessions.pictures.set(index + 1, pictureOf(bytes));
  }
  const attachments = pictureBytes.map((_, index) => ({ number: index + 1 }));
  const given = order({ id: sessionId, tenantId: DEFAULT_TENANT, attachments }, { chatId });
  await bench.delivery.deliver({ orders: [{ ...given, deliveryId: `${sessionId}/1` }] });
}

export async function noticeIn(bench: DeliveryBench, { noticeId, chatId }: EventOf<"notice">): Promise<void> {
  await bench.delivery.sendNotice({ noticeId, target: { chatId }, markdown: "**noted**" });
}

/** How all that these events ask for stands. */
export async function outcomeIn(
  bench: DeliveryBench,
  events: readonly RecordedEvent[],
): Promise<Omit<Outcome, "shown">> {
  const ids = events.flatMap((event) => {
    if (event.event === "ask") return [`${event.sessionId}/1`];
    return event.event === "notice" ? [event.noticeId] : [];
  });
  const deliveries: Record<string, { state: number; attempts: number[] }> = {};
  for (const deliveryId of ids) {
    const { state, attempts } = (await bench.delivery.getDelivery({ deliveryId })).delivery!;
    deliveries[deliveryId] = { state, attempts: attempts.map(({ outcome }) => outcome) };
  }
  return { deliveries, inbounds: bench.callbacks.taken.map(({ relayInboundId }) => relayInboundId) };
}
