// The channels that each tenant can use: the deployment's, and its own.
//
// L1. A channel that a tenant added is found by that tenant only; to others it is as if there were none.
// L2. What a call was given is used to its end: a channel that was changed or taken away meanwhile is closed a while
//     later, when its last message is through.
// L3. A change is seen by the next call, whichever process made it: the store is asked every time.

import type { Channel, SendingChannel } from "@hil/channels/channel.ts";
import type { ChannelStore, StoredChannel } from "./channel-store.ts";
import type { OpenTenantChannel } from "./tenant-channel.ts";
import { TENANT_CHANNEL_CONCURRENCY } from "./tenant-channel.ts";

/** How long whoever was given a channel may take until it sends. */
const RETIRE_MS = 30_000;

interface OpenChannel {
  readonly revision: string;
  readonly channel: SendingChannel;
  /** Closes it after its last message. */
  retire(): void;
  close(): Promise<void>;
}

export class ChannelDirectory {
  readonly #deployment: ReadonlyMap<string, Channel>;
  readonly #store: Pick<ChannelStore, "channel" | "channelIds">;
  readonly #openTenantChannel: OpenTenantChannel;
  /** The channels of tenants as they are now, by tenant and id. */
  readonly #open = new Map<string, OpenChannel>();
  /** All of tenants that are not closed. */
  readonly #unclosed = new Set<OpenChannel>();

  constructor({
    deployment,
    store,
    openTenantChannel,
  }: {
    deployment: readonly Channel[];
    store: Pick<ChannelStore, "channel" | "channelIds">;
    openTenantChannel: OpenTenantChannel;
  }) {
    this.#deployment = new Map(deployment.map((channel) => [channel.id, channel]));
    this.#store = store;
    this.#openTenantChannel = openTenantChannel;
  }

  /** A channel of the deployment, whoever asks. */
  ofDeployment(channelId: string): Channel | undefined {
    return this.#deployment.get(channelId);
  }

  /** The channel that a tenant knows by this id. */
  async get(tenantId: string, channelId: string): Promise<Channel | undefined> {
    const channel = this.#deployment.get(channelId);
    if (channel) return channel;
    const stored = await this.#store.channel(tenantId, channelId);
    const name = nameOf(tenantId, channelId);
    const known = this.#open.get(name);
    if (known && known.revision === stored?.revision) return known.channel;
    if (known) {
      this.#open.delete(name);
      known.retire();
    }
    return stored && this.#openChannel(name, stored);
  }

  /** What is told of a channel that a tenant added. Undefined: it has none of this id. */
  async stored(tenantId: string, channelId: string): Promise<StoredChannel | undefined> {
    return this.#deployment.has(channelId) ? undefined : this.#store.channel(tenantId, channelId);
  }

  /** The ids of all that a tenant can use, in their order. */
  async ids(tenantId: string): Promise<string[]> {
    return [...this.#deployment.keys(), ...(await this.#store.channelIds(tenantId))].sort();
  }

  /** Names what sends under one limit of concurrency: a channel, for all who share it. */
  groupOf(tenantId: string, channelId: string): string {
    return this.#deployment.has(channelId) ? channelId : nameOf(tenantId, channelId);
  }

  /** How many sends of such a group may be under way in this process at once. */
  concurrencyOf(channelId: string): number {
    const channel = this.#deployment.get(channelId);
    if (!channel) return TENANT_CHANNEL_CONCURRENCY;
    return channel.mode === "sends" ? channel.concurrency : 1;
  }

  async close(): Promise<void> {
    const shared = [...this.#deployment.values()].map((channel) =>
      channel.mode === "sends" ? channel.close() : undefined,
    );
    await Promise.all([...shared, ...[...this.#unclosed].map((open) => open.close())]);
  }

  #openChannel(
    name: string,
    { tenantId, id, name: title, settings, secret, revision }: StoredChannel,
  ): SendingChannel {
    const inner = this.#openTenantChannel({ tenantId, id, name: title, settings, secret: secret() });
    let underWay = 0;
    let retired = false;
    const close = async () => {
      this.#unclosed.delete(open);
      await inner.close();
    };
    const closeWhenQuiet = () => {
      if (retired && underWay === 0) void close();
    };
    const channel: SendingChannel = {
      ...inner,
      async send(...given) {
        underWay += 1;
        try {
          return await inner.send(...given);
        } finally {
          underWay -= 1;
          closeWhenQuiet();
        }
      },
    };
    const retire = () => {
      const timer = setTimeout(() => {
        retired = true;
        closeWhenQuiet();
      }, RETIRE_MS);
      timer.unref();
    };
    const open: OpenChannel = { revision, channel, retire, close };
    this.#open.set(name, open);
    this.#unclosed.add(open);
    return channel;
  }
}

function nameOf(tenantId: string, channelId: string): string {
  return JSON.stringify([tenantId, channelId]);
}
