// Which member a provider's word is about.
//
// M1. The provider's subject decides where anybody has it, also somebody who cannot sign in: then the e-mail address is
//     not asked, because it may have changed hands.
// M2. An address that the provider verified finds a member once; from then on the member is known by the subject. A member
//     who is already known there by another one is not found by an address.
// M3. Only one member can be meant. Who is a member of several tenants signs in by a link.

import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Identity,
  Identity_Kind,
  IdentitySchema,
  type Member,
  Member_State,
  MemberSchema,
  Tenant_State,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { OidcProof } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { auditEntry } from "./audit-entry.ts";
import { tenantSuspended } from "./errors.ts";
import { normalIdentity } from "./member-routes.ts";
import type { RouteContext } from "./routes.ts";

/** The member that signs in. Rejects with CREDENTIAL_INVALID or TENANT_SUSPENDED. */
export async function memberOfProof(
  { issuer, subject, email }: OidcProof,
  { store, now }: Pick<RouteContext, "store" | "now">,
): Promise<Member> {
  if (issuer === "" || subject === "") throw credentialInvalid("the provider named nobody");
  const known = create(IdentitySchema, { kind: Identity_Kind.OIDC_SUBJECT, issuer, value: subject });
  const bySubject = await store.findMembersAnywhere(known);
  if (bySubject.length > 0) return theOne(bySubject);
  if (email === "") throw credentialInvalid(NOBODY);
  const address = normalIdentity(create(IdentitySchema, { kind: Identity_Kind.EMAIL, value: email }));
  const byAddress = (await store.findMembersAnywhere(address)).filter(
    ({ identities }) => !identities.some((each) => each.kind === known.kind && each.issuer === issuer),
  );
  return link(await theOne(byAddress), known);

  async function theOne(members: readonly Member[]): Promise<Member> {
    const active = members.filter(({ state }) => state === Member_State.ACTIVE);
    const tenants = await Promise.all(active.map(({ tenantId }) => store.getTenant(tenantId)));
    const able = active.filter((_, index) => tenants[index]?.state === Tenant_State.ACTIVE);
    if (able.length === 1) return able[0]!;
    if (active.length === 1) throw tenantSuspended();
    throw credentialInvalid(able.length === 0 ? NOBODY : SEVERAL);
  }

  async function link({ tenantId, id }: Member, identity: Identity): Promise<Member> {
    const time = now();
    const outcome = await store.changeMember({ tenantId, id }, (before) => {
      const identities = [...before.identities, identity];
      const after = create(MemberSchema, { ...before, identities, updateTime: timestampFromDate(time) });
      const resource = `member/${id}`;
      const principal = { id: `member:${id}` };
      const change = { tenantId, action: "member.linked", resource, before, after };
      return { after, audit: auditEntry({ principal, time }, MemberSchema, change) };
    });
    // Somebody else got the identity, or the member went, between finding and linking.
    if (outcome.kind !== "stored") throw credentialInvalid(NOBODY);
    return outcome.member;
  }
}

const NOBODY = "nobody here is known by this account; ask an administrator to add you as a member";
const SEVERAL =
  "this account is a member of several tenants; ask an administrator of the one you want for a sign-in link";
