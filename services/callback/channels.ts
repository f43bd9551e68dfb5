// The channels that messages come on, and how each is read.

import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Decode } from "@hil/channels/inbound.ts";
import { decodeWecomRobot } from "@hil/channels/wecom-robot/inbound.ts";
import { type Channel, Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";

/** The robot that the environment sets up, for every tenant. */
export const DEPLOYMENT_ROBOT = "wecom-robot";
/** How long what the delivery service says of a channel is remembered. */
const MAX_AGE_MS = 5_000;
const MAX_STALE_MS = 3_600_000;
const MAX_REMEMBERED = 1_000;
const CALL_TIMEOUT_MS = 1_500;

/** One channel that takes messages. */
export interface InboundChannel {
  readonly id: string;
  /** Whose it is. The default tenant for one of the deployment: it keeps what was matched to nobody. */
  readonly tenantId: string;
  readonly decode: Decode;
}

export interface InboundChannels {
  /**
   * The channel that a tenant's message came on: one of the deployment, or the tenant's own. Undefined where the tenant
   * has none of this id that takes messages. Rejects where the delivery service cannot say.
   */
  find(tenantId: string, channelId: string): Promise<InboundChannel | undefined>;
}

const ROBOT: InboundChannel = { id: DEPLOYMENT_ROBOT, tenantId: DEFAULT_TENANT, decode: decodeWecomRobot };

/** Whose own channel it is; undefined for one of the deployment. */
export function ownerOf(channelTenantId: string, channelId: string): string | undefined {
  return channelId === DEPLOYMENT_ROBOT ? undefined : channelTenantId;
}

/**
 * Asks the delivery service, as each tenant, and remembers for 5 s what it says. While that cannot say, what it said in
 * the last hour stands, so that vendors are served on (G10).
 */
export function createInboundChannels({
  delivery,
  now,
}: {
  delivery: Client<typeof DeliveryService>;
  now: () => Date;
}): InboundChannels {
  const known = new Map<string, { readonly channel: InboundChannel | undefined; readonly sinceMs: number }>();
  return {
    async find(tenantId, channelId) {
      if (channelId === DEPLOYMENT_ROBOT) return ROBOT;
      const key = JSON.stringify([tenantId, channelId]);
      const found = known.get(key);
      const ageMs = found ? now().getTime() - found.sinceMs : Number.POSITIVE_INFINITY;
      if (found && ageMs < MAX_AGE_MS) return found.channel;
      let channel: InboundChannel | undefined;
      try {
        channel = inboundChannelOf(tenantId, await load(delivery, tenantId, channelId));
      } catch (error) {
        if (found?.channel && ageMs < MAX_STALE_MS) return found.channel;
        throw error;
      }
      known.delete(key);
      known.set(key, { channel, sinceMs: now().getTime() });
      if (known.size > MAX_REMEMBERED) known.delete(known.keys().next().value!);
      return channel;
    },
  };
}

async function load(
  delivery: Client<typeof DeliveryService>,
  tenantId: string,
  channelId: string,
): Promise<Channel | undefined> {
  try {
    const { channel } = await delivery.getChannel(
      { channelId },
      { headers: { [TENANT_HEADER]: tenantId }, timeoutMs: CALL_TIMEOUT_MS },
    );
    return channel;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}

/** Only a channel of the tenant's own takes messages here: the deployment's are named above. */
function inboundChannelOf(tenantId: string, channel: Channel | undefined): InboundChannel | undefined {
  if (channel?.kind !== Channel_Kind.WECOM_ROBOT || channel.tenantId !== tenantId) return undefined;
  return { id: channel.id, tenantId, decode: decodeWecomRobot };
}
