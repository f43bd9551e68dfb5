import type { SealedRecord } from "./seal.ts";

/** A record as it stands; undefined where a column holds what HIL never writes. */
export interface StoredRecord {
  readonly tenantId: string;
  readonly sequence: number;
  readonly record: Omit<SealedRecord, "service"> | undefined;
  readonly seal: Uint8Array;
}

export interface StoredHead {
  readonly tenantId: string;
  readonly count: number;
  readonly seal: Uint8Array;
  readonly headSeal: Uint8Array;
}

/** What the service remembers of the checkpoints. */
export interface KnownRow {
  readonly number: number;
  readonly digest: Uint8Array;
  readonly seal: Uint8Array;
}

/** The audit tables of a service's database as they stood when it was opened, read-only. Nothing in it is trusted. */
export interface AuditDatabase {
  /** What of the tables and their rules is not as the migration made it, by name. */
  changedSchema(): Promise<string[]>;
  /** Whether table and index say the same: a record that is only in one of them could be hidden from a reader. */
  isConsistent(): Promise<boolean>;
  /** Every record, chain by chain, in order, some at a time. */
  records(): AsyncIterable<readonly StoredRecord[]>;
  heads(): Promise<StoredHead[]>;
  /** The seal of one record; undefined where there is none. */
  sealAt(tenantId: string, sequence: number): Promise<Uint8Array | undefined>;
  /** Undefined where nothing is remembered. */
  knownCheckpoint(): Promise<KnownRow | undefined>;
  close(): Promise<void>;
}
