import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Member, Member_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT, hasRole, type Principal } from "@hil/platform/auth/principal.ts";
import { principalMessage } from "@hil/platform/auth/principal-message.ts";
import type { AuditEntry, Grant } from "./access-store.ts";
import { consoleOwner, consolePrincipal } from "./authenticate.ts";
import { memberNotFound, ownerOnly, scopeNotGrantable } from "./errors.ts";
import { memberOfProof } from "./provider-sign-in.ts";
import { checkMemberRoles, tenantOfCall } from "./reach.ts";
import type { AccessHandlers, RouteContext } from "./routes.ts";
import { newSecret } from "./secret-hash.ts";

const SIGN_IN_LINK_MS = 15 * 60_000;
/** How long a console session lasts: 7 days. */
export const CONSOLE_SESSION_MS = 7 * 24 * 3_600_000;

/** Who signs in: a member, or with an empty member the owner. */
interface Who {
  readonly tenantId: string;
  readonly memberId: string;
}

const OWNER_SIGNS_IN: Who = { tenantId: DEFAULT_TENANT, memberId: "" };

export function signInRoutes(context: RouteContext) {
  const { store, keys, hashSecret, now } = context;
  const principalOf = async ({ tenantId, memberId }: Who): Promise<Principal> => {
    if (memberId === "") return consoleOwner;
    const member = await store.getMember({ tenantId, id: memberId });
    if (member?.state !== Member_State.ACTIVE) throw credentialInvalid("this member cannot sign in");
    return consolePrincipal(member);
  };
  const record = (who: Who, action: string, principalId: string, time: Date): AuditEntry => ({
    tenantId: who.tenantId,
    principalId,
    action,
    resource: who.memberId === "" ? "owner" : `member/${who.memberId}`,
    time,
  });

  return {
    async createSignInLink({ tenantId: named, memberId, lifetime }, { principal }) {
      // Who signs in is narrowed to nothing.
      if (principal.scopes) throw scopeNotGrantable("*");
      const tenantId = memberId === "" ? DEFAULT_TENANT : tenantOfCall(principal, named);
      if (memberId === "") {
        if (!hasRole(principal, Role.OWNER)) {
          throw ownerOnly(
            "sign in as the owner; name a member",
            "hil.access.v1.AccessService/CreateSignInLink",
          );
        }
        tenantOfCall(principal, named);
      } else {
        const member = await store.getMember({ tenantId, id: memberId });
        if (member?.state !== Member_State.ACTIVE) throw memberNotFound(memberId);
        checkMemberRoles(principal, tenantId, member.roles);
      }
      const time = now();
      const token = newSecret("");
      const expireTimeMs = time.getTime() + (lifetime ? durationMs(lifetime) : SIGN_IN_LINK_MS);
      await store.insertSignInToken(
        { hash: hashSecret("sign-in-token", token), tenantId, memberId, expireTimeMs },
        record({ tenantId, memberId }, "sign_in_link.created", principal.id, time),
      );
      return { token, expireTime: timestampFromMs(expireTimeMs) };
    },

    async startConsoleSession({ proof }) {
      const time = now();
      const secret = newSecret("hil_console_");
      const session = {
        hash: hashSecret("console-session", secret),
        expireTimeMs: time.getTime() + CONSOLE_SESSION_MS,
      };
      const started = (who: Who) => record(who, "console_session.started", principalIdOf(who), time);
      const start = async (who: Who): Promise<Grant> => {
        const grant = { ...who, ...session };
        await store.insertConsoleSession(grant, time.getTime(), started(who));
        return grant;
      };
      const redeem = (token: string): Promise<Grant | undefined> =>
        store.redeemSignInToken(
          {
            hash: hashSecret("sign-in-token", token),
            sessionHash: session.hash,
            sessionExpireTimeMs: session.expireTimeMs,
            nowMs: time.getTime(),
          },
          started,
        );
      let grant: Grant | undefined;
      switch (proof.case) {
        case "signInToken":
          grant = await redeem(proof.value);
          if (!grant)
            throw credentialInvalid("this sign-in link is not known, was used before, or its time is over");
          break;
        case "ownerKey":
          if (!hasRole(keys.principalOf(proof.value) ?? nobody, Role.OWNER)) {
            throw credentialInvalid("this is not the owner key");
          }
          grant = await start(OWNER_SIGNS_IN);
          break;
        case "oidc":
          grant = await start(whoOf(await memberOfProof(proof.value, context)));
          break;
        case undefined:
          throw credentialInvalid("nothing was shown");
      }
      return {
        secret,
        expireTime: timestampFromMs(grant.expireTimeMs),
        principal: principalMessage(await principalOf(grant)),
      };
    },

    async endConsoleSession({ secret }) {
      const time = now();
      await store.endConsoleSession(hashSecret("console-session", secret), (session) => {
        return record(session, "console_session.ended", principalIdOf(session), time);
      });
      return {};
    },
  } satisfies Partial<AccessHandlers>;
}

const nobody: Pick<Principal, "roles"> & Principal = {
  kind: "keyless",
  id: "",
  tenantId: DEFAULT_TENANT,
  roles: [],
};

/** As consolePrincipal names it. */
function principalIdOf({ memberId }: Who): string {
  return memberId === "" ? consoleOwner.id : `member:${memberId}`;
}

function whoOf({ tenantId, id }: Member): Who {
  return { tenantId, memberId: id };
}
