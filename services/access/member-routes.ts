import { create, equals } from "@bufbuild/protobuf";
import { timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Identity,
  Identity_Kind,
  IdentitySchema,
  type Member,
  Member_State,
  MemberSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { hasRole, type Principal } from "@hil/platform/auth/principal.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import type { MemberOutcome } from "./access-store.ts";
import { auditEntry } from "./audit-entry.ts";
import {
  identityTaken,
  invalidRequest,
  linkCodeInvalid,
  memberNotFound,
  ownerOnly,
  tenantNotFound,
} from "./errors.ts";
import { LINK_CODE_MS, newLinkCode, readLinkCode } from "./link-code.ts";
import { readPage } from "./page.ts";
import { checkMemberRoles, tenantOfCall } from "./reach.ts";
import type { AccessHandlers, RouteContext } from "./routes.ts";

const MEMBER_ID = /^[0-9a-f-]{36}$/;
const MAX_IDENTITIES = 100;

export function memberRoutes({ store, hashSecret, now }: RouteContext) {
  const existingTenant = async (principal: Principal, named: string): Promise<string> => {
    const tenantId = tenantOfCall(principal, named);
    if (!(await store.getTenant(tenantId))) throw tenantNotFound(tenantId);
    return tenantId;
  };

  /** Changes a member that the caller may act on; `change` returns the same object for no change. */
  const changeMember = async (
    principal: Principal,
    named: string,
    memberId: string,
    action: string,
    change: (before: Member) => Member,
  ): Promise<Member> => {
    const tenantId = tenantOfCall(principal, named);
    const time = now();
    const outcome = await store.changeMember({ tenantId, id: memberId }, (before) => {
      checkMemberRoles(principal, tenantId, before.roles);
      const changed = change(before);
      if (changed === before) return undefined;
      const after = create(MemberSchema, { ...changed, updateTime: timestampFromDate(time) });
      return {
        after,
        audit: auditEntry({ principal, time }, MemberSchema, {
          tenantId,
          action,
          resource: `member/${memberId}`,
          before,
          after,
        }),
      };
    });
    return memberOf(outcome, memberId);
  };

  return {
    async createMember({ tenantId: named, name, roles, identities }, { principal }) {
      const tenantId = await existingTenant(principal, named);
      const wanted = roles.length > 0 ? [...new Set(roles)] : [Role.RESPONDER];
      checkMemberRoles(principal, tenantId, wanted);
      const time = now();
      const member = create(MemberSchema, {
        id: uuidV7(time.getTime()),
        tenantId,
        name,
        roles: wanted,
        identities: unique(identities.map(normalIdentity)),
        state: Member_State.ACTIVE,
        createTime: timestampFromDate(time),
        updateTime: timestampFromDate(time),
      });
      const audit = auditEntry({ principal, time }, MemberSchema, {
        tenantId,
        action: "member.created",
        resource: `member/${member.id}`,
        after: member,
      });
      return { member: memberOf(await store.insertMember(member, audit), member.id) };
    },

    async getMember({ tenantId: named, memberId }, { principal }) {
      const member = await store.getMember({ tenantId: tenantOfCall(principal, named), id: memberId });
      if (!member) throw memberNotFound(memberId);
      return { member };
    },

    async listMembers(request, { principal }) {
      const tenantId = await existingTenant(principal, request.tenantId);
      const page = readPage("members", MEMBER_ID, request);
      const found = await store.listMembers({ tenantId, afterId: page.after, limit: page.limit });
      const { items, nextPageToken } = page.cut(found, ({ id }) => id);
      return { members: items, nextPageToken };
    },

    async updateMember({ tenantId, memberId, name, roles, state }, { principal }) {
      const wanted = [...new Set(roles)];
      const member = await changeMember(principal, tenantId, memberId, "member.updated", (before) => {
        checkMemberRoles(principal, before.tenantId, wanted);
        return {
          ...before,
          name: name ?? before.name,
          roles: wanted.length > 0 ? wanted : before.roles,
          state: state || before.state,
        };
      });
      return { member };
    },

    async linkIdentity({ tenantId, memberId, identity }, { principal }) {
      const added = normalIdentity(identity!);
      const member = await changeMember(principal, tenantId, memberId, "member.linked", (before) => {
        if (has(before, added)) return before;
        if (before.identities.length >= MAX_IDENTITIES) {
          throw invalidRequest("identity", "max_items", `a member has at most ${MAX_IDENTITIES} identities`);
        }
        return { ...before, identities: [...before.identities, added] };
      });
      return { member };
    },

    async unlinkIdentity({ tenantId, memberId, identity }, { principal }) {
      const taken = normalIdentity(identity!);
      const member = await changeMember(principal, tenantId, memberId, "member.unlinked", (before) =>
        has(before, taken)
          ? { ...before, identities: before.identities.filter((each) => !isSame(each, taken)) }
          : before,
      );
      return { member };
    },

    async createLinkCode({ tenantId: named, memberId: wanted }, { principal }) {
      const tenantId = tenantOfCall(principal, named);
      const memberId = wanted || principal.memberId;
      if (!memberId) {
        throw invalidRequest(
          "member_id",
          "required",
          "this credential is of no member; name the member to link",
        );
      }
      const isOwn = memberId === principal.memberId && tenantId === principal.tenantId;
      if (!isOwn && !hasRole(principal, Role.OWNER, Role.ADMINISTRATOR)) {
        throw ownerOnly(
          "make a link code for another member, or an administrator of the tenant",
          "hil.access.v1.AccessService/CreateLinkCode",
        );
      }
      const member = await store.getMember({ tenantId, id: memberId });
      if (!member || member.state !== Member_State.ACTIVE) throw memberNotFound(memberId);
      if (!isOwn) checkMemberRoles(principal, tenantId, member.roles);
      const time = now();
      const code = newLinkCode();
      const expireTimeMs = time.getTime() + LINK_CODE_MS;
      await store.insertLinkCode(
        { hash: hashSecret("link-code", code), tenantId, memberId, expireTimeMs },
        {
          tenantId,
          principalId: principal.id,
          action: "link_code.created",
          resource: `member/${memberId}`,
          time,
        },
      );
      return { code, expireTime: timestampFromMs(expireTimeMs) };
    },

    async redeemLinkCode({ code: typed, tenantIds, identity }) {
      const code = readLinkCode(typed);
      if (code === undefined) throw linkCodeInvalid();
      const time = now();
      const outcome = await store.redeemLinkCode(
        {
          hash: hashSecret("link-code", code),
          tenantIds,
          identity: normalIdentity(identity!),
          nowMs: time.getTime(),
        },
        (before, after) => {
          const principal = { id: `member:${after.id}` };
          return auditEntry({ principal, time }, MemberSchema, {
            tenantId: after.tenantId,
            action: "member.linked",
            resource: `member/${after.id}`,
            before,
            after,
          });
        },
      );
      if (outcome.kind === "unknown") throw linkCodeInvalid();
      return { member: memberOf(outcome, "") };
    },

    async resolveIdentity({ tenantId: named, identity }, { principal }) {
      const member = await store.findMember(tenantOfCall(principal, named), normalIdentity(identity!));
      return { member: member?.state === Member_State.ACTIVE ? member : undefined };
    },
  } satisfies Partial<AccessHandlers>;
}

function memberOf(outcome: MemberOutcome, memberId: string): Member {
  switch (outcome.kind) {
    case "stored":
      return outcome.member;
    case "unknown":
      throw memberNotFound(memberId);
    case "identity-taken":
      throw identityTaken(outcome.identity);
  }
}

/** The one form of an identity that is kept and looked for. Throws INVALID_REQUEST for what is no e-mail address. */
export function normalIdentity({ kind, issuer, value }: Identity): Identity {
  if (kind !== Identity_Kind.EMAIL) return create(IdentitySchema, { kind, issuer, value: value.trim() });
  const email = value.trim().normalize("NFC").toLowerCase();
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw invalidRequest(
      "identity.value",
      "email",
      "this is no e-mail address; send one such as ann@example.com",
    );
  }
  return create(IdentitySchema, { kind, issuer, value: email });
}

function unique(identities: readonly Identity[]): Identity[] {
  return identities.filter((each, index) => identities.findIndex((other) => isSame(each, other)) === index);
}

function has(member: Member, identity: Identity): boolean {
  return member.identities.some((each) => isSame(each, identity));
}

function isSame(one: Identity, other: Identity): boolean {
  return equals(IdentitySchema, one, other);
}
