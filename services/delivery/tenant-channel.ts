import type { SendingChannel } from "@hil/channels/channel.ts";
import type { WecomRobotConfig } from "@hil/channels/wecom-robot/config.ts";
import {
  createWecomRobotChannel,
  WECOM_ROBOT_CONCURRENCY,
} from "@hil/channels/wecom-robot/wecom-robot-channel.ts";
import { type ChannelSettings, WecomRobotSettings_Mode } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { EgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { createRelayedChannel, type RelayRunner } from "./relay/relayed-channel.ts";

/** How many sends of a channel that a tenant added may be under way at once; all of them are robots. */
export const TENANT_CHANNEL_CONCURRENCY = WECOM_ROBOT_CONCURRENCY;

/** A channel that a tenant added, with its secret. */
export interface TenantChannel {
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  readonly settings: ChannelSettings;
  /** Empty for one that relays run. */
  readonly secret: string;
}

/** Opens a channel of a tenant. */
export type OpenTenantChannel = (channel: TenantChannel) => SendingChannel;

/**
 * Opens channels of tenants beside the deployment's. The vendor's own address is called as the deployment calls it,
 * by its proxy if need be; an address that a tenant chose only through the guard. One that names relays is called by them
 * alone.
 */
export function createOpenTenantChannel({
  robot,
  guard,
  relays,
  now,
}: {
  /** The deployment's robot: where its vendor is, and the vendor's limits. */
  robot: WecomRobotConfig;
  guard: Pick<EgressGuard, "dispatcher">;
  relays: RelayRunner;
  now: () => Date;
}): OpenTenantChannel {
  return ({ tenantId, id, name, settings: { kind, relayNames }, secret }) => {
    if (kind.case === undefined) throw new Error(`the channel ${id} is of a kind that is not known`);
    const { apiUrl, mode } = kind.value;
    const isGroup = mode === WecomRobotSettings_Mode.GROUP;
    const config: WecomRobotConfig = {
      ...robot,
      kind: isGroup ? "public" : "callback",
      botKey: secret || undefined,
      messagesPerMinute: isGroup ? 20 : 100,
      ...(apiUrl !== "" && { apiUrl, proxy: undefined }),
    };
    const channel = createWecomRobotChannel(config, {
      now,
      id,
      name,
      dispatcher: apiUrl === "" ? undefined : guard.dispatcher,
    });
    if (relayNames.length === 0) return channel;
    return createRelayedChannel(channel, { relays, runners: { tenantId, names: relayNames, channelId: id } });
  };
}
