// What is stored, in the form of the contract.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Channel } from "@hil/channels/channel.ts";
import {
  type AttemptSchema,
  Channel_State,
  type ChannelSchema,
  type DeliverySchema,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { StoredChannel } from "./channel-store.ts";
import type { StoredDelivery } from "./delivery.ts";
import type { ChannelHealth, StoredAttempt } from "./delivery-store.ts";

export function deliveryResource(
  delivery: StoredDelivery,
  attempts: readonly StoredAttempt[],
): MessageInitShape<typeof DeliverySchema> {
  const { id, sessionId, channelId, chatId, chatType, state, reason, attemptCount } = delivery;
  return {
    id,
    sessionId,
    target: { channelId, chatId, chatType },
    state,
    attempts: attempts.map(attemptResource),
    attemptCount,
    nextAttemptTime: delivery.nextTimeMs === undefined ? undefined : timestampFromMs(delivery.nextTimeMs),
    reason,
    createTime: timestampFromMs(delivery.createTimeMs),
    updateTime: timestampFromMs(delivery.updateTimeMs),
  };
}

export function attemptResource(attempt: StoredAttempt): MessageInitShape<typeof AttemptSchema> {
  return {
    number: attempt.number,
    startTime: timestampFromMs(attempt.startTimeMs),
    endTime: attempt.endTimeMs === undefined ? undefined : timestampFromMs(attempt.endTimeMs),
    outcome: attempt.outcome,
    detail: attempt.detail,
  };
}

/** What is told of a channel besides what it is. */
export interface ChannelSituation {
  readonly health: ChannelHealth;
  /** What its tenant set, for a channel that a tenant added. Never a secret. */
  readonly stored: StoredChannel | undefined;
  /** The relays that run it and are attached. Undefined: it runs on none. */
  readonly attachedRelays: readonly string[] | undefined;
}

export function channelResource(
  channel: Channel,
  { health, stored, attachedRelays }: ChannelSituation,
): MessageInitShape<typeof ChannelSchema> {
  const { id, kind, name, capabilities } = channel;
  return {
    id,
    kind,
    name,
    capabilities,
    state: channelState(channel, health),
    lastError: health.lastError,
    lastSentTime: health.lastSentTimeMs === undefined ? undefined : timestampFromMs(health.lastSentTimeMs),
    ...(attachedRelays && { runsOnRelays: true, attachedRelays: [...attachedRelays] }),
    ...(stored && { tenantId: stored.tenantId, settings: stored.settings }),
  };
}

function channelState(channel: Channel, { broken }: ChannelHealth): Channel_State {
  if (channel.mode === "sends" && channel.missing !== undefined) return Channel_State.NOT_CONFIGURED;
  return broken ? Channel_State.BROKEN : Channel_State.READY;
}
