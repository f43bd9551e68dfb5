// How the rows of the access service come from PostgreSQL. A bigint comes as text.

import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  ApiKeySchema,
  type Identity_Kind,
  type Member,
  type Member_State,
  MemberSchema,
  type Tenant,
  type Tenant_State,
  TenantPolicySchema,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { Grant, StoredApiKey } from "./access-store.ts";

export interface TenantRow {
  readonly id: string;
  readonly display_name: string;
  readonly state: Tenant_State;
  readonly policy: Uint8Array;
  readonly create_time: string;
  readonly update_time: string;
  readonly version: string;
}

export interface MemberRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly name: string;
  readonly roles: Role[];
  readonly state: Member_State;
  readonly create_time: string;
  readonly update_time: string;
  readonly identities: readonly [kind: Identity_Kind, issuer: string, value: string][];
}

export interface ApiKeyRow {
  readonly sequence: string;
  readonly tenant_id: string;
  readonly id: string;
  readonly secret_hash: Uint8Array;
  readonly name: string;
  readonly roles: Role[];
  readonly scopes: string[];
  readonly principal_id: string;
  readonly relay_name: string;
  readonly lifetime: string | null;
  readonly create_time: string;
  readonly expire_time: string | null;
  readonly revoke_time: string | null;
  readonly last_used_time: string | null;
}

export interface GrantRow {
  readonly tenant_id: string;
  readonly member_id: string;
  readonly expire_time: string;
}

export function tenantOf(row: TenantRow): Tenant {
  return create(TenantSchema, {
    id: row.id,
    displayName: row.display_name,
    state: row.state,
    policy: fromBinary(TenantPolicySchema, row.policy),
    createTime: timeOf(row.create_time),
    updateTime: timeOf(row.update_time),
    version: BigInt(row.version),
  });
}

export function memberOf(row: MemberRow): Member {
  return create(MemberSchema, {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    roles: row.roles,
    identities: row.identities.map(([kind, issuer, value]) => ({ kind, issuer, value })),
    state: row.state,
    createTime: timeOf(row.create_time),
    updateTime: timeOf(row.update_time),
  });
}

export function apiKeyOf(row: ApiKeyRow): ApiKey {
  return create(ApiKeySchema, {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    roles: row.roles,
    scopes: row.scopes,
    principalId: row.principal_id,
    relayName: row.relay_name,
    createTime: timeOf(row.create_time),
    expireTime: timeOf(row.expire_time),
    revokeTime: timeOf(row.revoke_time),
    lastUsedTime: timeOf(row.last_used_time),
  });
}

export function storedApiKeyOf(row: ApiKeyRow): StoredApiKey {
  return {
    apiKey: apiKeyOf(row),
    secretHash: new Uint8Array(row.secret_hash),
    lifetimeMs: row.lifetime === null ? undefined : Number(row.lifetime),
  };
}

export function grantOf(hash: Uint8Array, row: GrantRow): Grant {
  return { hash, tenantId: row.tenant_id, memberId: row.member_id, expireTimeMs: Number(row.expire_time) };
}

function timeOf(ms: string): ReturnType<typeof timestampFromMs>;
function timeOf(ms: string | null): ReturnType<typeof timestampFromMs> | undefined;
function timeOf(ms: string | null) {
  return ms === null ? undefined : timestampFromMs(Number(ms));
}
