// The audit log of one service: who did what, in the service's own database.
//
// A1. A record is written in the transaction of the change that it tells of: both are kept or neither (I11).
// A2. The records of a tenant are a chain without gaps. Each is sealed with the seal before it, and the end of the
//     chain is sealed as well, so that no edit, insertion, deletion, swap or cut at the end passes verification.
// A3. A chain that was changed from outside is never mended. The log goes on, for people must not be kept from their
//     work, but what follows does not fit what was before, and so the break is seen for ever.
// A4. The chain CHAINS names every other chain of the service, so that a whole one cannot be taken out.
//
// Who holds the key can forge all of this. Against that, and against putting back an older copy of the whole database,
// stand the checkpoints, which are kept in a second place: checkpoints.ts.

import type { AuditedService, ChainHead } from "./seal.ts";

/** What the first record of every chain in CHAINS does. */
export const OPENED = "audit.opened";
/** Who did what nobody did: a deadline, the start of a chain. */
export const SYSTEM_PRINCIPAL = "system";

/** One change. Described in hil.access.v1.AuditRecord. */
export interface AuditEntry {
  readonly tenantId: string;
  readonly principalId: string;
  /** "session.answered". */
  readonly action: string;
  /** "session/0192…". */
  readonly resource: string;
  /** What of it changed, as it was. Never a secret. */
  readonly before?: object;
  /** The same, as it is now. Never a secret. */
  readonly after?: object;
  readonly time: Date;
}

/** A record as it is kept. Times are milliseconds since 1970. */
export interface AuditRow {
  readonly sequence: number;
  readonly time: number;
  readonly principal_id: string;
  readonly action: string;
  readonly resource: string;
  readonly before: string;
  readonly after: string;
  readonly seal: Uint8Array;
}

/** Which records are listed; what is empty or undefined does not count. */
export interface AuditQuery {
  readonly principalId?: string;
  /** All that begin with it where it ends with a dot. */
  readonly action?: string;
  readonly resource?: string;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** A checkpoint as the services remember it: its number, and SHA-256 of its line. */
export interface KnownCheckpoint {
  readonly number: number;
  readonly digest: Uint8Array;
}

/** The audit log of one service. How it is written is the driver's own: inside its transactions (A1). */
export interface AuditLog {
  readonly service: AuditedService;
  /** Other processes append to it too. */
  readonly isShared: boolean;
  /** How many records were appended by this process. */
  readonly appended: number;
  /** The records of a tenant, newest first. With bounds, those with a sequence below `before` and from `from` on. */
  list(
    tenantId: string,
    query: AuditQuery,
    limit: number,
    before?: number,
    from?: number,
  ): Promise<AuditRow[]>;
  /** The sequence of a tenant's newest record; 0 where it has none. */
  newest(tenantId: string): Promise<number>;
  /** Calls `listener` after each commit of this process. Returns what stops it. */
  afterCommit(listener: () => void): () => void;

  /** Runs `work` while no other process of the deployment writes checkpoints. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Begins the log where that was not done, so that a checkpoint can state it before anything else is in it. */
  open(time: Date): Promise<void>;
  /** The ends of the chains that no checkpoint states as they are on disk. */
  unstatedHeads(): Promise<ChainHead[]>;
  /** A checkpoint that states these heads is on disk: remembers it, so that it cannot be cut off unseen. */
  markStated(heads: readonly ChainHead[], checkpoint: KnownCheckpoint): Promise<void>;
  /** The last checkpoint that names a chain of this service; undefined where none is known. */
  knownCheckpoint(): Promise<KnownCheckpoint | undefined>;
}

/** What the chain CHAINS says of a tenant's chain that begins. */
export function tenantResource(tenantId: string): string {
  return `tenant/${tenantId}`;
}

/** What the chain CHAINS says first. */
export function serviceResource(service: string): string {
  return `service/${service}`;
}
