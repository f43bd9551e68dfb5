// Who calls, for tests of the delivery service: a service of the deployment for the tenant that it names, or a relay.

import { Code } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { bearerOf } from "@hil/platform/auth/credential-headers.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";

export interface FakeAccess {
  readonly authenticate: Authenticate;
  /** The credential of a relay. Default: of the default tenant. */
  relayKey(name: string, tenantId?: string): string;
  /** Ends a credential. */
  revoke(key: string): void;
}

export function createFakeAccess(): FakeAccess {
  const revoked = new Set<string>();
  return {
    relayKey: (name, tenantId = DEFAULT_TENANT) => `relay/${tenantId}/${name}`,
    revoke: (key) => void revoked.add(key),
    authenticate(headers) {
      const key = bearerOf(headers);
      const [kind, tenantId, relayName] = (key ?? "").split("/");
      if (kind === "relay" && !revoked.has(key!)) {
        return { kind: "api-key", id: key!, tenantId: tenantId!, roles: [Role.RELAY], relayName: relayName! };
      }
      if (key !== undefined && key !== "agent") {
        throw hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "this credential is not known");
      }
      return {
        kind: "service",
        id: "test",
        tenantId: headers.get(TENANT_HEADER) ?? DEFAULT_TENANT,
        roles: [Role.SERVICE, Role.OWNER],
      };
    },
  };
}
