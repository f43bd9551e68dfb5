import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { listAuditRecords } from "@hil/platform/audit/list-audit-records.ts";
import type { Credential, Verified } from "@hil/platform/auth/authenticator.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { principalMessage } from "@hil/platform/auth/principal-message.ts";
import type { Handlers } from "@hil/platform/rpc/service.ts";
import type { AccessStore } from "./access-store.ts";
import { apiKeyRoutes } from "./api-key-routes.ts";
import type { DeploymentKeys } from "./deployment-keys.ts";
import { tenantNotFound } from "./errors.ts";
import { memberRoutes } from "./member-routes.ts";
import { tenantOfCall } from "./reach.ts";
import type { HashSecret } from "./secret-hash.ts";
import { signInRoutes } from "./sign-in-routes.ts";
import { tenantRoutes } from "./tenant-routes.ts";

export type AccessHandlers = Handlers<typeof AccessService>;

/** What the handlers need. */
export interface RouteContext {
  readonly store: AccessStore;
  readonly keys: DeploymentKeys;
  readonly hashSecret: HashSecret;
  readonly authenticate: (credential: Credential) => Promise<Verified>;
  readonly now: () => Date;
}

/** The handlers of AccessService. */
export function accessRoutes(context: RouteContext): AccessHandlers {
  const { store, authenticate } = context;
  return {
    ...tenantRoutes(context),
    ...memberRoutes(context),
    ...apiKeyRoutes(context),
    ...signInRoutes(context),

    async authenticate({ credential }) {
      const { principal, validUntilMs } = await authenticate(credentialOf(credential));
      return { principal: principalMessage(principal), validUntil: timestampFromMs(validUntilMs) };
    },

    async whoAmI(_request, { principal }) {
      const { tenantId, keyId } = principal;
      const tenant = await store.getTenant(tenantId);
      const key = keyId === undefined ? undefined : await store.getApiKey({ tenantId, id: keyId });
      return {
        principal: principalMessage(principal),
        tenantDisplayName: tenant?.displayName ?? "",
        expireTime: key?.expireTime,
      };
    },

    async listAuditRecords(request, { principal }) {
      const tenantId = tenantOfCall(principal, request.tenantId);
      if (!(await store.getTenant(tenantId))) throw tenantNotFound(tenantId);
      return listAuditRecords(store.audit, tenantId, request);
    },
  };
}

function credentialOf(shown: Parameters<AccessHandlers["authenticate"]>[0]["credential"]): Credential {
  switch (shown.case) {
    case "bearer":
      return { kind: "bearer", value: shown.value };
    case "consoleSession":
      return { kind: "console-session", value: shown.value };
    case undefined:
      throw credentialInvalid();
  }
}
