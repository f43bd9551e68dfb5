// The access service's rows in PostgreSQL, which all replicas share.
//
// Q1. A call about one tenant runs in a transaction that sees this tenant alone, whatever its statements say. What is
//     looked up before a tenant is known (D2) narrows itself to the tenant that it found, before it reads or changes more.
// Q2. What is decided about a row is decided while it is locked; what works once is taken by the DELETE that finds it
//     (D3), so that of two replicas one has it.

import { join } from "node:path";
import { create, equals, toBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  type Identity,
  IdentitySchema,
  type Member,
  Member_State,
  type Tenant,
  Tenant_State,
  TenantPolicySchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { PostgresAuditLog } from "@hil/platform/audit/audit-log-postgres.ts";
import { createGroup } from "@hil/platform/storage/group.ts";
import { ALL_TENANTS, Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import {
  type ApiKeyRow,
  apiKeyOf,
  type GrantRow,
  grantOf,
  type MemberRow,
  memberOf,
  storedApiKeyOf,
  type TenantRow,
  tenantOf,
} from "./access-rows-postgres.ts";
import type { AccessStore, Grant, Key, MemberOutcome, StoredApiKey } from "./access-store.ts";

const DELETED_AT_ONCE = 500;

const SELECT_MEMBER = `SELECT member.*, ARRAY(
    SELECT json_build_array(identity.kind, identity.issuer, identity.value) FROM identity
    WHERE identity.tenant_id = member.tenant_id AND identity.member_id = member.id
    ORDER BY identity.kind, identity.issuer, identity.value) AS identities
  FROM member`;
const UPDATE_TENANT =
  "UPDATE tenant SET display_name = $1, state = $2, policy = $3, update_time = $4, version = $5 WHERE id = $6";
const UPDATE_MEMBER =
  "UPDATE member SET name = $1, roles = $2, state = $3, update_time = $4 WHERE tenant_id = $5 AND id = $6";
const TAKEN_IDENTITY = `SELECT given.place FROM unnest($1::integer[], $2::text[], $3::text[])
    WITH ORDINALITY AS given (kind, issuer, value, place)
  JOIN identity USING (kind, issuer, value) WHERE tenant_id = $4 AND member_id <> $5 ORDER BY place LIMIT 1`;
const INSERT_IDENTITIES = `INSERT INTO identity (tenant_id, member_id, kind, issuer, value)
  SELECT $1, $2, * FROM unnest($3::integer[], $4::text[], $5::text[]) AS given (kind, issuer, value)
  ORDER BY kind, issuer, value ON CONFLICT DO NOTHING RETURNING kind`;
const INSERT_API_KEY = `INSERT INTO api_key (tenant_id, id, secret_hash, name, roles, scopes, principal_id, relay_name,
    lifetime, create_time, expire_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;
const INSERT_CONSOLE_SESSION =
  "INSERT INTO console_session (secret_hash, tenant_id, member_id, create_time, expire_time) VALUES ($1, $2, $3, $4, $5)";
const NOTE_USES = `WITH used AS (
    SELECT api_key.id, given.time FROM unnest($1::text[], $2::bigint[]) AS given (id, time) JOIN api_key USING (id)
    WHERE coalesce(api_key.last_used_time, 0) < given.time ORDER BY id FOR UPDATE OF api_key)
  UPDATE api_key SET last_used_time = used.time FROM used WHERE api_key.id = used.id`;

type KeyUse = Parameters<AccessStore["noteApiKeyUses"]>[0][number];

/** Undoes the transaction of a member who cannot have an identity. */
class IdentityTaken extends Error {
  readonly identity: Identity;
  constructor(identity: Identity) {
    super("another member has this identity");
    this.identity = identity;
  }
}

/** The store of the distributed form. `auditKey` seals its audit log. Rejects where the database is not there. */
export async function openPostgresAccessStore({
  url,
  connections,
  auditKey,
  log,
}: {
  url: string;
  connections?: number | undefined;
  auditKey: Uint8Array;
  log: Log;
}): Promise<AccessStore> {
  const db = await Postgres.open({
    url,
    schema: "access",
    migrations: join(import.meta.dirname, "migrations-postgres"),
    ...(connections === undefined ? {} : { connections }),
    log,
  });
  const audit = new PostgresAuditLog({ db, service: "access", key: auditKey, log });
  const rows = <Row>(tenantId: string, text: string, ...values: unknown[]) =>
    db.query<Row>(tenantId, text, values);
  // Those that come while a note is under way go with the next one.
  const noting = createGroup<readonly KeyUse[], void>({
    most: 1_000,
    isOfDatabase: () => true, // a note is not worth a second try
    async runAll(given) {
      const uses = given.flat().toSorted((one, other) => one.timeMs - other.timeMs);
      const latest = new Map(uses.map(({ id, timeMs }) => [id, timeMs]));
      const ids = [...latest.keys()].toSorted(); // in one order for all replicas, so that they do not lock each other out
      await rows(
        ALL_TENANTS,
        NOTE_USES,
        ids,
        ids.map((id) => latest.get(id)),
      );
      return given.map(() => undefined);
    },
  });

  return {
    audit,

    insertTenant: (tenant, entry) =>
      db.transaction(tenant.id, async (transaction) => {
        const inserted = await run(
          transaction,
          `INSERT INTO tenant (id, display_name, state, policy, create_time, update_time, version)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING RETURNING id`,
          tenant.id,
          tenant.displayName,
          tenant.state,
          policyOf(tenant),
          timestampDate(tenant.createTime!).getTime(),
          timestampDate(tenant.updateTime!).getTime(),
          tenant.version,
        );
        if (inserted.length === 0) return false;
        await audit.append(transaction, [entry]);
        return true;
      }),
    getTenant: async (tenantId) => {
      const [row] = await rows<TenantRow>(tenantId, "SELECT * FROM tenant WHERE id = $1", tenantId);
      return row && tenantOf(row);
    },
    listTenants: async ({ afterId, limit }) => {
      const text = "SELECT * FROM tenant WHERE id > $1 ORDER BY id LIMIT $2";
      return (await rows<TenantRow>(ALL_TENANTS, text, afterId, limit)).map(tenantOf);
    },
    changeTenant: (tenantId, decide) =>
      db.transaction(tenantId, async (transaction) => {
        const text = "SELECT * FROM tenant WHERE id = $1 FOR UPDATE";
        const [row] = await run<TenantRow>(transaction, text, tenantId);
        const before = row && tenantOf(row);
        const decision = before && decide(before);
        if (!decision) return before;
        const { after } = decision;
        await run(
          transaction,
          UPDATE_TENANT,
          after.displayName,
          after.state,
          policyOf(after),
          timestampDate(after.updateTime!).getTime(),
          after.version,
          tenantId,
        );
        await audit.append(transaction, [decision.audit]);
        return after;
      }),

    insertMember: (member, entry) =>
      unlessTaken(() =>
        db.transaction(member.tenantId, async (transaction) => {
          await run(
            transaction,
            `INSERT INTO member (tenant_id, id, name, roles, state, create_time, update_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7)`,
            member.tenantId,
            member.id,
            member.name,
            member.roles,
            member.state,
            timestampDate(member.createTime!).getTime(),
            timestampDate(member.updateTime!).getTime(),
          );
          await putIdentities(transaction, member);
          await audit.append(transaction, [entry]);
          return { kind: "stored", member };
        }),
      ),
    getMember: (key) => db.transaction(key.tenantId, (transaction) => getMember(transaction, key)),
    listMembers: async ({ tenantId, afterId, limit }) => {
      const text = `${SELECT_MEMBER} WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3`;
      return (await rows<MemberRow>(tenantId, text, tenantId, afterId, limit)).map(memberOf);
    },
    changeMember: (key, decide) =>
      unlessTaken(() =>
        db.transaction(key.tenantId, async (transaction) => {
          const before = await getMember(transaction, key, "FOR UPDATE OF member");
          if (!before) return { kind: "unknown" };
          const decision = decide(before);
          if (!decision) return { kind: "stored", member: before };
          await putMember(transaction, decision.after);
          await audit.append(transaction, [decision.audit]);
          return { kind: "stored", member: decision.after };
        }),
      ),
    findMember: (tenantId, { kind, issuer, value }) =>
      db.transaction(tenantId, async (transaction) => {
        const [found] = await run<{ member_id: string }>(
          transaction,
          "SELECT member_id FROM identity WHERE tenant_id = $1 AND kind = $2 AND issuer = $3 AND value = $4",
          tenantId,
          kind,
          issuer,
          value,
        );
        return found && getMember(transaction, { tenantId, id: found.member_id });
      }),
    findMembersAnywhere: async ({ kind, issuer, value }) => {
      const text = `${SELECT_MEMBER} WHERE (tenant_id, id) IN
        (SELECT tenant_id, member_id FROM identity WHERE kind = $1 AND issuer = $2 AND value = $3) ORDER BY tenant_id`;
      return (await rows<MemberRow>(ALL_TENANTS, text, kind, issuer, value)).map(memberOf);
    },

    insertApiKey: (key, entry) =>
      db.transaction(key.apiKey.tenantId, async (transaction) => {
        await putApiKey(transaction, key);
        await audit.append(transaction, [entry]);
      }),
    getApiKey: ({ tenantId, id }) =>
      db.transaction(
        tenantId,
        async (transaction) => (await getApiKey(transaction, { tenantId, id }))?.apiKey,
      ),
    findApiKey: async (id) => {
      const [row] = await rows<ApiKeyRow>(ALL_TENANTS, "SELECT * FROM api_key WHERE id = $1", id);
      return row && storedApiKeyOf(row);
    },
    listApiKeys: async ({ tenantId, role, beforeSequence, limit }) => {
      const text = `SELECT * FROM api_key WHERE tenant_id = $1 AND sequence < $2 AND ($3 = 0 OR $3 = ANY (roles))
        ORDER BY sequence DESC LIMIT $4`;
      const found = await rows<ApiKeyRow>(tenantId, text, tenantId, beforeSequence, role, limit);
      return found.map((row) => ({ sequence: Number(row.sequence), apiKey: apiKeyOf(row) }));
    },
    changeApiKey: (key, decide, successor) =>
      db.transaction(key.tenantId, async (transaction): Promise<ApiKey | undefined> => {
        const before = await getApiKey(transaction, key, "FOR UPDATE");
        const decision = before && decide(before.apiKey);
        if (!decision) return before?.apiKey;
        const { after } = decision;
        await run(
          transaction,
          "UPDATE api_key SET expire_time = $1, revoke_time = $2 WHERE tenant_id = $3 AND id = $4",
          after.expireTime ? timestampDate(after.expireTime).getTime() : null,
          after.revokeTime ? timestampDate(after.revokeTime).getTime() : null,
          key.tenantId,
          key.id,
        );
        const next = successor?.(before);
        if (next) await putApiKey(transaction, next.key);
        await audit.append(transaction, next ? [decision.audit, next.audit] : [decision.audit]);
        return after;
      }),
    noteApiKeyUses: (uses) => noting.run(uses),

    insertLinkCode: ({ hash, tenantId, memberId, expireTimeMs }, entry) =>
      db.transaction(tenantId, async (transaction) => {
        // A new code of a person takes the place of the one before.
        await run(
          transaction,
          "DELETE FROM link_code WHERE tenant_id = $1 AND member_id = $2",
          tenantId,
          memberId,
        );
        await run(
          transaction,
          "INSERT INTO link_code (code_hash, tenant_id, member_id, expire_time) VALUES ($1, $2, $3, $4)",
          hash,
          tenantId,
          memberId,
          expireTimeMs,
        );
        await audit.append(transaction, [entry]);
      }),
    redeemLinkCode: ({ hash, tenantIds, identity, nowMs }, auditOf) =>
      unlessTaken(() =>
        db.transaction(ALL_TENANTS, async (transaction): Promise<MemberOutcome> => {
          const [code] = await run<GrantRow>(
            transaction,
            "SELECT tenant_id, member_id, expire_time FROM link_code WHERE code_hash = $1 AND expire_time > $2 FOR UPDATE",
            hash,
            nowMs,
          );
          if (!code || (tenantIds.length > 0 && !tenantIds.includes(code.tenant_id))) {
            return { kind: "unknown" };
          }
          const who = { tenantId: code.tenant_id, memberId: code.member_id };
          await narrow(transaction, who.tenantId);
          const key = { tenantId: who.tenantId, id: who.memberId };
          const before = await getMember(transaction, key, "FOR UPDATE OF member");
          if (!before || !(await isActive(transaction, who))) return { kind: "unknown" };
          const has = before.identities.some((each) => equals(IdentitySchema, each, identity));
          const after = has
            ? before
            : {
                ...before,
                identities: [...before.identities, identity],
                updateTime: timestampFromMs(nowMs),
              };
          await putMember(transaction, after);
          await run(transaction, "DELETE FROM link_code WHERE code_hash = $1", hash);
          await audit.append(transaction, [auditOf(before, after)]);
          return { kind: "stored", member: after };
        }),
      ),

    insertSignInToken: ({ hash, tenantId, memberId, expireTimeMs }, entry) =>
      db.transaction(tenantId, async (transaction) => {
        await run(
          transaction,
          "INSERT INTO sign_in_token (token_hash, tenant_id, member_id, expire_time) VALUES ($1, $2, $3, $4)",
          hash,
          tenantId,
          memberId,
          expireTimeMs,
        );
        await audit.append(transaction, [entry]);
      }),
    redeemSignInToken: ({ hash, sessionHash, sessionExpireTimeMs, nowMs }, auditOf) =>
      db.transaction(ALL_TENANTS, async (transaction): Promise<Grant | undefined> => {
        const [row] = await run<GrantRow>(
          transaction,
          "DELETE FROM sign_in_token WHERE token_hash = $1 RETURNING tenant_id, member_id, expire_time",
          hash,
        );
        if (!row || Number(row.expire_time) <= nowMs) return undefined;
        const who = { tenantId: row.tenant_id, memberId: row.member_id };
        await narrow(transaction, who.tenantId);
        if (!(await isActive(transaction, who))) return undefined;
        const session = { ...who, hash: sessionHash, expireTimeMs: sessionExpireTimeMs };
        await putConsoleSession(transaction, session, nowMs);
        await audit.append(transaction, [auditOf(who)]);
        return session;
      }),

    insertConsoleSession: (session, nowMs, entry) =>
      db.transaction(session.tenantId, async (transaction) => {
        await putConsoleSession(transaction, session, nowMs);
        await audit.append(transaction, [entry]);
      }),
    findConsoleSession: async (hash, nowMs) => {
      const [row] = await rows<GrantRow>(
        ALL_TENANTS,
        "SELECT tenant_id, member_id, expire_time FROM console_session WHERE secret_hash = $1 AND expire_time > $2",
        hash,
        nowMs,
      );
      return row && grantOf(hash, row);
    },
    endConsoleSession: (hash, auditOf) =>
      db.transaction(ALL_TENANTS, async (transaction) => {
        const [row] = await run<GrantRow>(
          transaction,
          "DELETE FROM console_session WHERE secret_hash = $1 RETURNING tenant_id, member_id, expire_time",
          hash,
        );
        if (!row) return false;
        await narrow(transaction, row.tenant_id);
        await audit.append(transaction, [auditOf(grantOf(hash, row))]);
        return true;
      }),

    deleteOver: (nowMs) =>
      db.transaction(ALL_TENANTS, async (transaction) => {
        let deleted = 0;
        for (const [table, key] of [
          ["link_code", "code_hash"],
          ["sign_in_token", "token_hash"],
          ["console_session", "secret_hash"],
        ] as const) {
          // Another replica may be at it, too.
          const gone = await run(
            transaction,
            `DELETE FROM ${table} WHERE ${key} IN
               (SELECT ${key} FROM ${table} WHERE expire_time <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1`,
            nowMs,
            DELETED_AT_ONCE,
          );
          deleted += gone.length;
        }
        return deleted;
      }),
    close: () => db.close(),
  };
}

function run<Row>(transaction: Transaction, text: string, ...values: unknown[]): Promise<Row[]> {
  return transaction.query<Row>(text, values);
}

/** From here on the transaction sees one tenant alone (Q1). */
async function narrow(transaction: Transaction, tenantId: string): Promise<void> {
  await run(transaction, "SELECT set_config('hil.tenant', $1, true)", tenantId);
}

async function unlessTaken(work: () => Promise<MemberOutcome>): Promise<MemberOutcome> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof IdentityTaken) return { kind: "identity-taken", identity: error.identity };
    throw error;
  }
}

async function getMember(
  transaction: Transaction,
  { tenantId, id }: Key,
  lock: "" | "FOR UPDATE OF member" = "",
): Promise<Member | undefined> {
  // The identities are those after the lock was given: a statement of its own takes it.
  if (lock) {
    await run(transaction, `SELECT 1 FROM member WHERE tenant_id = $1 AND id = $2 ${lock}`, tenantId, id);
  }
  const text = `${SELECT_MEMBER} WHERE tenant_id = $1 AND id = $2`;
  const [row] = await run<MemberRow>(transaction, text, tenantId, id);
  return row && memberOf(row);
}

async function putMember(transaction: Transaction, member: Member): Promise<void> {
  await run(
    transaction,
    UPDATE_MEMBER,
    member.name,
    member.roles,
    member.state,
    timestampDate(member.updateTime!).getTime(),
    member.tenantId,
    member.id,
  );
  await putIdentities(transaction, member);
  if (member.state === Member_State.ACTIVE) return;
  for (const table of ["console_session", "sign_in_token", "link_code"]) {
    const text = `DELETE FROM ${table} WHERE tenant_id = $1 AND member_id = $2`;
    await run(transaction, text, member.tenantId, member.id);
  }
}

/** Replaces the identities of a member. Throws IdentityTaken where one is another's. */
async function putIdentities(transaction: Transaction, member: Member): Promise<void> {
  const { tenantId, id, identities } = member;
  await run(transaction, "DELETE FROM identity WHERE tenant_id = $1 AND member_id = $2", tenantId, id);
  if (identities.length === 0) return;
  const columns = [
    identities.map(({ kind }) => kind),
    identities.map(({ issuer }) => issuer),
    identities.map(({ value }) => value),
  ];
  // What another replica inserts at the same time is waited for, and then counts as there.
  const inserted = await run(transaction, INSERT_IDENTITIES, tenantId, id, ...columns);
  if (inserted.length === identities.length) return;
  const [taken] = await run<{ place: string }>(transaction, TAKEN_IDENTITY, ...columns, tenantId, id);
  if (taken) throw new IdentityTaken(identities[Number(taken.place) - 1]!);
}

async function getApiKey(
  transaction: Transaction,
  { tenantId, id }: Key,
  lock: "" | "FOR UPDATE" = "",
): Promise<StoredApiKey | undefined> {
  const text = `SELECT * FROM api_key WHERE tenant_id = $1 AND id = $2 ${lock}`;
  const [row] = await run<ApiKeyRow>(transaction, text, tenantId, id);
  return row && storedApiKeyOf(row);
}

async function putApiKey(
  transaction: Transaction,
  { apiKey, secretHash, lifetimeMs }: StoredApiKey,
): Promise<void> {
  await run(
    transaction,
    INSERT_API_KEY,
    apiKey.tenantId,
    apiKey.id,
    secretHash,
    apiKey.name,
    apiKey.roles,
    apiKey.scopes,
    apiKey.principalId,
    apiKey.relayName,
    lifetimeMs ?? null,
    timestampDate(apiKey.createTime!).getTime(),
    apiKey.expireTime ? timestampDate(apiKey.expireTime).getTime() : null,
  );
}

async function putConsoleSession(
  transaction: Transaction,
  { hash, tenantId, memberId, expireTimeMs }: Grant,
  nowMs: number,
): Promise<void> {
  await run(transaction, INSERT_CONSOLE_SESSION, hash, tenantId, memberId, nowMs, expireTimeMs);
}

/**
 * Whether somebody may sign in or link: the owner, or an active member, of a tenant that is not suspended. It stays so
 * until the transaction ends.
 */
async function isActive(
  transaction: Transaction,
  { tenantId, memberId }: { tenantId: string; memberId: string },
): Promise<boolean> {
  const tenantText = "SELECT state FROM tenant WHERE id = $1 FOR SHARE";
  const [tenant] = await run<{ state: Tenant_State }>(transaction, tenantText, tenantId);
  if (tenant?.state !== Tenant_State.ACTIVE) return false;
  if (memberId === "") return true;
  const memberText = "SELECT state FROM member WHERE tenant_id = $1 AND id = $2 FOR SHARE";
  const [member] = await run<{ state: Member_State }>(transaction, memberText, tenantId, memberId);
  return member?.state === Member_State.ACTIVE;
}

function policyOf({ policy }: Tenant): Uint8Array {
  return toBinary(TenantPolicySchema, policy ?? create(TenantPolicySchema));
}
