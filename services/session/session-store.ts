// What the session service needs from a database. session-store.contract.ts is the suite that every driver passes.
//
// D1. What a method resolved with is on disk.
// D2. change() is a compare-and-set: between what `decide` saw and what is stored, nobody else wrote. `decide` is
//     pure and may run more than once.
// D3. Every change with an event stores session, event, outbox and audit record in one transaction.
// D4. Every method that is given a tenant sees and touches that tenant's rows only, whatever ids are the same
//     elsewhere. Cursors are each tenant's own count. What works over all tenants says so (I6).

import type {
  Event,
  Event_Type,
  Reply_Disposition,
  Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { AuditLog } from "@hil/platform/audit/audit-log.ts";
import type { Viewer } from "./visibility.ts";

export interface NewSession {
  /** Complete, at version 1. Its short_id is replaced where it is taken. */
  readonly session: Session;
  /** The caller's name for the ask, and what it hashes to without names of the try itself. */
  readonly request: { readonly id: string; readonly digest: Uint8Array } | undefined;
  /** The bytes of session.attachments, in order. */
  readonly attachments: readonly Uint8Array[];
  /** How much the tenant may use with this session in it. 0, and unset: no limit. */
  readonly quotas?: Quotas;
}

export type Quotas = Readonly<Record<Quota, number>>;

export type Quota = "open_sessions" | "attachment_bytes";

export type CreateResult =
  | { readonly kind: "created"; readonly session: Session }
  | { readonly kind: "existing"; readonly session: Session } // same request id, same content
  | { readonly kind: "conflict"; readonly session: Session } // same request id, other content
  | { readonly kind: "over_quota"; readonly quota: Quota; readonly limit: number }; // nothing is kept

/** What is to become of a session. */
export type Decision<T> =
  | { readonly kind: "keep"; readonly result: T } // nothing is stored
  | {
      readonly kind: "store";
      /** With its version raised by one where there is an event. */
      readonly session: Session;
      /** What happened. Undefined for what nobody needs to hear of. */
      readonly event: Event_Type | undefined;
      readonly result: T;
    };

/** Which session a message in a chat may be meant for. */
export type ReplyClue =
  | { readonly kind: "short_id"; readonly shortId: string }
  | { readonly kind: "chat"; readonly channelId: string; readonly chatId: string };

/** What statistics count of one session. */
export interface SessionFigures {
  readonly id: string;
  readonly projectName: string;
  /** UNSPECIFIED while it is open. */
  readonly outcome: Session_Outcome;
  readonly endTimeMs: number | undefined;
}

export interface SessionQuery {
  /** Who asks. */
  readonly viewer: Viewer;
  readonly states: readonly Session_State[];
  readonly projectName: string;
  readonly correlationId: string;
  readonly label: { readonly key: string; readonly value: string } | undefined;
  readonly chat: { readonly channelId: string; readonly chatId: string } | undefined;
  readonly shortId: string;
  readonly createdAfterMs: number | undefined;
  readonly createdBeforeMs: number | undefined;
  /** Only of this asker. */
  readonly askerId: string | undefined;
  readonly untakenOnly: boolean;
  readonly withoutNotices: boolean;
  /** Only ids below this one: the last of the page before. */
  readonly beforeId: string | undefined;
  readonly limit: number;
}

/** Names a session over all tenants. */
export interface SessionKey {
  readonly tenantId: string;
  readonly id: string;
}

/** What was said about an inbound message when it was first handed over. */
export interface SubmittedReply {
  readonly sessionId: string;
  readonly disposition: Reply_Disposition;
  readonly guidance: string;
}

/**
 * Who is handed the log of all tenants.
 *
 *   bus      - all of it; no order is promised where several processes hand over.
 *   delivery - what happened to sessions that were sent to chats, for each session in order.
 */
export type OutboxLine = "bus" | "delivery";

/** What of the log is still to be handed over. */
export interface OutboxReader {
  /**
   * Hands the oldest of it to `take`, at most `limit` events, and forgets them once that has resolved. Rejects with
   * what `take` threw; then they are handed over again. Resolves with what is left: nothing, more, or only what other
   * processes are handing over.
   */
  hand(
    limit: number,
    take: (events: readonly Event[]) => Promise<void>,
  ): Promise<"nothing" | "more" | "with_others">;
  /** What was not handed over yet, by whichever process. */
  backlog(): Promise<Backlog>;
  close(): Promise<void>;
}

export interface Backlog {
  readonly events: number;
  /** Undefined where there are none. */
  readonly oldestTimeMs: number | undefined;
}

export interface Changes {
  /** The sessions that changed, each once, as they stand, by the cursor of their last change. */
  readonly changes: readonly { readonly session: Session; readonly cursor: number }[];
  /** Where to go on. */
  readonly cursor: number;
  /** The cursor is older than the log that is kept, or not of this log. */
  readonly reset: boolean;
}

export interface SessionStore {
  create(newSession: NewSession): Promise<CreateResult>;
  /** Whether a request id was used by this asker. */
  hasRequest(tenantId: string, askerId: string, requestId: string): Promise<boolean>;
  get(tenantId: string, id: string): Promise<Session | undefined>;
  /** Decides and stores in one step; undefined where there is no such session. `by`: who, for the audit log. */
  change<T>(
    tenantId: string,
    id: string,
    by: string,
    decide: (session: Session) => Decision<T>,
  ): Promise<T | undefined>;
  /** As change(), once for each inbound id over all sessions of the tenant: a repeat gives what was said first. */
  submitReply(
    tenantId: string,
    id: string,
    inboundId: string,
    by: string,
    decide: (session: Session) => Decision<{ disposition: Reply_Disposition; guidance: string }>,
  ): Promise<SubmittedReply | undefined>;
  /** Newest first. */
  list(tenantId: string, query: SessionQuery): Promise<Session[]>;
  /** The log of one session after a version, oldest first. */
  events(tenantId: string, id: string, afterVersion: number, limit: number): Promise<Event[]>;
  attachment(tenantId: string, id: string, number: number): Promise<Uint8Array | undefined>;
  /** The end of the tenant's log. */
  cursor(tenantId: string): Promise<number>;
  /** What changed after a cursor, of what somebody sees. */
  changesAfter(tenantId: string, cursor: number, limit: number, viewer: Viewer): Promise<Changes>;
  /** The figures of sessions whose ids lie between two, in the order of creation. */
  figures(tenantId: string, afterId: string, beforeId: string, limit: number): Promise<SessionFigures[]>;
  /** How many sessions are open. */
  openSessions(tenantId: string): Promise<number>;
  /** How many bytes of attachments are kept. */
  attachmentBytes(tenantId: string): Promise<number>;
  /** Who did what to this service's sessions. */
  readonly audit: AuditLog;

  /** The versions of sessions, for the sweep of waiters. A session that is gone is absent. */
  versions(keys: readonly SessionKey[]): Promise<(SessionKey & { version: number; ended: boolean })[]>;
  /** Of all tenants: the session with a short id, or the open ones that were sent to a chat, oldest first. */
  findForReply(clue: ReplyClue, limit: number): Promise<Session[]>;
  /** Of all tenants: open sessions whose deadline is at or before `nowMs`, soonest first. */
  due(nowMs: number, limit: number): Promise<SessionKey[]>;
  /** Of all tenants: how many sessions are open. */
  allOpenSessions(): Promise<number>;
  /** The tenants that have sessions. */
  tenants(): Promise<string[]>;
  /** Deletes sessions that ended before, with all that belongs to them. Returns how many. */
  deleteEndedBefore(tenantId: string, timeMs: number, limit: number): Promise<number>;
  /** Brings some rows up to date that earlier versions or older keys wrote. Returns how many; 0: none is left. */
  upgradeRows(limit: number): Promise<number>;

  /** Of all tenants: what a line of the outbox holds. At most one reader for each line in a process. */
  openOutbox(line: OutboxLine): Promise<OutboxReader>;
  /** Calls `listener` after each commit of this process. Returns what stops it. */
  afterCommit(listener: () => void): () => void;
  close(): Promise<void>;
}
