// Hands on what vendors told relays. It is acknowledged when the callback service has it on disk.

import { setTimeout as pause } from "node:timers/promises";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import type { RelayInbound } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { hilError, reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { relayedInbounds } from "@hil/platform/telemetry/metrics.ts";
import { type AttachedRelays, superseded } from "./attached-relays.ts";
import type { RelayFence, RelayStore } from "./relay-store.ts";

const PATIENCE_MS = 10_000;
const RETRY_MS = 200;

/** The stream that something came on. */
export interface IntakeStream {
  readonly fence: RelayFence;
  /** How far our clock is ahead of the relay's. */
  readonly clockAheadMs: number;
  readonly isOpen: () => boolean;
}

/** Resolves when these are kept for good. Rejects where the stream has to end. */
export type RelayIntake = (stream: IntakeStream, inbounds: readonly RelayInbound[]) => Promise<void>;

export function createRelayIntake({
  callbacks,
  store,
  relays,
  log,
}: {
  callbacks: Pick<Client<typeof CallbackService>, "ingestInbound">;
  store: Pick<RelayStore, "isCurrent">;
  relays: Pick<AttachedRelays, "newerThan">;
  log: Log;
}): RelayIntake {
  const ingest = async ({ fence, clockAheadMs }: IntakeStream, inbounds: readonly RelayInbound[]) => {
    if (!(await store.isCurrent(fence))) throw superseded(fence, await relays.newerThan(fence));
    const onOurClock = (time: Timestamp | undefined) =>
      time && timestampFromMs(timestampMs(time) + clockAheadMs);
    const { results } = await callbacks.ingestInbound(
      {
        messages: inbounds.map(({ inboundId, channelId, body, receiveTime, acknowledgeTime }) => ({
          channelId,
          body,
          relayInboundId: inboundId,
          receiveTime: onOurClock(receiveTime),
          acknowledgeTime: onOurClock(acknowledgeTime),
        })),
      },
      { headers: { [TENANT_HEADER]: fence.tenantId }, timeoutMs: PATIENCE_MS },
    );
    for (const [index, { refusal }] of results.entries()) {
      if (refusal === "") continue;
      const { inboundId, channelId } = inbounds[index]!;
      log.warn(
        { relay: fence.name, channel_id: channelId, inbound_id: inboundId, reason: refusal },
        "a message that a relay brought cannot be read, and is not kept",
      );
    }
    relayedInbounds.inc(inbounds.length);
  };

  return async (stream, inbounds) => {
    for (;;) {
      try {
        await ingest(stream, inbounds);
        return;
      } catch (error) {
        if (reasonOf(error) === ErrorReason.CHANNEL_NOT_FOUND) throw changed();
        const { code } = ConnectError.from(error);
        if (code !== Code.Unavailable && code !== Code.DeadlineExceeded) throw error;
        if (!stream.isOpen()) return;
        log.debug(
          { err: error, relay: stream.fence.name },
          "what a relay brought cannot be kept yet; trying again",
        );
        await pause(RETRY_MS);
      }
    }
  };
}

/** Attaching again tells the relay which of its channels are left. */
function changed(): ConnectError {
  return hilError(
    Code.Unavailable,
    ErrorReason.NOT_READY,
    "a channel of this relay was taken away; attach again",
    { retry_after_ms: "100" },
  );
}
