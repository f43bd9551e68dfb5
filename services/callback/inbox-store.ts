// The inbox: every message that a vendor got a 200 for.
//
// X1. A message is on disk before anybody says yes to the vendor (R1), and matching never removes it (I1).
// X2. What is a duplicate is decided by the UNIQUE dedupe_key inside the commit, never in memory (I2, F20).
//     - With an id of the vendor: the key is the channel's tenant, channel, chat, that id and the sender. An id alone is
//       not enough: vendors have given two users the same one.
//     - Without one there is nothing but the body, and two people, or one person twice, may well send the same
//       "yes". A vendor repeats a message only when it did not get our 200. So of two equal bodies within 60 s the later
//       is a duplicate only where the 200 of the earlier is not known to have been written out (ack_time, set after the
//       response). Any other is a message of its own, and its key carries its id. A crash between the 200 and ack_time
//       can therefore cost a second equal message of that minute.
//     - One that a relay kept before has an id of the relay's. Its key carries that instead of its own, so that what the relay
//       repeats is there once; of two that the relay gave ids to, the rule above decides (I9).
// X3. The session that a message is handed to is on disk before the hand-over, so that a restart in between hands
//     it to the same one, and not to another that has come to wait since (I2).
// X4. A message is seen by one tenant at a time: its channel's, and its session's from the match on (I6). Those who work
//     on it name it by its channel's tenant, which never changes.
// X5. What people wrote and what they were told is on disk in sealed form only (inbound-codec.ts).
// X6. Where replicas share an inbox, a chat is one replica's to work on at a time (chat-claims.ts), and what it does names
//     its claim.

