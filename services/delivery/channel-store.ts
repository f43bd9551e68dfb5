import type { ChannelSettings } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";

/** A channel that a tenant added. Times are milliseconds since 1970. */
export interface StoredChannel {
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  /** Without the secret. */
  readonly settings: ChannelSettings;
  /** Unseals the secret. */
  readonly secret: () => string;
  /** Changes with every change of the channel. */
  readonly revision: string;
  readonly createTimeMs: number;
  readonly updateTimeMs: number;
}

/** Who changes a channel, and when. */
export interface ChannelChange {
  readonly tenantId: string;
  readonly channelId: string;
  readonly principalId: string;
  readonly nowMs: number;
}

/** The channels of tenants. Each command is one atomic write together with its audit record. */
export interface ChannelStore {
  channel(tenantId: string, channelId: string): Promise<StoredChannel | undefined>;
  /** The ids of a tenant's own channels. */
  channelIds(tenantId: string): Promise<string[]>;
  /** Returns false where the tenant has one of this id. */
  createChannel(
    change: ChannelChange,
    content: { readonly name: string; readonly settings: ChannelSettings; readonly secret: string },
  ): Promise<boolean>;
  /** What is undefined stays. Returns false where the tenant has none of this id. */
  updateChannel(
    change: ChannelChange,
    content: {
      readonly name: string | undefined;
      readonly settings: ChannelSettings | undefined;
      readonly secret: string | undefined;
    },
  ): Promise<boolean>;
  /** Takes it away; what waits for it has FAILED with `reason`. Returns false where the tenant has none of this id. */
  deleteChannel(change: ChannelChange, reason: string): Promise<boolean>;
}
