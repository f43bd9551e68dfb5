import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  ApiKeySchema,
  type Identity,
  type Identity_Kind,
  IdentitySchema,
  type Member,
  Member_State,
  MemberSchema,
  type Tenant,
  Tenant_State,
  TenantPolicySchema,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { SqliteAuditLog } from "@hil/platform/audit/audit-log-sqlite.ts";
import { Sqlite } from "@hil/platform/storage/sqlite.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { AccessStore, Grant, Key, MemberOutcome, StoredApiKey } from "./access-store.ts";

const DELETED_AT_ONCE = 500;

interface TenantRow {
  id: string;
  display_name: string;
  state: Tenant_State;
  policy: Uint8Array;
  create_time: number;
  update_time: number;
  version: number;
}

interface MemberRow {
  tenant_id: string;
  id: string;
  name: string;
  roles: string;
  state: Member_State;
  create_time: number;
  update_time: number;
}

interface IdentityRow {
  kind: Identity_Kind;
  issuer: string;
  value: string;
}

interface ApiKeyRow {
  sequence: number;
  tenant_id: string;
  id: string;
  secret_hash: Uint8Array;
  name: string;
  roles: string;
  scopes: string;
  principal_id: string;
  relay_name: string;
  lifetime: number | null;
  create_time: number;
  expire_time: number | null;
  revoke_time: number | null;
  last_used_time: number | null;
}

interface GrantRow {
  tenant_id: string;
  member_id: string;
  expire_time: number;
}

