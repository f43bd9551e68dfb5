// The RPCs about channels. What a tenant added is the tenant's alone: to others it is as if there were none.

import { Code } from "@connectrpc/connect";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { EgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { CallContext, Handlers } from "@hil/platform/rpc/service.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import { changedSettings, readChannelSettings, requireSecret } from "./channel-settings.ts";
import type { ChannelChange, StoredChannel } from "./channel-store.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { pageTokenInvalid } from "./page-token.ts";
import { channelResource } from "./resource.ts";

const DEFAULT_PAGE = 50;
const TAKEN_AWAY = "the channel was taken away before this was sent";

type ChannelRpc = "getChannel" | "listChannels" | "createChannel" | "updateChannel" | "deleteChannel";

export interface ChannelRouteOptions {
  readonly store: DeliveryStore;
  readonly channels: ChannelDirectory;
  readonly guard: Pick<EgressGuard, "check">;
  readonly now: () => Date;
  /** Called after a change that the session service has to be told. */
  readonly onChange: () => void;
}

export function channelRoutes(
  options: ChannelRouteOptions,
): Pick<Handlers<typeof DeliveryService>, ChannelRpc> {
  const { store, channels, guard, now, onChange } = options;
  const resourceOf = async (tenantId: string, channelId: string) => {
    const channel = await channels.get(tenantId, channelId);
    if (!channel) throw channelNotFound(channelId);
    return channelResource(channel, {
      health: await store.health(tenantId, channelId),
      stored: await channels.stored(tenantId, channelId),
      attachedRelays: channel.mode === "sends" ? await channel.attachedRelays?.() : undefined,
    });
  };
  const changeBy = ({ principal }: CallContext, channelId: string): ChannelChange => ({
    tenantId: principal.tenantId,
    channelId,
    principalId: principal.id,
    nowMs: now().getTime(),
  });
  /** The channel as the tenant added it. */
  const ownOf = async (tenantId: string, channelId: string): Promise<StoredChannel> => {
    if (channels.ofDeployment(channelId)) throw channelFixed(channelId);
    const stored = await channels.stored(tenantId, channelId);
    if (!stored) throw channelNotFound(channelId);
    return stored;
  };

  return {
    getChannel: async ({ channelId }, { principal }) => ({
      channel: await resourceOf(principal.tenantId, channelId),
    }),

    async listChannels({ pageSize, pageToken }, { principal: { tenantId } }) {
      const after = pageToken === "" ? "" : idOf(pageToken);
      const rest = (await channels.ids(tenantId)).filter((id) => id > after);
      const page = rest.slice(0, pageSize || DEFAULT_PAGE);
      return {
        channels: await Promise.all(page.map((id) => resourceOf(tenantId, id))),
        nextPageToken: page.length < rest.length ? tokenOf(page.at(-1)!) : "",
      };
    },

    async createChannel({ channelId, name, settings: given }, context) {
      const { tenantId } = context.principal;
      if (channels.ofDeployment(channelId)) throw channelExists(channelId);
      const read = await readChannelSettings(given!, guard);
      const content = { name: name || channelId, settings: read.settings, secret: requireSecret(read) };
      if (!(await store.createChannel(changeBy(context, channelId), content))) throw channelExists(channelId);
      return { channel: await resourceOf(tenantId, channelId) };
    },

    async updateChannel({ channelId, name, settings: given }, context) {
      const { tenantId } = context.principal;
      const before = await ownOf(tenantId, channelId);
      const read = given && changedSettings(before.settings, await readChannelSettings(given, guard));
      const content = {
        name: name === "" ? channelId : name,
        settings: read?.settings,
        secret: read?.secret,
      };
      if (!(await store.updateChannel(changeBy(context, channelId), content)))
        throw channelNotFound(channelId);
      return { channel: await resourceOf(tenantId, channelId) };
    },

    async deleteChannel({ channelId }, context) {
      if (channels.ofDeployment(channelId)) throw channelFixed(channelId);
      // One that is gone already is what was asked for: the answer to an earlier try may have been lost.
      if (await store.deleteChannel(changeBy(context, channelId), TAKEN_AWAY)) onChange();
      return {};
    },
  };
}

/** The list goes on after this channel, whether it is still there or not. */
function tokenOf(channelId: string): string {
  return Buffer.from(`c${channelId}`).toString("base64url");
}

function idOf(pageToken: string): string {
  const match = /^c([a-z][a-z0-9-]*)$/.exec(Buffer.from(pageToken, "base64url").toString("utf8"));
  if (!match) throw pageTokenInvalid(pageToken);
  return match[1]!;
}

export function channelNotFound(channelId: string) {
  return hilError(
    Code.NotFound,
    ErrorReason.CHANNEL_NOT_FOUND,
    `there is no channel ${JSON.stringify(channelId)}; ListChannels names those there are`,
    { channel_id: channelId },
  );
}

function channelExists(channelId: string) {
  return hilError(
    Code.AlreadyExists,
    ErrorReason.CHANNEL_EXISTS,
    `there is a channel ${JSON.stringify(channelId)} already; change it with UpdateChannel, or choose another id`,
    { channel_id: channelId },
  );
}

function channelFixed(channelId: string) {
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.CHANNEL_FIXED,
    `the channel ${JSON.stringify(channelId)} is set up by the deployment's environment; add a channel of your own instead`,
    { channel_id: channelId },
  );
}
