// What the commands of one turn do to the sessions of a tenant: decided in memory, in their order, on what was read under
// the tenant's lock. A command that throws leaves nothing behind and harms no other.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Event_Type, type Reply_Disposition, type Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { AuditEntry } from "@hil/platform/audit/audit-log.ts";
import { postgresText } from "@hil/platform/storage/postgres.ts";
import { auditEntryOf } from "./audit-entries.ts";
import { isEnded } from "./session.ts";
import type { SessionCodec } from "./session-codec.ts";
import type { CreateResult, Decision, NewSession, Quota, SubmittedReply } from "./session-store.ts";

export type Command =
  | { readonly kind: "create"; readonly newSession: NewSession }
  | { readonly kind: "change"; readonly id: string; readonly by: string; readonly decide: Decide<unknown> }
  | {
      readonly kind: "reply";
      readonly id: string;
      readonly inboundId: string;
      readonly by: string;
      readonly decide: Decide<{ disposition: Reply_Disposition; guidance: string }>;
    };

type Decide<T> = (session: Session) => Decision<T>;

export type Outcome =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "failed"; readonly error: unknown };

/** The tenant's row. */
export interface TenantFigures {
  cursor: number;
  openSessions: number;
  attachmentBytes: number;
}

/** What was read of what the commands name. */
export interface Known {
  readonly tenant: TenantFigures;
  readonly sessions: Map<string, Session>;
  /** By requestKey: the session that holds a request id. */
  readonly requests: Map<string, { readonly id: string; readonly digest: Uint8Array }>;
  readonly replies: Map<string, SubmittedReply>;
}

export interface LoggedEvent {
  readonly cursor: number;
  readonly session_id: string;
  readonly version: number;
  readonly type: Event_Type;
  readonly time: number;
  readonly to_chats: boolean;
}

export interface MadeSession {
  session: Session;
  readonly newSession: NewSession;
  /** As they are stored. */
  readonly requestDigest: Uint8Array | undefined;
  readonly attachments: readonly Uint8Array[];
}

export class SessionTurn {
  readonly #known: Known;
  readonly #codec: Pick<SessionCodec, "encodeAttachment" | "requestDigest">;
  /** New sessions, as they were made. */
  readonly made = new Map<string, MadeSession>();
  /** Those that were stored again. */
  readonly changed = new Set<string>();
  /** Those that ended and had been sent to chats. */
  readonly closed = new Set<string>();
  readonly events: LoggedEvent[] = [];
  readonly replies = new Map<string, SubmittedReply>();
  readonly auditEntries: AuditEntry[] = [];

  constructor(known: Known, codec: Pick<SessionCodec, "encodeAttachment" | "requestDigest">) {
    this.#known = known;
    this.#codec = codec;
  }

  /** The session as it is to be stored. */
  current(id: string): Session {
    return this.#known.sessions.get(id)!;
  }

  get tenant(): TenantFigures {
    return this.#known.tenant;
  }

  get isEmpty(): boolean {
    return this.made.size === 0 && this.changed.size === 0 && this.replies.size === 0;
  }

  run(command: Command): Outcome {
    try {
      return { kind: "done", result: this.#run(command) };
    } catch (error) {
      return { kind: "failed", error };
    }
  }

  /** The short id of a new session was taken. */
  replaceShortId(id: string, shortId: string): void {
    const made = this.made.get(id)!;
    const now = this.current(id);
    const before = made.session;
    made.session = { ...before, shortId };
    this.#known.sessions.set(id, now === before ? made.session : { ...now, shortId });
  }

  /** The outcome of a command with the short ids that the new sessions have got. */
  settled(command: Command, outcome: Outcome): Outcome {
    if (command.kind !== "create" || outcome.kind === "failed") return outcome;
    const result = outcome.result as CreateResult;
    if (result.kind === "over_quota") return outcome;
    const shortId = this.made.get(result.session.id)?.session.shortId ?? result.session.shortId;
    return result.session.shortId === shortId
      ? outcome
      : { kind: "done", result: { ...result, session: { ...result.session, shortId } } };
  }

  #run(command: Command): unknown {
    switch (command.kind) {
      case "create":
        return this.#create(command.newSession);
      case "change": {
        const session = this.#known.sessions.get(command.id);
        return session && this.#decide(session, command.by, command.decide);
      }
      case "reply": {
        const inboundId = postgresText(command.inboundId);
        const known = this.#known.replies.get(inboundId);
        if (known) return known;
        const session = this.#known.sessions.get(command.id);
        if (!session) return undefined;
        const { disposition, guidance } = this.#decide(session, command.by, command.decide);
        const reply = { sessionId: command.id, disposition, guidance };
        this.#known.replies.set(inboundId, reply);
        this.replies.set(inboundId, reply);
        return reply;
      }
    }
  }

