import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  ApiKey_State,
  ApiKey_StateSchema,
  ApiKeySchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { StoredApiKey } from "./access-store.ts";
import { formatApiKey, newApiKeyId, newApiKeySecret } from "./api-key.ts";
import { endTimeMs, withState } from "./api-key-state.ts";
import { auditEntry } from "./audit-entry.ts";
import { apiKeyEnded, apiKeyNotFound, invalidRequest, tenantNotFound } from "./errors.ts";
import { readPage } from "./page.ts";
import { checkKeyRoles, checkKeyScopes, tenantOfCall } from "./reach.ts";
import type { AccessHandlers, RouteContext } from "./routes.ts";

const DEFAULT_OVERLAP_MS = 24 * 3_600_000;
const SEQUENCE = /^\d{1,15}$/;

export function apiKeyRoutes({ store, hashSecret, now }: RouteContext) {
  /** Makes a key and what its holder is shown. */
  const makeKey = (
    fields: Pick<ApiKey, "tenantId" | "name" | "roles" | "scopes" | "relayName">,
    time: Date,
    lifetimeMs: number | undefined,
    principalId?: string,
  ): { key: StoredApiKey; secret: string } => {
    const parts = { id: newApiKeyId(), secret: newApiKeySecret() };
    const apiKey = create(ApiKeySchema, {
      ...fields,
      id: parts.id,
      principalId: principalId ?? `key:${parts.id}`,
      createTime: timestampFromDate(time),
      expireTime: lifetimeMs === undefined ? undefined : timestampFromMs(time.getTime() + lifetimeMs),
    });
    return {
      key: { apiKey, secretHash: hashSecret("api-key", parts.secret), lifetimeMs },
      secret: formatApiKey(parts, apiKey.roles),
    };
  };

  return {
    async createApiKey(request, { principal }) {
      const { name, scopes, lifetime, relayName } = request;
      const tenantId = tenantOfCall(principal, request.tenantId);
      if (!(await store.getTenant(tenantId))) throw tenantNotFound(tenantId);
      const roles = request.roles.length > 0 ? [...new Set(request.roles)] : [Role.AGENT];
      checkKeyRoles(principal, tenantId, roles);
      checkKeyScopes(principal, scopes);
      checkRelayName(roles, relayName);
      const time = now();
      const fields = { tenantId, name, roles, scopes: [...new Set(scopes)], relayName };
      const { key, secret } = makeKey(fields, time, lifetime && durationMs(lifetime));
      await store.insertApiKey(
        key,
        auditEntry({ principal, time }, ApiKeySchema, {
          tenantId,
          action: "api_key.created",
          resource: `api_key/${key.apiKey.id}`,
          after: key.apiKey,
        }),
      );
      return { apiKey: withState(key.apiKey, time), secret };
    },

    async getApiKey({ tenantId: named, keyId }, { principal }) {
      const apiKey = await store.getApiKey({ tenantId: tenantOfCall(principal, named), id: keyId });
      if (!apiKey) throw apiKeyNotFound(keyId);
      return { apiKey: withState(apiKey, now()) };
    },

    async listApiKeys(request, { principal }) {
      const tenantId = tenantOfCall(principal, request.tenantId);
      if (!(await store.getTenant(tenantId))) throw tenantNotFound(tenantId);
      const page = readPage("keys", SEQUENCE, request);
      const found = await store.listApiKeys({
        tenantId,
        role: request.role,
        beforeSequence: page.after === "" ? Number.MAX_SAFE_INTEGER : Number(page.after),
        limit: page.limit,
      });
      const { items, nextPageToken } = page.cut(found, ({ sequence }) => String(sequence));
      return { apiKeys: items.map(({ apiKey }) => withState(apiKey, now())), nextPageToken };
    },

    async rotateApiKey({ tenantId: named, keyId, overlap, lifetime }, { principal }) {
      const tenantId = tenantOfCall(principal, named);
      const time = now();
      const overlapMs = overlap ? durationMs(overlap) : DEFAULT_OVERLAP_MS;
      let made: ReturnType<typeof makeKey> | undefined;
      const replaced = await store.changeApiKey(
        { tenantId, id: keyId },
        (before) => {
          checkKeyRoles(principal, tenantId, before.roles);
          checkKeyScopes(principal, before.scopes);
          const { state } = withState(before, time);
          if (state !== ApiKey_State.ACTIVE)
            throw apiKeyEnded(keyId, ApiKey_StateSchema.value[state]!.localName);
          const end = Math.min(endTimeMs(before), time.getTime() + overlapMs);
          const after = create(ApiKeySchema, { ...before, expireTime: timestampFromMs(end) });
          const audit = auditEntry({ principal, time }, ApiKeySchema, {
            tenantId,
            action: "api_key.rotated",
            resource: `api_key/${keyId}`,
            before,
            after,
          });
          return { after, audit };
        },
        ({ apiKey: before, lifetimeMs }) => {
          made = makeKey(before, time, lifetime ? durationMs(lifetime) : lifetimeMs, before.principalId);
          const audit = auditEntry({ principal, time }, ApiKeySchema, {
            tenantId,
            action: "api_key.created",
            resource: `api_key/${made.key.apiKey.id}`,
            after: made.key.apiKey,
          });
          return { key: made.key, audit };
        },
      );
      if (!replaced || !made) throw apiKeyNotFound(keyId);
      return {
        apiKey: withState(made.key.apiKey, time),
        secret: made.secret,
        replaced: withState(replaced, time),
      };
    },

    async revokeApiKey({ tenantId: named, keyId }, { principal }) {
      const tenantId = tenantOfCall(principal, named);
      const time = now();
      const apiKey = await store.changeApiKey({ tenantId, id: keyId }, (before) => {
        checkKeyRoles(principal, tenantId, before.roles);
        if (withState(before, time).state !== ApiKey_State.ACTIVE) return undefined;
        const after = create(ApiKeySchema, { ...before, revokeTime: timestampFromDate(time) });
        const audit = auditEntry({ principal, time }, ApiKeySchema, {
          tenantId,
          action: "api_key.revoked",
          resource: `api_key/${keyId}`,
          before,
          after,
        });
        return { after, audit };
      });
      if (!apiKey) throw apiKeyNotFound(keyId);
      return { apiKey: withState(apiKey, time) };
    },
  } satisfies Partial<AccessHandlers>;
}

/** A relay's key admits one relay and nothing else. */
function checkRelayName(roles: readonly Role[], relayName: string): void {
  const isRelay = roles.includes(Role.RELAY);
  if (isRelay && roles.length > 1) {
    throw invalidRequest(
      "roles",
      "relay_alone",
      "a relay's key has ROLE_RELAY alone; make a key of its own for it",
    );
  }
  if (isRelay && relayName === "") {
    throw invalidRequest("relay_name", "required", "a key with ROLE_RELAY names the relay that it admits");
  }
  if (!isRelay && relayName !== "") {
    throw invalidRequest(
      "relay_name",
      "relay_only",
      "only a key with ROLE_RELAY names a relay; leave it out",
    );
  }
}
