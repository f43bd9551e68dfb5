// What is known of relays, for all processes of the delivery service.
//
// E1. Each stream of a relay has an epoch, granted here and greater than those of all its streams before. Whoever holds a
//     lower one has no say any more, whichever process it is attached to: what is written in its name is refused in the
//     same write (I9).
// E2. A relay is attached while its stream was heard of within the last seconds. A process that dies takes its streams with
//     it, and says nothing.

import type { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";

/** A relay that was not heard of for so long is not attached, whatever its last stream said. */
export const GONE_AFTER_MS = 15_000;

/** Names a relay. */
export interface RelayKey {
  readonly tenantId: string;
  readonly name: string;
}

/** The right to speak for a relay: that of one stream. A later stream ends it. */
export interface RelayFence extends RelayKey {
  readonly epoch: number;
}

/** A channel that a relay says it runs. */
export interface OfferedChannel {
  readonly channelId: string;
  readonly kind: Channel_Kind;
}

/** A stream that begins. */
export interface NewAttachment extends RelayKey {
  readonly instanceId: string;
  readonly softwareVersion: string;
  readonly address: string;
  readonly channels: readonly OfferedChannel[];
}

/** A relay that was attached once at least. Times are milliseconds since 1970. */
export interface StoredRelay extends NewAttachment {
  readonly epoch: number;
  readonly attached: boolean;
  readonly attachTimeMs: number;
  readonly heardTimeMs: number;
  /** Undefined while it is attached. */
  readonly detachTimeMs: number | undefined;
  readonly detachReason: string;
  readonly waitingInbounds: number;
}

/** What a process says of a stream that it holds. */
export interface HeardRelay {
  readonly fence: RelayFence;
  readonly waitingInbounds: number;
}

/**
 * What a process is told of it.
 *
 *   current - it is the relay's newest stream.
 *   draining - the same, and somebody wants it to end.
 *   stale   - there is a newer one.
 */
export type RelayWord =
  | { readonly kind: "current" }
  | { readonly kind: "draining"; readonly reason: string }
  | { readonly kind: "stale" };

/** Who wants a relay to end its stream, and why. */
export interface RelayDrain extends RelayKey {
  readonly reason: string;
  readonly principalId: string;
  readonly nowMs: number;
}

export interface RelayFilter {
  readonly tenantId: string;
  readonly attachedOnly: boolean;
  /** Only those whose names come after it. Empty: all. */
  readonly afterName: string;
  readonly limit: number;
}

/** Each command is one atomic write, on disk when its promise resolves; reads see everything that was written. */
export interface RelayStore {
  /** Begins a stream: every earlier one of this relay is stale from now on. */
  attachRelay(attachment: NewAttachment, nowMs: number): Promise<RelayFence>;
  /** Whether it is still the relay's newest stream. */
  isCurrent(fence: RelayFence): Promise<boolean>;
  /** Notes that these streams were heard. Returns what is to be known of each, in their order. */
  heardRelays(heard: readonly HeardRelay[], nowMs: number): Promise<RelayWord[]>;
  /** Notes that a stream ended. A newer one is not touched. */
  detachRelay(fence: RelayFence, reason: string, nowMs: number): Promise<void>;
  /**
   * Wants the stream of a relay to end, and says so in the audit log. Nothing where it is not attached. Undefined: there was
   * never a relay of this name.
   */
  drainRelay(drain: RelayDrain): Promise<StoredRelay | undefined>;
  /** By name. */
  listRelays(filter: RelayFilter, nowMs: number): Promise<StoredRelay[]>;
}