/** The store of the embedded form: one SQLite file. `auditKey` seals its audit log. */
export function openSqliteAccessStore({
  dataDir,
  auditKey,
  log,
}: {
  dataDir: string;
  auditKey: Uint8Array;
  log: Log;
}): AccessStore {
  const db = new Sqlite({
    path: join(dataDir, "access.db"),
    migrations: join(import.meta.dirname, "migrations"),
    log,
  });
  const audit = new SqliteAuditLog({ db, service: "access", key: auditKey });
  const run = (text: string, ...values: SQLInputValue[]) => db.sql(text).run(...values);

  const getTenant = (tenantId: string): Tenant | undefined => {
    const row = db.get<TenantRow>("SELECT * FROM tenant WHERE id = ?", tenantId);
    return row && tenantOf(row);
  };
  const withIdentities = (row: MemberRow): Member => {
    const identities = db.all<IdentityRow>(
      "SELECT kind, issuer, value FROM identity WHERE tenant_id = ? AND member_id = ? ORDER BY kind, issuer, value",
      row.tenant_id,
      row.id,
    );
    return memberOf(row, identities);
  };
  const getMember = ({ tenantId, id }: Key): Member | undefined => {
    const row = db.get<MemberRow>("SELECT * FROM member WHERE tenant_id = ? AND id = ?", tenantId, id);
    return row && withIdentities(row);
  };
  const getApiKey = ({ tenantId, id }: Key): StoredApiKey | undefined => {
    const row = db.get<ApiKeyRow>("SELECT * FROM api_key WHERE tenant_id = ? AND id = ?", tenantId, id);
    return row && storedApiKeyOf(row);
  };

  /** Inside a write: the identity of `member` that another member of its tenant has. */
  const takenIdentity = (member: Member): Identity | undefined =>
    member.identities.find(({ kind, issuer, value }) =>
      db.get(
        "SELECT 1 FROM identity WHERE tenant_id = ? AND kind = ? AND issuer = ? AND value = ? AND member_id <> ?",
        member.tenantId,
        kind,
        issuer,
        value,
        member.id,
      ),
    );
  /** Inside a write: replaces the identities of a member. None of them is another's. */
  const putIdentities = (member: Member): void => {
    run("DELETE FROM identity WHERE tenant_id = ? AND member_id = ?", member.tenantId, member.id);
    for (const { kind, issuer, value } of member.identities) {
      run(
        "INSERT INTO identity (tenant_id, kind, issuer, value, member_id) VALUES (?, ?, ?, ?, ?)",
        member.tenantId,
        kind,
        issuer,
        value,
        member.id,
      );
    }
  };
  /** Inside a write. */
  const putMember = (member: Member): MemberOutcome => {
    const taken = takenIdentity(member);
    if (taken) return { kind: "identity-taken", identity: taken };
    run(
      "UPDATE member SET name = ?, roles = ?, state = ?, update_time = ? WHERE tenant_id = ? AND id = ?",
      member.name,
      JSON.stringify(member.roles),
      member.state,
      timestampDate(member.updateTime!).getTime(),
      member.tenantId,
      member.id,
    );
    putIdentities(member);
    if (member.state !== Member_State.ACTIVE) {
      for (const table of ["console_session", "sign_in_token", "link_code"]) {
        run(`DELETE FROM ${table} WHERE tenant_id = ? AND member_id = ?`, member.tenantId, member.id);
      }
    }
    return { kind: "stored", member };
  };
  /** Inside a write. */
  const putApiKey = ({ apiKey, secretHash, lifetimeMs }: StoredApiKey): void => {
    run(
      `INSERT INTO api_key (tenant_id, id, secret_hash, name, roles, scopes, principal_id, relay_name, lifetime,
         create_time, expire_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      apiKey.tenantId,
      apiKey.id,
      secretHash,
      apiKey.name,
      JSON.stringify(apiKey.roles),
      JSON.stringify(apiKey.scopes),
      apiKey.principalId,
      apiKey.relayName,
      lifetimeMs ?? null,
      timestampDate(apiKey.createTime!).getTime(),
      apiKey.expireTime ? timestampDate(apiKey.expireTime).getTime() : null,
    );
  };
  /** Inside a write. */
  const putConsoleSession = ({ hash, tenantId, memberId, expireTimeMs }: Grant, nowMs: number): void => {
    run(
      "INSERT INTO console_session (secret_hash, tenant_id, member_id, create_time, expire_time) VALUES (?, ?, ?, ?, ?)",
      hash,
      tenantId,
      memberId,
      nowMs,
      expireTimeMs,
    );
  };
  /** Whether somebody may sign in or link: the owner, or an active member, of a tenant that is not suspended. */
  const isActive = ({ tenantId, memberId }: { tenantId: string; memberId: string }): boolean =>
    getTenant(tenantId)?.state === Tenant_State.ACTIVE &&
    (memberId === "" || getMember({ tenantId, id: memberId })?.state === Member_State.ACTIVE);

  return {
    audit,

    insertTenant: (tenant, entry) =>
      db.write(() => {
        const { changes } = run(
          `INSERT INTO tenant (id, display_name, state, policy, create_time, update_time, version)
           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
          tenant.id,
          tenant.displayName,
          tenant.state,
          toBinary(TenantPolicySchema, tenant.policy ?? create(TenantPolicySchema)),
          timestampDate(tenant.createTime!).getTime(),
          timestampDate(tenant.updateTime!).getTime(),
          tenant.version,
        );
        if (changes === 0) return false;
        audit.append(entry);
        return true;
      }),
    getTenant: async (tenantId) => getTenant(tenantId),
    listTenants: async ({ afterId, limit }) =>
      db
        .all<TenantRow>("SELECT * FROM tenant WHERE id > ? ORDER BY id LIMIT ?", afterId, limit)
        .map(tenantOf),
    changeTenant: (tenantId, decide) =>
      db.write(() => {
        const before = getTenant(tenantId);
        const decision = before && decide(before);
        if (!decision) return before;
        const { after } = decision;
        run(
          "UPDATE tenant SET display_name = ?, state = ?, policy = ?, update_time = ?, version = ? WHERE id = ?",
          after.displayName,
          after.state,
          toBinary(TenantPolicySchema, after.policy ?? create(TenantPolicySchema)),
          timestampDate(after.updateTime!).getTime(),
          after.version,
          tenantId,
        );
        audit.append(decision.audit);
        return after;
      }),

    insertMember: (member, entry) =>
      db.write(() => {
        const taken = takenIdentity(member);
        if (taken) return { kind: "identity-taken" as const, identity: taken };
        run(
          "INSERT INTO member (tenant_id, id, name, roles, state, create_time, update_time) VALUES (?, ?, ?, ?, ?, ?, ?)",
          member.tenantId,
          member.id,
          member.name,
          JSON.stringify(member.roles),
          member.state,
          timestampDate(member.createTime!).getTime(),
          timestampDate(member.updateTime!).getTime(),
        );
        putIdentities(member);
        audit.append(entry);
        return { kind: "stored" as const, member };
      }),
    getMember: async (key) => getMember(key),
    listMembers: async ({ tenantId, afterId, limit }) =>
      db
        .all<MemberRow>(
          "SELECT * FROM member WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?",
          tenantId,
          afterId,
          limit,
        )
        .map(withIdentities),
    changeMember: (key, decide) =>
      db.write((): MemberOutcome => {
        const before = getMember(key);
        if (!before) return { kind: "unknown" };
        const decision = decide(before);
        if (!decision) return { kind: "stored", member: before };
        const outcome = putMember(decision.after);
        if (outcome.kind === "stored") audit.append(decision.audit);
        return outcome;
      }),
    findMember: async (tenantId, { kind, issuer, value }) => {
      const found = db.get<{ member_id: string }>(
        "SELECT member_id FROM identity WHERE tenant_id = ? AND kind = ? AND issuer = ? AND value = ?",
        tenantId,
        kind,
        issuer,
        value,
      );
      return found && getMember({ tenantId, id: found.member_id });
    },
    findMembersAnywhere: async ({ kind, issuer, value }) =>
      db
        .all<{ tenant_id: string; member_id: string }>(
          "SELECT tenant_id, member_id FROM identity WHERE kind = ? AND issuer = ? AND value = ? ORDER BY tenant_id",
          kind,
          issuer,
          value,
        )
        .flatMap((row) => getMember({ tenantId: row.tenant_id, id: row.member_id }) ?? []),

    insertApiKey: (key, entry) =>
      db.write(() => {
        putApiKey(key);
        audit.append(entry);
      }),
    getApiKey: async (key) => getApiKey(key)?.apiKey,
    findApiKey: async (id) => {
      const row = db.get<ApiKeyRow>("SELECT * FROM api_key WHERE id = ?", id);
      return row && storedApiKeyOf(row);
    },
    listApiKeys: async ({ tenantId, role, beforeSequence, limit }) =>
      db
        .all<ApiKeyRow>(
          `SELECT * FROM api_key WHERE tenant_id = ? AND sequence < ?
             AND (? = 0 OR EXISTS (SELECT 1 FROM json_each(roles) WHERE value = ?))
           ORDER BY sequence DESC LIMIT ?`,
          tenantId,
          beforeSequence,
          role,
          role,
          limit,
        )
        .map((row) => ({ sequence: row.sequence, apiKey: apiKeyOf(row) })),
    changeApiKey: (key, decide, successor) =>
      db.write(() => {
        const before = getApiKey(key);
        const decision = before && decide(before.apiKey);
        if (!decision) return before?.apiKey;
        const { after } = decision;
        run(
          "UPDATE api_key SET expire_time = ?, revoke_time = ? WHERE tenant_id = ? AND id = ?",
          after.expireTime ? timestampDate(after.expireTime).getTime() : null,
          after.revokeTime ? timestampDate(after.revokeTime).getTime() : null,
          key.tenantId,
          key.id,
        );
        audit.append(decision.audit);
        const next = successor?.(before);
        if (next) {
          putApiKey(next.key);
          audit.append(next.audit);
        }
        return after;
      }),
    noteApiKeyUses: (uses) =>
      db.write(() => {
        for (const { id, timeMs } of uses)
          run("UPDATE api_key SET last_used_time = ? WHERE id = ?", timeMs, id);
      }),

    insertLinkCode: ({ hash, tenantId, memberId, expireTimeMs }, entry) =>
      db.write(() => {
        // A new code of a person takes the place of the one before.
        run("DELETE FROM link_code WHERE tenant_id = ? AND member_id = ?", tenantId, memberId);
        run(
          "INSERT INTO link_code (code_hash, tenant_id, member_id, expire_time) VALUES (?, ?, ?, ?)",
          hash,
          tenantId,
          memberId,
          expireTimeMs,
        );
        audit.append(entry);
      }),
    redeemLinkCode: ({ hash, tenantIds, identity, nowMs }, auditOf) =>
      db.write((): MemberOutcome => {
        const code = db.get<GrantRow>(
          "SELECT * FROM link_code WHERE code_hash = ? AND expire_time > ?",
          hash,
          nowMs,
        );
        if (!code || (tenantIds.length > 0 && !tenantIds.includes(code.tenant_id)))
          return { kind: "unknown" };
        const who = { tenantId: code.tenant_id, memberId: code.member_id };
        const before = getMember({ tenantId: who.tenantId, id: who.memberId });
        if (!before || !isActive(who)) return { kind: "unknown" };
        const has = before.identities.some((each) => equals(IdentitySchema, each, identity));
        const after = has
          ? before
          : {
              ...before,
              identities: [...before.identities, identity],
              updateTime: timestampFromMs(nowMs),
            };
        const outcome = putMember(after);
        if (outcome.kind !== "stored") return outcome;
        run("DELETE FROM link_code WHERE code_hash = ?", hash);
        audit.append(auditOf(before, after));
        return outcome;
      }),

    insertSignInToken: ({ hash, tenantId, memberId, expireTimeMs }, entry) =>
      db.write(() => {
        run(
          "INSERT INTO sign_in_token (token_hash, tenant_id, member_id, expire_time) VALUES (?, ?, ?, ?)",
          hash,
          tenantId,
          memberId,
          expireTimeMs,
        );
        audit.append(entry);
      }),
    redeemSignInToken: ({ hash, sessionHash, sessionExpireTimeMs, nowMs }, auditOf) =>
      db.write((): Grant | undefined => {
        const row = db
          .sql("DELETE FROM sign_in_token WHERE token_hash = ? RETURNING tenant_id, member_id, expire_time")
          .get(hash) as GrantRow | undefined;
        if (!row || row.expire_time <= nowMs) return undefined;
        const who = { tenantId: row.tenant_id, memberId: row.member_id };
        if (!isActive(who)) return undefined;
        const session = { ...who, hash: sessionHash, expireTimeMs: sessionExpireTimeMs };
        putConsoleSession(session, nowMs);
        audit.append(auditOf(who));
        return session;
      }),

    insertConsoleSession: (session, nowMs, entry) =>
      db.write(() => {
        putConsoleSession(session, nowMs);
        audit.append(entry);
      }),
    findConsoleSession: async (hash, nowMs) => {
      const row = db.get<GrantRow>(
        "SELECT * FROM console_session WHERE secret_hash = ? AND expire_time > ?",
        hash,
        nowMs,
      );
      return row && grantOf(hash, row);
    },
    endConsoleSession: (hash, auditOf) =>
      db.write(() => {
        const row = db
          .sql(
            "DELETE FROM console_session WHERE secret_hash = ? RETURNING tenant_id, member_id, expire_time",
          )
          .get(hash) as GrantRow | undefined;
        if (!row) return false;
        audit.append(auditOf(grantOf(hash, row)));
        return true;
      }),

    deleteOver: (nowMs) =>
      db.write(() => {
        let deleted = 0;
        for (const [table, key] of [
          ["link_code", "code_hash"],
          ["sign_in_token", "token_hash"],
          ["console_session", "secret_hash"],
        ] as const) {
          const { changes } = run(
            `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE expire_time <= ? LIMIT ?)`,
            nowMs,
            DELETED_AT_ONCE,
          );
          deleted += Number(changes);
        }
        return deleted;
      }),
    close: async () => db.close(),
  };
}