import { createHash } from "node:crypto";
import type { Inbound, Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";

/** What is matched in order: the messages of one chat. The tenant is the channel's. */
export function chatKeyOf(channelTenantId: string, channelId: string, chatId: string): string {
  return JSON.stringify([channelTenantId, channelId, chatId]);
}

/** Names a message for those who work on it, whoever's it is by now. */
export interface InboundKey {
  readonly channelTenantId: string;
  readonly id: string;
  /** Under which claim on the chat (X6). Unset: under none. */
  readonly token?: string | undefined;
}

/** A message to keep. */
export interface NewInbound {
  /** Whose channel it came on. */
  readonly channelTenantId: string;
  /** With a disposition already where nobody waits for its kind; otherwise it waits to be matched. */
  readonly inbound: Inbound;
  readonly vendorMessage: string;
  /** SHA-256 of the body as it came, in hex. What tells messages apart that carry no id of the vendor. */
  readonly bodyDigest: string;
  /** What a relay that kept it before calls it. Unset: it came at first hand. */
  readonly relayInboundId?: string | undefined;
  /** When our yes had been written out, where it was kept elsewhere before. */
  readonly ackTime?: Date | undefined;
}

/** Within this time an equal message without an id, to which we have not said yes, is taken for a repetition. */
const REPEAT_WINDOW_MS = 60_000;

interface Equal {
  readonly receiveMs: number;
  readonly isAcknowledged: boolean;
}

/** Whether of two equal messages without an id, one kept and one come now, the later repeats the earlier (X2). */
export function isRepetition(kept: Equal, come: Equal): boolean {
  // One that was kept elsewhere may come behind one that is younger.
  const [earlier, later] = kept.receiveMs <= come.receiveMs ? [kept, come] : [come, kept];
  return !earlier.isAcknowledged && later.receiveMs - earlier.receiveMs <= REPEAT_WINDOW_MS;
}

/** What a message with an id of the vendor is known by (X2). */
export function dedupeKeyOf({ channelTenantId, inbound }: NewInbound): string {
  const parts = [
    channelTenantId,
    inbound.channelId,
    inbound.chatId,
    inbound.vendorMessageId,
    inbound.sender?.userId ?? "",
  ];
  // JSON keeps the parts apart: ["a", "bc"] and ["ab", "c"] differ.
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** What a message without one is known by; `digest` stands for its channel and its body (X2). */
export function namelessKeyOf({ inbound, relayInboundId }: NewInbound, digest: string): string {
  return relayInboundId === undefined ? `${digest}#${inbound.id}` : `${digest}#relay:${relayInboundId}`;
}

/** What became of a message to keep. */
export interface Added {
  /** The message, or the first one of a duplicate. */
  readonly id: string;
  readonly duplicate: boolean;
}

/** A message that is kept. */
export interface InboxRow {
  /** Whose it is: the tenant's of its session, or of its channel where it has none. */
  readonly tenantId: string;
  readonly channelTenantId: string;
  /** chatKeyOf its channel's tenant, its channel and its chat. */
  readonly chatKey: string;
  readonly inbound: Inbound;
  readonly vendorMessage: string;
  /** The claim that it was found under, where replicas share the inbox. */
  readonly token?: string | undefined;
}

/** A message whose sender is to be told something. */
export interface NoticeRow extends InboxRow {
  readonly settleTime: Date;
  /** How often the delivery service refused it. */
  readonly noticeAttemptCount: number;
}

/** What was decided about a message. */
export interface Settlement {
  readonly disposition: Inbound_Disposition;
  /** Whose it is from now on. */
  readonly tenantId: string;
  /** Empty: it was matched to none. */
  readonly sessionId: string;
  /** What the person is to be told. Empty: nothing. */
  readonly guidance: string;
  /** What is kept of all that was written, because it held a secret. Unset: all of it. */
  readonly text?: string;
}

/** Who drives a message again, for the audit log. */
export interface Redrive {
  readonly tenantId: string;
  readonly id: string;
  readonly principalId: string;
  readonly time: Date;
}

export interface InboxQuery {
  readonly tenantId: string;
  /** Empty: all. */
  readonly dispositions: readonly Inbound_Disposition[];
  /** Empty: all. */
  readonly chatId: string;
  readonly limit: number;
  /** Only what came before this one, by id. Empty: from the newest on. */
  readonly beforeId: string;
}

/** The chat is another replica's to work on, for now. */
export const TAKEN = Symbol("another replica works on this chat");

/** The durable inbox. Everything that changes something resolves once it is on disk. */
export interface InboxStore {
  /** Whether other replicas keep messages here, too: then what waits must be looked for. */
  readonly isShared: boolean;
  /** Keeps a message, unless it is there already. */
  add(message: NewInbound): Promise<Added>;
  /** Remembers that our yes to a message without an id of the vendor was written out. */
  acknowledge(key: InboundKey, time: Date): Promise<void>;
  get(tenantId: string, id: string): Promise<InboxRow | undefined>;
  /** Newest first, at most `limit`. */
  list(query: InboxQuery): Promise<readonly InboxRow[]>;

  /** The keys of chats where something waits to be matched, and no other replica works on it. */
  pendingChats(): Promise<readonly string[]>;
  /** The oldest message of a chat that waits to be matched. The chat is this process's from then on, until there is none. */
  firstPending(chatKey: string): Promise<InboxRow | typeof TAKEN | undefined>;
  /**
   * Remembers which session a message is about to be handed to. It is the session's tenant's from then on. False: it is
   * not this process's any more, and must not be handed over.
   */
  recordMatch(key: InboundKey, session: { tenantId: string; sessionId: string }): Promise<boolean>;
  /** False: it is decided already, or not this process's any more; then nothing changed. */
  settle(key: InboundKey, settlement: Settlement, time: Date): Promise<boolean>;
  /** Remembers why a try failed. `attemptCount` is how many count so far; `dead` ends the tries. */
  recordFailure(
    key: InboundKey,
    failure: { error: string; attemptCount: number; dead: boolean },
  ): Promise<void>;
  /** Lets a dead message wait to be matched again, and says so in the audit log. False: it is not dead. */
  redrive(redrive: Redrive): Promise<boolean>;

  /** The keys of chats where somebody waits to be told something, and no other replica works on it. */
  noticeChats(): Promise<readonly string[]>;
  /** The oldest message of a chat whose sender waits to be told something. As firstPending. */
  firstNotice(chatKey: string): Promise<NoticeRow | typeof TAKEN | undefined>;
  /** The notice is said, or is given up for `error`. */
  settleNotice(key: InboundKey, error: string): Promise<void>;
  recordNoticeFailure(key: InboundKey, failure: { error: string; attemptCount: number }): Promise<void>;

  /** Over all tenants: how many messages wait to be matched, and when the oldest of them came. */
  backlog(): Promise<{ readonly messages: number; readonly oldestTimeMs: number | undefined }>;
  /** The tenants that anything is kept for. */
  tenantIds(): Promise<readonly string[]>;
  /** Deletes a tenant's messages that came before `time`, unless they still wait for something. Returns how many. */
  deleteSettledBefore(tenantId: string, time: Date, limit: number): Promise<number>;

  /** Wraps some of what an older master key wraps with the newest. Returns how many; 0: all is. */
  rewrapSome(limit: number): Promise<number>;

  /** Who did what here. Written in the same commit as what was done. */
  readonly audit: AuditLog;

  /** Lets go of what this process works on. */
  close(): Promise<void>;
}
