import { Code, type ConnectError } from "@connectrpc/connect";
import { type Identity, Identity_KindSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { type Role, RoleSchema } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

const quoted = (text: string) => JSON.stringify(text.slice(0, 100));

export function tenantNotFound(tenantId: string): ConnectError {
  return hilError(
    Code.NotFound,
    ErrorReason.TENANT_NOT_FOUND,
    `there is no tenant ${quoted(tenantId)}; ListTenants names those there are`,
    { tenant_id: tenantId },
  );
}

export function tenantExists(tenantId: string): ConnectError {
  return hilError(
    Code.AlreadyExists,
    ErrorReason.TENANT_EXISTS,
    `there is a tenant ${quoted(tenantId)} already; choose another id, or change that one with UpdateTenant`,
    { tenant_id: tenantId },
  );
}

export function tenantMismatch(tenantId: string): ConnectError {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_MISMATCH,
    `this credential is not of the tenant ${quoted(tenantId)}; leave the tenant out, or use a credential of that tenant`,
    { tenant_id: tenantId.slice(0, 100) },
  );
}

export function tenantSuspended(): ConnectError {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_SUSPENDED,
    "the tenant of this credential is suspended; the owner of the deployment can resume it",
  );
}

export function versionMismatch(version: bigint, expected: bigint): ConnectError {
  return hilError(
    Code.Aborted,
    ErrorReason.VERSION_MISMATCH,
    `the tenant is at version ${version}, not ${expected}; read it again and repeat the change`,
    { version: String(version), expected_version: String(expected) },
  );
}

export function policyInvalid({ field, problem }: { field: string; problem: string }): ConnectError {
  return hilError(Code.InvalidArgument, ErrorReason.POLICY_INVALID, `${field}: ${problem}`, {
    field,
    problem,
  });
}

export function invalidRequest(field: string, rule: string, problem: string): ConnectError {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, `${field}: ${problem}`, { field, rule });
}

export function memberNotFound(memberId: string): ConnectError {
  return hilError(
    Code.NotFound,
    ErrorReason.MEMBER_NOT_FOUND,
    `there is no member ${quoted(memberId)}; ListMembers names those there are`,
    { member_id: memberId },
  );
}

export function identityTaken({ kind }: Identity): ConnectError {
  const name = Identity_KindSchema.value[kind]?.localName ?? String(kind);
  return hilError(
    Code.AlreadyExists,
    ErrorReason.IDENTITY_TAKEN,
    `this identity (${name}) belongs to another member of the tenant; unlink it there first`,
    { kind: name },
  );
}

export function roleNotGrantable(role: Role, why: string): ConnectError {
  const name = RoleSchema.value[role]?.localName ?? String(role);
  return hilError(
    Code.PermissionDenied,
    ErrorReason.ROLE_NOT_GRANTABLE,
    `the role ${name} cannot be given, taken or used here: ${why}`,
    { role: name },
  );
}

export function scopeNotGrantable(scope: string): ConnectError {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.SCOPE_MISSING,
    `this credential is narrowed to scopes, and gives nobody more than them; ${quoted(scope)} is not among them`,
    { method: "", scope },
  );
}

export function ownerOnly(what: string, method: string): ConnectError {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.ROLE_MISSING,
    `only an owner of the deployment may ${what}; ask one`,
    { method },
  );
}

export function linkCodeInvalid(): ConnectError {
  return hilError(
    Code.NotFound,
    ErrorReason.LINK_CODE_INVALID,
    "this code is not known, was used, or its time is over; make a new one in the console or ask an administrator",
  );
}

export function apiKeyNotFound(keyId: string): ConnectError {
  return hilError(
    Code.NotFound,
    ErrorReason.API_KEY_NOT_FOUND,
    `there is no API key ${quoted(keyId)}; ListApiKeys names those there are`,
    { key_id: keyId },
  );
}

export function apiKeyEnded(keyId: string, state: string): ConnectError {
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.API_KEY_ENDED,
    `the API key ${quoted(keyId)} is ${state.toLowerCase()} and cannot be replaced; make a new one with CreateApiKey`,
    { key_id: keyId, state },
  );
}

export function pageTokenInvalid(pageToken: string): ConnectError {
  return hilError(
    Code.InvalidArgument,
    ErrorReason.PAGE_TOKEN_INVALID,
    `page_token ${quoted(pageToken)} was not made by this list; start again without one`,
    { page_token: pageToken },
  );
}