  #create(newSession: NewSession): CreateResult {
    const { session, request } = newSession;
    const key = request && requestKey(session.asker?.principalId ?? "", request.id);
    const requestDigest = request && this.#codec.requestDigest(request.digest, session);
    const holder = key === undefined ? undefined : this.#known.requests.get(key);
    if (holder) {
      const isSame = Buffer.compare(holder.digest, requestDigest!) === 0;
      return { kind: isSame ? "existing" : "conflict", session: this.current(holder.id) };
    }
    const quota = this.#exceeded(newSession);
    if (quota) return { kind: "over_quota", quota, limit: newSession.quotas![quota] };
    if (this.#known.sessions.has(session.id)) throw new Error(`a session ${session.id} exists already`);
    const attachments = newSession.attachments.map((data, index) =>
      this.#codec.encodeAttachment(data, session, index + 1),
    );
    const entry = auditEntryOf(undefined, session, session.asker?.principalId ?? "");
    this.#known.sessions.set(session.id, session);
    if (key !== undefined) this.#known.requests.set(key, { id: session.id, digest: requestDigest! });
    this.made.set(session.id, { session, newSession, requestDigest, attachments });
    this.tenant.openSessions += 1;
    this.tenant.attachmentBytes += bytesOf(attachments);
    this.#log(session, Event_Type.CREATED);
    if (entry) this.auditEntries.push(entry);
    return { kind: "created", session };
  }

  #decide<T>(session: Session, by: string, decide: Decide<T>): T {
    const decision = decide(session);
    if (decision.kind === "keep") return decision.result;
    const next = decision.session;
    const entry = auditEntryOf(session, next, by);
    this.#known.sessions.set(next.id, next);
    this.changed.add(next.id);
    if (isEnded(next) && !isEnded(session)) {
      if (isSentToChats(next)) this.closed.add(next.id);
      this.tenant.openSessions -= 1;
    }
    if (decision.event !== undefined) this.#log(next, decision.event);
    if (entry) this.auditEntries.push(entry);
    return decision.result;
  }

  #log(session: Session, type: Event_Type): void {
    this.tenant.cursor += 1;
    this.events.push({
      cursor: this.tenant.cursor,
      session_id: session.id,
      version: Number(session.version),
      type,
      time: timestampMs(session.updateTime!),
      to_chats: isSentToChats(session),
    });
  }

  /** What a new session would be too much for. Exact, for nobody else writes for the tenant meanwhile. */
  #exceeded({ attachments, quotas }: NewSession): Quota | undefined {
    if (!quotas) return undefined;
    const { openSessions, attachmentBytes } = this.tenant;
    if (quotas.open_sessions > 0 && openSessions >= quotas.open_sessions) return "open_sessions";
    const isTooMuch =
      quotas.attachment_bytes > 0 &&
      attachments.length > 0 &&
      attachmentBytes + bytesOf(attachments) > quotas.attachment_bytes;
    return isTooMuch ? "attachment_bytes" : undefined;
  }
}

/** Names a request id of an asker. */
export function requestKey(askerId: string, requestId: string): string {
  return JSON.stringify([postgresText(askerId), postgresText(requestId)]);
}

export function isSentToChats(session: Session): boolean {
  return (session.audience?.targets.length ?? 0) > 0;
}

function bytesOf(attachments: readonly Uint8Array[]): number {
  return attachments.reduce((sum, each) => sum + each.length, 0);
}
