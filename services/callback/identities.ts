import type { Client } from "@connectrpc/connect";
import { Identity_Kind, type Member } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";

/** How long what the access service says of a person is remembered, so that a change works within it. */
const MAX_AGE_MS = 5_000;
const MAX_REMEMBERED = 10_000;
const CALL_TIMEOUT_MS = 10_000;

/** Which members the vendor's users are. */
export interface Identities {
  /** The active member of a tenant that a WeCom user is. Undefined: none that is known. */
  memberOf(tenantId: string, userId: string): Promise<Member | undefined>;
  /** Asks again the next time: this person was just linked. */
  forget(tenantId: string, userId: string): void;
}

/** Asks the access service, and remembers for 5 s. `signal` aborts calls under way. */
export function createIdentities({
  access,
  now,
  signal,
}: {
  access: Client<typeof AccessService>;
  now: () => Date;
  signal: AbortSignal;
}): Identities {
  const keyOf = (tenantId: string, userId: string) => JSON.stringify([tenantId, userId]);
  const known = new Map<string, { readonly member: Member | undefined; readonly untilMs: number }>();
  return {
    async memberOf(tenantId, userId) {
      if (userId === "") return undefined;
      const key = keyOf(tenantId, userId);
      const found = known.get(key);
      if (found && found.untilMs > now().getTime()) return found.member;
      const { member } = await access.resolveIdentity(
        { tenantId, identity: { kind: Identity_Kind.WECOM_USER, value: userId } },
        { headers: { [TENANT_HEADER]: tenantId }, signal, timeoutMs: CALL_TIMEOUT_MS },
      );
      known.delete(key);
      known.set(key, { member, untilMs: now().getTime() + MAX_AGE_MS });
      if (known.size > MAX_REMEMBERED) known.delete(known.keys().next().value!);
      return member;
    },
    forget: (tenantId, userId) => void known.delete(keyOf(tenantId, userId)),
  };
}
