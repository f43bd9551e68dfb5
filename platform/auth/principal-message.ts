import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Principal_Kind,
  type Principal as PrincipalMessage,
  type PrincipalSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Principal } from "./principal.ts";

const KINDS: Record<Principal["kind"], Principal_Kind> = {
  owner: Principal_Kind.OWNER,
  local: Principal_Kind.LOCAL,
  console: Principal_Kind.CONSOLE,
  keyless: Principal_Kind.KEYLESS,
  service: Principal_Kind.SERVICE,
  "api-key": Principal_Kind.API_KEY,
  jwt: Principal_Kind.JWT,
};

/** A principal as the contract has it. */
export function principalMessage(principal: Principal): MessageInitShape<typeof PrincipalSchema> {
  const { kind, id, tenantId, roles, scopes = [], memberId = "", keyId = "", name = "" } = principal;
  const { relayName = "" } = principal;
  return {
    kind: KINDS[kind],
    id,
    tenantId,
    roles: [...roles],
    scopes: [...scopes],
    memberId,
    keyId,
    name,
    relayName,
  };
}

/** A principal as the access service sent it. A kind that this version does not know can do nothing with its roles. */
export function principalOfMessage(message: PrincipalMessage): Principal {
  const { id, tenantId, roles, scopes, memberId, keyId, name, relayName } = message;
  const kind = (Object.keys(KINDS) as Principal["kind"][]).find((each) => KINDS[each] === message.kind);
  return {
    kind: kind ?? "keyless",
    id,
    tenantId,
    roles: kind === undefined ? [] : roles,
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(memberId === "" ? {} : { memberId }),
    ...(keyId === "" ? {} : { keyId }),
    ...(name === "" ? {} : { name }),
    ...(relayName === "" ? {} : { relayName }),
  };
}
