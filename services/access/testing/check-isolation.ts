// I6 in the access store: no tenant reads or changes what is another's, although both have the same ids, people and
// addresses.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  ApiKeySchema,
  Identity_Kind,
  IdentitySchema,
  type Member,
  Member_State,
  MemberSchema,
  Tenant_State,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { expect } from "vitest";
import type { AccessStore, AuditEntry, Grant } from "../access-store.ts";

const NOW_MS = Date.parse("2026-11-20T10:00:00Z");
const time = timestampFromMs(NOW_MS);
const PAGE = { role: Role.UNSPECIFIED, beforeSequence: Number.MAX_SAFE_INTEGER, limit: 10 };
/** Of a member in each of the tenants. */
const ID = "01936f5e-0000-7000-8000-000000000001";

const audit = (tenantId: string): AuditEntry => ({
  tenantId,
  principalId: "owner",
  action: "x",
  resource: "thing",
  time: new Date(NOW_MS),
});
const email = (value: string) => create(IdentitySchema, { kind: Identity_Kind.EMAIL, value });
const hash = (name: string) => new TextEncoder().encode(name.padEnd(32, "."));
const grant = (name: string, tenantId: string): Grant => ({
  hash: hash(`${name} ${tenantId}`),
  tenantId,
  memberId: ID,
  expireTimeMs: NOW_MS + 60_000,
});

/** Two tenants with a member, a key, a code and sign-ins each, as alike as can be. */
async function fill(store: AccessStore): Promise<void> {
  for (const tenantId of ["t1", "t2"]) {
    const tenant = create(TenantSchema, {
      id: tenantId,
      state: Tenant_State.ACTIVE,
      createTime: time,
      updateTime: time,
      version: 1n,
    });
    await store.insertTenant(tenant, audit(tenantId));
    const member = create(MemberSchema, {
      id: ID,
      tenantId,
      name: `Ann of ${tenantId}`,
      roles: [Role.RESPONDER],
      identities: [email("ann@example.com"), email(`only@${tenantId}`)],
      state: Member_State.ACTIVE,
      createTime: time,
      updateTime: time,
    });
    expect((await store.insertMember(member, audit(tenantId))).kind).toBe("stored");
    const apiKey = create(ApiKeySchema, { id: `key-${tenantId}`, tenantId, createTime: time });
    const stored = { apiKey, secretHash: hash("k"), lifetimeMs: undefined };
    await store.insertApiKey(stored, audit(tenantId));
    await store.insertLinkCode(grant("code", tenantId), audit(tenantId));
    await store.insertSignInToken(grant("token", tenantId), audit(tenantId));
    await store.insertConsoleSession(grant("session", tenantId), NOW_MS, audit(tenantId));
  }
}

/** Every call of one tenant that could touch the other's. Rejects where one does. */
export async function checkIsolation(store: AccessStore): Promise<void> {
  await fill(store);
  const [ours, theirs] = ["t1", "t2"].map((tenantId) => ({ tenantId, id: ID })) as [
    { tenantId: string; id: string },
    { tenantId: string; id: string },
  ];
  const untouched = (await store.getMember(theirs))!;
  expect(untouched.name).toBe("Ann of t2");
  expect(untouched.identities.map(({ value }) => value)).toEqual(["ann@example.com", "only@t2"]);

  // Reading.
  for (const tenantId of ["t1", "t2"]) {
    expect((await store.getMember({ tenantId, id: ID }))?.tenantId).toBe(tenantId);
    const { name } = (await store.findMember(tenantId, email("ann@example.com")))!;
    expect(name).toBe(`Ann of ${tenantId}`);
    const members = await store.listMembers({ tenantId, afterId: "", limit: 10 });
    expect(members.map((each) => each.name)).toEqual([name]);
    expect((await store.listApiKeys({ tenantId, ...PAGE })).map(({ apiKey }) => apiKey.id)).toEqual([
      `key-${tenantId}`,
    ]);
  }
  expect(await store.findMember("t1", email("only@t2"))).toBeUndefined();
  expect(await store.getApiKey({ tenantId: "t1", id: "key-t2" })).toBeUndefined();

  // Changing, down to the ends of sign-ins.
  const rename = (before: Member) => ({
    after: {
      ...before,
      name: "Other",
      identities: [email("other@example.com")],
      state: Member_State.DISABLED,
    },
    audit: audit("t1"),
  });
  expect((await store.changeMember(ours, rename)).kind).toBe("stored");
  expect(await store.getMember(theirs)).toEqual(untouched);
  expect(await store.findConsoleSession(grant("session", "t1").hash, NOW_MS)).toBeUndefined();
  expect((await store.findConsoleSession(grant("session", "t2").hash, NOW_MS))?.tenantId).toBe("t2");
  const revoke = (before: ApiKey) => ({ after: { ...before, revokeTime: time }, audit: audit("t1") });
  expect(await store.changeApiKey({ tenantId: "t1", id: "key-t2" }, revoke)).toBeUndefined();
  expect((await store.changeApiKey({ tenantId: "t1", id: "key-t1" }, revoke))?.revokeTime).toEqual(time);
  expect((await store.getApiKey({ tenantId: "t2", id: "key-t2" }))?.revokeTime).toBeUndefined();

  // Addresses of theirs are free here; a new code here leaves theirs.
  const second = { ...untouched, id: ID.replace(/1$/, "2"), identities: [email("second@t2")] };
  expect((await store.insertMember(second, audit("t2"))).kind).toBe("stored");
  const enable = (before: Member) => ({
    after: { ...before, identities: [email("only@t2"), email("second@t2")], state: Member_State.ACTIVE },
    audit: audit("t1"),
  });
  expect((await store.changeMember(ours, enable)).kind).toBe("stored");
  await store.insertLinkCode({ ...grant("code", "t1"), hash: hash("new code") }, audit("t1"));
  const link = { hash: grant("code", "t2").hash, tenantIds: [], identity: email("x@t2"), nowMs: NOW_MS };
  const linked = await store.redeemLinkCode(link, ({ tenantId }) => audit(tenantId));
  expect(linked).toMatchObject({ kind: "stored", member: { tenantId: "t2", name: "Ann of t2" } });
  const token = {
    hash: grant("token", "t2").hash,
    sessionHash: hash("new"),
    sessionExpireTimeMs: NOW_MS + 1,
    nowMs: NOW_MS,
  };
  expect(await store.redeemSignInToken(token, ({ tenantId }) => audit(tenantId))).toMatchObject({
    tenantId: "t2",
  });
  expect((await store.getMember(ours))?.identities.map(({ value }) => value)).toEqual([
    "only@t2",
    "second@t2",
  ]);
}
