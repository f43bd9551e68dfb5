// What the access service keeps, and how it is changed.
//
// D1. A change and its audit record are one write: neither is there without the other.
// D2. Everything of a tenant is read and changed with the tenant's id beside its own. Only what a credential is worth
//     is looked up without: before it is known, there is no tenant.
// D3. What works once is taken by the write that uses it, so that two who bring it at the same time do not both have it.

import type { ApiKey, Identity, Member, Tenant } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { AuditEntry, AuditLog } from "@hil/platform/audit/audit-log.ts";

export type { AuditEntry };

/** Something of one tenant. */
export interface Key {
  readonly tenantId: string;
  readonly id: string;
}

/**
 * Decides what becomes of a thing, inside the write that reads it. Pure; may throw, and may run twice. Undefined leaves
 * it as it is.
 */
export type Decide<T> = (before: T) => { readonly after: T; readonly audit: AuditEntry } | undefined;

/** How storing a member ended. Unless it was stored, nothing changed. */
export type MemberOutcome =
  | { readonly kind: "stored"; readonly member: Member }
  | { readonly kind: "unknown" }
  | { readonly kind: "identity-taken"; readonly identity: Identity };

/** An API key whose secret is known by its hash. Its state is not set: it depends on the time. */
export interface StoredApiKey {
  readonly apiKey: ApiKey;
  readonly secretHash: Uint8Array;
  /** How long it was made for; undefined for ever. A rotation ends it earlier and leaves this as it is. */
  readonly lifetimeMs: number | undefined;
}

/** Something secret that works until a time. An empty member is the owner. */
export interface Grant {
  readonly hash: Uint8Array;
  readonly tenantId: string;
  readonly memberId: string;
  readonly expireTimeMs: number;
}

export interface AccessStore {
  /** The audit log of this database. */
  readonly audit: AuditLog;

  /** False where there is a tenant with this id; then nothing changed. */
  insertTenant(tenant: Tenant, audit: AuditEntry): Promise<boolean>;
  getTenant(tenantId: string): Promise<Tenant | undefined>;
  /** By id. */
  listTenants(page: { afterId: string; limit: number }): Promise<Tenant[]>;
  changeTenant(tenantId: string, decide: Decide<Tenant>): Promise<Tenant | undefined>;

  insertMember(member: Member, audit: AuditEntry): Promise<MemberOutcome>;
  getMember(key: Key): Promise<Member | undefined>;
  /** Oldest first. */
  listMembers(page: { tenantId: string; afterId: string; limit: number }): Promise<Member[]>;
  /** A member that is no longer active loses its console sessions, sign-in tokens and link codes with the same write. */
  changeMember(key: Key, decide: Decide<Member>): Promise<MemberOutcome>;
  /** The member of one tenant that an identity belongs to. */
  findMember(tenantId: string, identity: Identity): Promise<Member | undefined>;
  /** The members of all tenants that an identity belongs to: for signing in, where no tenant is named. */
  findMembersAnywhere(identity: Identity): Promise<Member[]>;

  insertApiKey(key: StoredApiKey, audit: AuditEntry): Promise<void>;
  getApiKey(key: Key): Promise<ApiKey | undefined>;
  /** By its own id alone: its secret has yet to be checked. */
  findApiKey(id: string): Promise<StoredApiKey | undefined>;
  /** Newest first. `role` 0: all. */
  listApiKeys(page: {
    tenantId: string;
    role: Role;
    beforeSequence: number;
    limit: number;
  }): Promise<{ sequence: number; apiKey: ApiKey }[]>;
  /** Changes a key, and stores the one that replaces it, if there is one. */
  changeApiKey(
    key: Key,
    decide: Decide<ApiKey>,
    successor?: (before: StoredApiKey) => { readonly key: StoredApiKey; readonly audit: AuditEntry },
  ): Promise<ApiKey | undefined>;
  /** Keeps the latest time for each key. */
  noteApiKeyUses(uses: readonly { id: string; timeMs: number }[]): Promise<void>;

  insertLinkCode(code: Grant, audit: AuditEntry): Promise<void>;
  /**
   * Gives `identity` to the active member whose code it is, once. "unknown" for a code that is not there, is over, or is
   * of none of `tenantIds` (empty: any). A code stays good where the identity is taken.
   */
  redeemLinkCode(
    use: { hash: Uint8Array; tenantIds: readonly string[]; identity: Identity; nowMs: number },
    auditOf: (before: Member, after: Member) => AuditEntry,
  ): Promise<MemberOutcome>;

  insertSignInToken(token: Grant, audit: AuditEntry): Promise<void>;
  /** Trades a token for a console session of the same person, once; undefined for one that does not work. */
  redeemSignInToken(
    use: { hash: Uint8Array; sessionHash: Uint8Array; sessionExpireTimeMs: number; nowMs: number },
    auditOf: (who: { tenantId: string; memberId: string }) => AuditEntry,
  ): Promise<Grant | undefined>;

  insertConsoleSession(session: Grant, nowMs: number, audit: AuditEntry): Promise<void>;
  findConsoleSession(hash: Uint8Array, nowMs: number): Promise<Grant | undefined>;
  /** False where there is none. */
  endConsoleSession(hash: Uint8Array, auditOf: (session: Grant) => AuditEntry): Promise<boolean>;

  /** Deletes some codes, tokens and console sessions whose time is over. Returns how many. */
  deleteOver(nowMs: number): Promise<number>;
  close(): Promise<void>;
}