function tenantOf(row: TenantRow): Tenant {
  return create(TenantSchema, {
    id: row.id,
    displayName: row.display_name,
    state: row.state,
    policy: fromBinary(TenantPolicySchema, row.policy),
    createTime: timestampFromMs(row.create_time),
    updateTime: timestampFromMs(row.update_time),
    version: BigInt(row.version),
  });
}

function memberOf(row: MemberRow, identities: readonly IdentityRow[]): Member {
  return create(MemberSchema, {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    roles: JSON.parse(row.roles) as Role[],
    identities: identities.map(({ kind, issuer, value }) => ({ kind, issuer, value })),
    state: row.state,
    createTime: timestampFromMs(row.create_time),
    updateTime: timestampFromMs(row.update_time),
  });
}

function apiKeyOf(row: ApiKeyRow): ApiKey {
  return create(ApiKeySchema, {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    roles: JSON.parse(row.roles) as Role[],
    scopes: JSON.parse(row.scopes) as string[],
    principalId: row.principal_id,
    relayName: row.relay_name,
    createTime: timestampFromMs(row.create_time),
    expireTime: row.expire_time === null ? undefined : timestampFromMs(row.expire_time),
    revokeTime: row.revoke_time === null ? undefined : timestampFromMs(row.revoke_time),
    lastUsedTime: row.last_used_time === null ? undefined : timestampFromMs(row.last_used_time),
  });
}

function storedApiKeyOf(row: ApiKeyRow): StoredApiKey {
  return { apiKey: apiKeyOf(row), secretHash: row.secret_hash, lifetimeMs: row.lifetime ?? undefined };
}

function grantOf(hash: Uint8Array, row: GrantRow): Grant {
  return { hash, tenantId: row.tenant_id, memberId: row.member_id, expireTimeMs: row.expire_time };
}
