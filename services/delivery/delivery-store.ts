import type { TurnLimit } from "@hil/channels/channel.ts";
import type { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { ChannelStore } from "./channel-store.ts";
import type { DeliveryKey, NewDelivery, Settlement, StoredDelivery } from "./delivery.ts";
import type { RelayFence, RelayStore } from "./relay/relay-store.ts";

/** A line of messages that go out one after the other. */
export interface Line {
  readonly tenantId: string;
  readonly channelId: string;
  readonly line: string;
}

/** The right to work on a line. Once the line was claimed again, with a higher fence, it changes nothing any more. */
export interface Claim extends Line {
  readonly fence: number;
}

/** A line that is this process's for now, and its delivery whose next try is due first. */
export interface ClaimedLine {
  readonly claim: Claim;
  readonly first: StoredDelivery;
}

/** One try as it is stored. Times are milliseconds since 1970. */
export interface StoredAttempt {
  readonly number: number;
  readonly startTimeMs: number;
  readonly endTimeMs: number | undefined;
  readonly outcome: Attempt_Outcome;
  readonly detail: string;
}

export interface ChannelHealth {
  /** Why the last send failed. Empty after one that did not. */
  readonly lastError: string;
  /** The vendor refuses the credential. */
  readonly broken: boolean;
  readonly lastSentTimeMs: number | undefined;
}

/** A change that the session service has not been told. */
export interface UnreportedDelivery extends StoredDelivery {
  readonly revision: number;
  /** Names the process that took it on to report it. */
  readonly fence: number;
}

/**
 * What processes that share a store need of it. Its times are the database's own, so that the clocks of the processes
 * may differ.
 */
export interface Sharing {
  /** How long a claim lasts that is not renewed. */
  readonly leaseMs: number;
  /** Makes claims last for that long again. Returns those that are lost. */
  renew(claims: readonly Claim[]): Promise<Claim[]>;
  /**
   * Takes the turn of one message of a channel under all of `limits`: 0, or how many milliseconds to wait before asking
   * again; then no turn was taken. `owner`: the tenant whose channel it is, empty for one of the deployment.
   */
  takeTurn(owner: string, channelId: string, limits: readonly TurnLimit[]): Promise<number>;
  /** Lets nothing of a channel through for so long. */
  stopTurns(owner: string, channelId: string, forMs: number): Promise<void>;
  /** Forgets turns that count no more. Returns how many chats it forgot. */
  forgetTurns(): Promise<number>;
}

export interface DeliveryFilter {
  readonly tenantId: string;
  /** Empty: all. */
  readonly sessionId: string;
  /** Empty: all. */
  readonly states: readonly Delivery_State[];
  /** Only what was ordered before this one. */
  readonly beforeSequence: number;
  readonly limit: number;
}

/**
 * What the delivery service keeps. Each command is one atomic write, on disk when its promise resolves; reads see
 * everything that was written.
 */
export interface DeliveryStore extends ChannelStore, RelayStore {
  readonly audit: AuditLog;
  /** Undefined where one process has the store to itself: then every claim is its own. */
  readonly sharing: Sharing | undefined;

  /** Stores those whose id is new. Returns all, as they stand, in the same order. */
  insert(deliveries: readonly NewDelivery[], nowMs: number): Promise<StoredDelivery[]>;

  /**
   * Claims a line to work on its first delivery. A try that its last owner did not end is UNKNOWN first. Undefined where
   * nothing waits in it, or another process works on it.
   */
  claim(line: Line, nowMs: number): Promise<ClaimedLine | undefined>;
  /** Lets a line go. It need not be looked at before `untilMs`, or before something is due in it. */
  release(claim: Claim, untilMs?: number): Promise<void>;
  /**
   * Starts a try: SENDING, with an attempt. Undefined when the delivery does not wait for one any more, or the relay that is
   * to send it has a newer stream.
   */
  begin(
    claim: Claim,
    key: DeliveryKey,
    nowMs: number,
    relay?: RelayFence,
  ): Promise<StoredDelivery | undefined>;
  /**
   * Notes that a try's next part is done. Returns the delivery as it stands; undefined where the line is lost, or a newer
   * stream has taken the place of the one that says so.
   */
  finishPart(
    claim: Claim,
    delivery: StoredDelivery,
    nowMs: number,
    relay?: RelayFence,
  ): Promise<StoredDelivery | undefined>;
  /**
   * Ends a try and lets the line go. `decide` is given the delivery as it stands then and must be pure: it may run
   * twice. A try that is no longer the delivery's last, or whose line is lost, or of which a relay's stream tells that is not
   * its newest, changes nothing. Returns whether it did.
   */
  finish(
    claim: Claim,
    begun: StoredDelivery,
    decide: (delivery: StoredDelivery) => Settlement,
    nowMs: number,
    relay?: RelayFence,
  ): Promise<boolean>;
  /** Ends a delivery that waits for a try, without one, and lets the line go. */
  end(claim: Claim, key: DeliveryKey, state: Delivery_State, reason: string, nowMs: number): Promise<void>;
  /** Puts off the next try of a delivery that waits for one, and lets the line go. */
  postpone(claim: Claim, key: DeliveryKey, nextTimeMs: number): Promise<void>;

  /**
   * Says why a delivery waits for more than its time, and lets the line go: it need not be looked at before `untilMs`.
   */
  hold(claim: Claim, key: DeliveryKey, reason: string, untilMs: number, nowMs: number): Promise<void>;
  /**
   * Makes the lines of a channel be looked at now in which something waits. Without a tenant: of all tenants. Returns some of
   * them, and of a store that one process has all.
   */
  wakeLines(tenantId: string | undefined, channelId: string, nowMs: number): Promise<Line[]>;

  /** Says that sessions need their deliveries no longer: what waits is SUPPRESSED, a try under way is told. */
  withdraw(
    sessions: readonly { tenantId: string; sessionId: string; reason: string }[],
    nowMs: number,
  ): Promise<void>;
  /** Takes up what a process that had the store to itself left. Returns how many deliveries it makes UNKNOWN. */
  recover(nowMs: number): Promise<number>;

  /** The lines in which something waits. Of a shared store some of those in which something is due and nobody works. */
  waitingLines(nowMs: number): Promise<Line[]>;
  get(key: DeliveryKey): Promise<StoredDelivery | undefined>;
  /** Newest first. */
  list(filter: DeliveryFilter): Promise<StoredDelivery[]>;
  /** The last 20 tries, oldest first. */
  attempts(key: DeliveryKey): Promise<StoredAttempt[]>;

  /** Takes on reports: the oldest, of all tenants but these, that no other process has taken on. */
  takeReports(limit: number, exceptTenants: readonly string[]): Promise<UnreportedDelivery[]>;
  /** Notes what the session service took. One that has changed again stays unreported. */
  markReported(deliveries: readonly UnreportedDelivery[]): Promise<void>;
  /** Leaves reports that were not taken to whoever takes them on next. */
  leaveReports(deliveries: readonly UnreportedDelivery[]): Promise<void>;

  health(tenantId: string, channelId: string): Promise<ChannelHealth>;
  /** Notes how a send ended. `error` undefined: the vendor took it. */
  noteSend(
    channel: { tenantId: string; channelId: string },
    error: { reason: string; broken: boolean } | undefined,
    nowMs: number,
  ): Promise<void>;

  /** The tenants that have deliveries. */
  tenants(): Promise<string[]>;
  /** Deletes a tenant's ended deliveries that last changed before that time, at most 1000. Returns how many. */
  purge(tenantId: string, beforeMs: number): Promise<number>;
  /** Wraps what is sealed with the newest master key. Returns how many values had another. */
  rewrap(): Promise<number>;
  close(): Promise<void>;
}
