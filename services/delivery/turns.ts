import type { SendingChannel, SendTarget } from "@hil/channels/channel.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import type { Sharing } from "./delivery-store.ts";

/** Gives messages their turns under the vendors' limits. */
export interface Turns {
  /**
   * Takes the turn of one message. 0: send it now. Otherwise no turn was taken, and asking again makes sense after that
   * many milliseconds. A turn that is not used is not given back.
   */
  take(tenantId: string, channel: SendingChannel, target: SendTarget): Promise<number>;
  /** The vendor takes nothing more from this channel for so long. */
  stop(tenantId: string, channel: SendingChannel, forMs: number): Promise<void>;
}

/**
 * The turns of a process: a channel counts them itself where the process is alone. Where processes share a store they
 * share its count, for the vendor counts what all of them send.
 */
export function createTurns({
  sharing,
  channels,
}: {
  sharing: Sharing | undefined;
  channels: Pick<ChannelDirectory, "ofDeployment">;
}): Turns {
  if (!sharing) {
    return {
      take: async (_tenantId, channel, target) => channel.turnMs(target),
      // The channel has read it in the vendor's answer.
      stop: async () => {},
    };
  }
  const ownerOf = (tenantId: string, channelId: string) => (channels.ofDeployment(channelId) ? "" : tenantId);
  return {
    async take(tenantId, channel, target) {
      const limits = channel.limits(target).filter(({ perMinute }) => perMinute > 0);
      return sharing.takeTurn(ownerOf(tenantId, channel.id), channel.id, limits);
    },
    stop: (tenantId, channel, forMs) => sharing.stopTurns(ownerOf(tenantId, channel.id), channel.id, forMs),
  };
}
