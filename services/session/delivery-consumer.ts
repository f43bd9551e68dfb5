// Tells delivery what to bring to chats and what has ended, for each tenant apart.

import type { CallOptions, Client } from "@connectrpc/connect";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { type Event, Event_Type, type Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { currentTracing, resumeTrace } from "@hil/platform/telemetry/tracing.ts";
import type { OutboxConsumer } from "./outbox.ts";
import { endsSession, isEnded } from "./session.ts";
import type { SessionStore } from "./session-store.ts";

const MOST_AT_A_TIME = 100;

export function deliveryConsumer({
  store,
  delivery,
}: {
  store: SessionStore;
  delivery: Client<typeof DeliveryService>;
}): OutboxConsumer {
  const load = async (
    events: readonly Event[],
    wanted: (type: Event_Type) => boolean,
  ): Promise<Session[]> => {
    const sessions = await Promise.all(
      events.filter((event) => wanted(event.type)).map((event) => store.get(event.tenantId, event.sessionId)),
    );
    return sessions.filter((session) => session !== undefined);
  };
  return {
    line: "delivery",
    async take(events) {
      const created = await load(events, (type) => type === Event_Type.CREATED);
      const orders = created.flatMap((session) =>
        session.deliveries.map(({ deliveryId, target }) => ({
          deliveryId,
          session: asAsked(session),
          target,
        })),
      );
      await forEachTenant(
        orders,
        ({ session }) => session,
        (chunk, options) => delivery.deliver({ orders: chunk }, options),
      );
      const ended = (await load(events, endsSession)).filter(isEnded);
      await forEachTenant(
        ended,
        (session) => session,
        (chunk, options) => delivery.updateDelivered({ sessions: chunk.map(asAsked) }, options),
      );
    },
  };
}

/** Without what people sent: delivery does not need it. */
function asAsked(session: Session): Session {
  return { ...session, replies: [] };
}

/** Hands over what concerns each tenant, some at a time, in its name; what is traced, in the trace of its ask. */
async function forEachTenant<T>(
  items: readonly T[],
  sessionOf: (item: T) => Session,
  take: (chunk: T[], options: CallOptions) => Promise<unknown>,
): Promise<void> {
  const placeOf = (item: T) => (currentTracing() ? sessionOf(item).traceparent : "");
  for (const [tenantId, ofTenant] of Map.groupBy(items, (item) => sessionOf(item).tenantId)) {
    const options = { headers: { [TENANT_HEADER]: tenantId } };
    for (const [place, together] of Map.groupBy(ofTenant, placeOf)) {
      for (let start = 0; start < together.length; start += MOST_AT_A_TIME) {
        const chunk = together.slice(start, start + MOST_AT_A_TIME);
        await resumeTrace(place, () => take(chunk, options));
      }
    }
  }
}
