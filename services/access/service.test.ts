import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client, ConnectError } from "@connectrpc/connect";
import {
  ApiKey_State,
  Identity_Kind,
  IdentitySchema,
  Member_State,
  Principal_Kind,
  Tenant_State,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { describe, expect, test } from "vitest";
import { type RunningAccess, startAccess } from "./testing/running-access.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const email = (value: string) => create(IdentitySchema, { kind: Identity_Kind.EMAIL, value });

async function refusal(work: Promise<unknown>): Promise<ErrorReason> {
  return reasonOf(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

/** A key of a tenant, and a client that calls with it. */
async function keyOf(
  { asOwner, as }: RunningAccess,
  roles: Role[],
  { tenantId = "", scopes = [] as string[] } = {},
): Promise<{ secret: string; id: string; client: Client<typeof AccessService> }> {
  const relayName = roles.includes(Role.RELAY) ? "r1" : "";
  const { secret, apiKey } = await asOwner.createApiKey({ name: "k", tenantId, roles, scopes, relayName });
  return { secret, id: apiKey!.id, client: as(secret) };
}

/** A tenant with an administrator's key. */
async function tenantWithAdministrator(running: RunningAccess, tenantId: string) {
  await running.asOwner.createTenant({ tenantId });
  return keyOf(running, [Role.ADMINISTRATOR], { tenantId });
}

describe("tenants", () => {
  test('"_default" is there from the beginning, and survives a restart with what was changed', async () => {
    await using running = await startAccess();
    const { tenant } = await running.asOwner.getTenant({});
    expect(tenant).toMatchObject({ id: "_default", state: Tenant_State.ACTIVE, version: 1n });
    await running.asOwner.updateTenant({ displayName: "Ours", policy: { locale: "en" } });
    await running.restart();
    expect((await running.asOwner.getTenant({})).tenant).toMatchObject({
      displayName: "Ours",
      policy: { locale: "en" },
      version: 2n,
    });
  });

  test("a tenant is made once; its id has one form", async () => {
    await using running = await startAccess();
    const { tenant } = await running.asOwner.createTenant({ tenantId: "a", displayName: "A" });
    expect(tenant).toMatchObject({ id: "a", displayName: "A", version: 1n });
    expect(await refusal(running.asOwner.createTenant({ tenantId: "a" }))).toBe(ErrorReason.TENANT_EXISTS);
    for (const tenantId of ["", "-a", "A", "a/b", "a".repeat(64)]) {
      expect(await refusal(running.asOwner.createTenant({ tenantId })), tenantId).toBe(
        ErrorReason.INVALID_REQUEST,
      );
    }
  });

  test("tenants are listed by id, page by page", async () => {
    await using running = await startAccess();
    for (const tenantId of ["c", "a", "b"]) await running.asOwner.createTenant({ tenantId });
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await running.asOwner.listTenants({ pageSize: 3, pageToken });
      ids.push(...page.tenants.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual(["_default", "a", "b", "c"]);
    for (const bad of ["x", Buffer.from("members:a").toString("base64url")]) {
      expect(await refusal(running.asOwner.listTenants({ pageToken: bad }))).toBe(
        ErrorReason.PAGE_TOKEN_INVALID,
      );
    }
  });

  test("G1: only an owner reaches into another tenant, and nobody else learns whether there is one", async () => {
    await using running = await startAccess();
    const { client } = await tenantWithAdministrator(running, "a");
    await running.asOwner.createTenant({ tenantId: "b" });
    for (const tenantId of ["b", "nowhere", "_default"]) {
      const error = await client.getTenant({ tenantId }).catch((each: unknown) => each);
      expect(reasonOf(error)).toBe(ErrorReason.TENANT_MISMATCH);
      expect((error as ConnectError).rawMessage.replace(tenantId, "?")).toContain('not of the tenant "?"');
    }
    expect((await client.getTenant({ tenantId: "a" })).tenant?.id).toBe("a");
    expect((await running.asOwner.getTenant({ tenantId: "b" })).tenant?.id).toBe("b");
    expect(await refusal(running.asOwner.getTenant({ tenantId: "nowhere" }))).toBe(
      ErrorReason.TENANT_NOT_FOUND,
    );
    expect(await refusal(running.asOwner.createApiKey({ name: "k", tenantId: "nowhere" }))).toBe(
      ErrorReason.TENANT_NOT_FOUND,
    );
  });

  test("a change of a version that is no longer there is refused", async () => {
    await using running = await startAccess();
    await running.asOwner.updateTenant({ displayName: "one", expectedVersion: 1n });
    const error = await running.asOwner
      .updateTenant({ displayName: "two", expectedVersion: 1n })
      .catch((each: unknown) => each);
    expect(reasonOf(error)).toBe(ErrorReason.VERSION_MISMATCH);
    expect(metadataOf(error)).toEqual({ version: "2", expected_version: "1" });
  });

  test("an administrator changes the policy, but neither the state nor the limits that hold the tenant", async () => {
    await using running = await startAccess();
    const { client } = await tenantWithAdministrator(running, "a");
    await running.asOwner.updateTenant({ tenantId: "a", policy: { limits: { openSessions: 5 } } });
    const { tenant } = await client.updateTenant({ policy: { locale: "en", limits: { openSessions: 5 } } });
    expect(tenant?.policy).toMatchObject({ locale: "en", limits: { openSessions: 5 } });
    expect(await refusal(client.updateTenant({ policy: { locale: "en" } }))).toBe(ErrorReason.ROLE_MISSING);
    expect(await refusal(client.updateTenant({ state: Tenant_State.SUSPENDED }))).toBe(
      ErrorReason.ROLE_MISSING,
    );
    expect(await refusal(running.asOwner.updateTenant({ state: Tenant_State.SUSPENDED }))).toBe(
      ErrorReason.POLICY_INVALID,
    );
  });
});

describe("members", () => {
  test("a member is a responder unless said otherwise, and is found by its identities", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({
      name: "Ann",
      identities: [
        { kind: Identity_Kind.EMAIL, value: " Ann@Example.COM " },
        { kind: Identity_Kind.EMAIL, value: "ann@example.com" },
        { kind: Identity_Kind.WECOM_USER, value: "AnnLi" },
      ],
    });
    expect(member).toMatchObject({
      tenantId: "_default",
      roles: [Role.RESPONDER],
      state: Member_State.ACTIVE,
    });
    expect(member!.identities.map(({ value }) => value).sort()).toEqual(["AnnLi", "ann@example.com"]);
    const identity = email("ANN@example.com");
    const resolved = await running.asService().resolveIdentity({ tenantId: "_default", identity });
    expect(resolved.member?.id).toBe(member!.id);
    await running.asOwner.updateMember({ memberId: member!.id, state: Member_State.DISABLED });
    expect((await running.asService().resolveIdentity({ identity })).member).toBeUndefined();
  });

  test("an identity belongs to one member of a tenant, and to another one of another tenant", async () => {
    await using running = await startAccess();
    await running.asOwner.createTenant({ tenantId: "a" });
    const identities = [email("ann@example.com")];
    await running.asOwner.createMember({ name: "Ann", identities });
    const { member: bob } = await running.asOwner.createMember({ name: "Bob" });
    expect(await refusal(running.asOwner.createMember({ name: "Other", identities }))).toBe(
      ErrorReason.IDENTITY_TAKEN,
    );
    const link = { memberId: bob!.id, identity: identities[0]! };
    expect(await refusal(running.asOwner.linkIdentity(link))).toBe(ErrorReason.IDENTITY_TAKEN);
    const { member } = await running.asOwner.createMember({ tenantId: "a", name: "Ann", identities });
    const resolve = async (tenantId: string) =>
      (await running.asService(tenantId).resolveIdentity({ tenantId, identity: identities[0]! })).member?.id;
    expect(await resolve("a")).toBe(member!.id);
    expect(await resolve("_default")).not.toBe(member!.id);
  });

  test("linking again, and unlinking what is not linked, change nothing", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const link = { memberId: member!.id, identity: email("a@example.com") };
    const first = await running.asOwner.linkIdentity(link);
    running.advance(1000);
    expect(await running.asOwner.linkIdentity(link)).toEqual(first);
    expect((await running.asOwner.unlinkIdentity(link)).member?.identities).toEqual([]);
    const count = (await running.asOwner.listAuditRecords({})).records.length;
    expect((await running.asOwner.unlinkIdentity(link)).member?.identities).toEqual([]);
    expect((await running.asOwner.listAuditRecords({})).records).toHaveLength(count);
  });

  test("a member of another tenant is not found", async () => {
    await using running = await startAccess();
    const { client } = await tenantWithAdministrator(running, "a");
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const memberId = member!.id;
    const calls = [
      client.getMember({ memberId }),
      client.updateMember({ memberId, name: "x" }),
      client.linkIdentity({ memberId, identity: email("a@example.com") }),
      client.createSignInLink({ memberId }),
      client.createLinkCode({ memberId }),
    ];
    const reasons = await Promise.all(calls.map(refusal));
    expect(reasons).toEqual(calls.map(() => ErrorReason.MEMBER_NOT_FOUND));
    expect((await client.listMembers({})).members).toEqual([]);
  });

  test("members are listed oldest first, page by page", async () => {
    await using running = await startAccess();
    for (const name of ["one", "two", "three"]) await running.asOwner.createMember({ name });
    const first = await running.asOwner.listMembers({ pageSize: 2 });
    const rest = await running.asOwner.listMembers({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.members, ...rest.members].map(({ name }) => name)).toEqual(["one", "two", "three"]);
    expect(rest.nextPageToken).toBe("");
  });
});

describe("G2, G3: nobody gives more than its own", () => {
  test("an administrator gives every role of a tenant but OWNER; SERVICE is given to nobody", async () => {
    await using running = await startAccess();
    const { client } = await keyOf(running, [Role.ADMINISTRATOR]);
    const outcome = (who: Client<typeof AccessService>, role: Role, tenantId = "") =>
      refusal(
        who.createApiKey({ name: "k", tenantId, roles: [role], relayName: role === Role.RELAY ? "r" : "" }),
      );
    const may = [Role.AGENT, Role.RESPONDER, Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR, Role.RELAY];
    for (const role of may) expect(await outcome(client, role), String(role)).toBe(ErrorReason.UNSPECIFIED);
    for (const role of [Role.OWNER, Role.SERVICE, Role.UNSPECIFIED, 99 as Role])
      expect(await outcome(client, role)).toBe(ErrorReason.ROLE_NOT_GRANTABLE);
    await running.asOwner.createTenant({ tenantId: "a" });
    expect(await outcome(running.asOwner, Role.OWNER)).toBe(ErrorReason.UNSPECIFIED);
    expect(await outcome(running.asOwner, Role.OWNER, "a")).toBe(ErrorReason.ROLE_NOT_GRANTABLE);
    expect(await outcome(running.asOwner, Role.SERVICE)).toBe(ErrorReason.ROLE_NOT_GRANTABLE);
  });

  test("an administrator can do nothing to a member or a key that is an owner's", async () => {
    await using running = await startAccess();
    const { client } = await keyOf(running, [Role.ADMINISTRATOR]);
    const { member } = await running.asOwner.createMember({ name: "Boss", roles: [Role.OWNER] });
    const { id: keyId } = await keyOf(running, [Role.OWNER]);
    const memberId = member!.id;
    const calls = [
      client.createMember({ name: "x", roles: [Role.OWNER] }),
      client.updateMember({ memberId, roles: [Role.RESPONDER] }),
      client.updateMember({ memberId, state: Member_State.DISABLED }),
      client.linkIdentity({ memberId, identity: email("mine@example.com") }),
      client.createSignInLink({ memberId }),
      client.createLinkCode({ memberId }),
      client.rotateApiKey({ keyId }),
      client.revokeApiKey({ keyId }),
    ];
    const reasons = await Promise.all(calls.map(refusal));
    expect(reasons).toEqual(calls.map(() => ErrorReason.ROLE_NOT_GRANTABLE));
    expect(await refusal(client.createSignInLink({}))).toBe(ErrorReason.ROLE_MISSING);
  });

  test("a key that is narrowed to scopes gives no key of more, and signs nobody in", async () => {
    await using running = await startAccess();
    const narrowed = { scopes: ["keys.*", "members.write", "sessions.read"] };
    const { client } = await keyOf(running, [Role.ADMINISTRATOR], narrowed);
    const { id: wide } = await keyOf(running, [Role.AGENT]);
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const make = (scopes: string[]) => refusal(client.createApiKey({ name: "k", scopes }));
    expect(await make(["keys.write", "sessions.read"])).toBe(ErrorReason.UNSPECIFIED);
    expect(await make([])).toBe(ErrorReason.SCOPE_MISSING);
    expect(await make(["sessions.*"])).toBe(ErrorReason.SCOPE_MISSING);
    expect(await refusal(client.rotateApiKey({ keyId: wide }))).toBe(ErrorReason.SCOPE_MISSING);
    expect(await refusal(client.createSignInLink({ memberId: member!.id }))).toBe(ErrorReason.SCOPE_MISSING);
    const administrator = client.createMember({ name: "x", roles: [Role.ADMINISTRATOR] });
    expect(await refusal(administrator)).toBe(ErrorReason.ROLE_NOT_GRANTABLE);
    expect(await refusal(client.createMember({ name: "x" }))).toBe(ErrorReason.UNSPECIFIED);
    expect(await refusal(client.getTenant({}))).toBe(ErrorReason.SCOPE_MISSING);
  });
});

describe("API keys", () => {
  test("a key says who its holder is, and is never shown again", async () => {
    await using running = await startAccess();
    await running.asOwner.createTenant({ tenantId: "a", displayName: "Team A" });
    const made = await running.asOwner.createApiKey({
      tenantId: "a",
      name: "ci",
      roles: [Role.AGENT, Role.RESPONDER],
      scopes: ["sessions.*", "access.self"],
    });
    const key = made.apiKey!;
    expect(key).toMatchObject({ tenantId: "a", principalId: `key:${key.id}`, state: ApiKey_State.ACTIVE });
    expect(made.secret).toMatch(new RegExp(`^hil_responder_${key.id}_`));
    const { principal, tenantDisplayName } = await running.as(made.secret).whoAmI({});
    expect(tenantDisplayName).toBe("Team A");
    expect(principal).toMatchObject({
      kind: Principal_Kind.API_KEY,
      id: `key:${key.id}`,
      tenantId: "a",
      roles: [Role.AGENT, Role.RESPONDER],
      scopes: ["sessions.*", "access.self"],
      keyId: key.id,
      name: "ci",
    });
    const read = await running.asOwner.getApiKey({ tenantId: "a", keyId: key.id });
    expect(JSON.stringify(read, (_key, value) => (typeof value === "bigint" ? "" : value))).not.toContain(
      made.secret.split("_")[3],
    );
    expect(await refusal(running.asOwner.getApiKey({ keyId: key.id }))).toBe(ErrorReason.API_KEY_NOT_FOUND);
  });

  test("keys are listed newest first, of one role where one is named, of no other tenant", async () => {
    await using running = await startAccess();
    await tenantWithAdministrator(running, "a");
    for (const role of [Role.AGENT, Role.RELAY, Role.AGENT]) await keyOf(running, [role]);
    const first = await running.asOwner.listApiKeys({ pageSize: 2 });
    const rest = await running.asOwner.listApiKeys({ pageSize: 2, pageToken: first.nextPageToken });
    const roles = [...first.apiKeys, ...rest.apiKeys].flatMap((each) => each.roles);
    expect(roles).toEqual([Role.AGENT, Role.RELAY, Role.AGENT]);
    const relays = await running.asOwner.listApiKeys({ role: Role.RELAY });
    expect(relays.apiKeys).toMatchObject([{ relayName: "r1", roles: [Role.RELAY] }]);
  });

  test("a relay's key names its relay and has that role alone", async () => {
    await using running = await startAccess();
    for (const request of [
      { roles: [Role.RELAY] },
      { roles: [Role.AGENT], relayName: "r" },
      { roles: [Role.RELAY, Role.AGENT], relayName: "r" },
    ]) {
      expect(await refusal(running.asOwner.createApiKey({ name: "k", ...request }))).toBe(
        ErrorReason.INVALID_REQUEST,
      );
    }
  });

  test("a relay is known by its name wherever its key is shown, and after a rotation too", async () => {
    await using running = await startAccess();
    const { secret, apiKey } = await running.asOwner.createApiKey({
      name: "k",
      roles: [Role.RELAY],
      relayName: "plant-2",
    });
    const rotated = await running.asOwner.rotateApiKey({ keyId: apiKey!.id });
    for (const each of [secret, rotated.secret]) {
      expect((await running.as(each).whoAmI({})).principal).toMatchObject({
        relayName: "plant-2",
        roles: [Role.RELAY],
      });
    }
  });

  test("a key ends at its time, and is remembered no longer than that", async () => {
    await using running = await startAccess();
    const { secret, apiKey } = await running.asOwner.createApiKey({
      name: "k",
      lifetime: durationFromMs(10_000),
    });
    running.advance(8_000);
    const { validUntil } = await running
      .asService()
      .authenticate({ credential: { case: "bearer", value: secret } });
    expect(timestampDate(validUntil!)).toEqual(timestampDate(apiKey!.expireTime!));
    expect((await running.as(secret).whoAmI({})).expireTime).toEqual(apiKey!.expireTime);
    running.advance(2_000);
    expect(await refusal(running.as(secret).whoAmI({}))).toBe(ErrorReason.CREDENTIAL_INVALID);
    const { apiKey: ended } = await running.asOwner.getApiKey({ keyId: apiKey!.id });
    expect(ended?.state).toBe(ApiKey_State.EXPIRED);
    expect(await refusal(running.asOwner.rotateApiKey({ keyId: apiKey!.id }))).toBe(
      ErrorReason.API_KEY_ENDED,
    );
  });

  test("rotation: both keys are the same principal for the overlap, then the old one ends", async () => {
    await using running = await startAccess();
    const { apiKey: old, secret } = await running.asOwner.createApiKey({
      name: "ci",
      scopes: ["access.self"],
      lifetime: durationFromMs(30 * 24 * HOUR_MS),
    });
    running.advance(HOUR_MS);
    const rotated = await running.asOwner.rotateApiKey({ keyId: old!.id, overlap: durationFromMs(HOUR_MS) });
    const start = running.now().getTime();
    expect(rotated.apiKey).toMatchObject({
      name: "ci",
      principalId: old!.principalId,
      scopes: ["access.self"],
    });
    expect(timestampDate(rotated.apiKey!.expireTime!).getTime()).toBe(start + 30 * 24 * HOUR_MS);
    expect(timestampDate(rotated.replaced!.expireTime!).getTime()).toBe(start + HOUR_MS);
    for (const key of [secret, rotated.secret]) {
      expect((await running.as(key).whoAmI({})).principal?.id).toBe(old!.principalId);
    }
    // What replaces a key that was replaced is made for as long as the first one, not for the rest of the overlap.
    const again = await running.asOwner.rotateApiKey({
      keyId: old!.id,
      overlap: durationFromMs(100 * HOUR_MS),
    });
    expect(timestampDate(again.apiKey!.expireTime!).getTime()).toBe(start + 30 * 24 * HOUR_MS);
    expect(timestampDate(again.replaced!.expireTime!).getTime()).toBe(start + HOUR_MS);
    running.advance(HOUR_MS);
    expect(await refusal(running.as(secret).whoAmI({}))).toBe(ErrorReason.CREDENTIAL_INVALID);
    await running.as(rotated.secret).whoAmI({});
  });

  test("a revoked key stays revoked; revoking again changes nothing", async () => {
    await using running = await startAccess();
    const { id: keyId, secret } = await keyOf(running, [Role.AGENT]);
    const { apiKey } = await running.asOwner.revokeApiKey({ keyId });
    expect(apiKey?.state).toBe(ApiKey_State.REVOKED);
    running.advance(HOUR_MS);
    expect(await running.asOwner.revokeApiKey({ keyId })).toMatchObject({ apiKey });
    expect(await refusal(running.as(secret).whoAmI({}))).toBe(ErrorReason.CREDENTIAL_INVALID);
    expect(await refusal(running.asOwner.rotateApiKey({ keyId }))).toBe(ErrorReason.API_KEY_ENDED);
  });

  test("the last use is noted to the minute, and written no oftener", async () => {
    await using running = await startAccess();
    const { id: keyId, secret } = await keyOf(running, [Role.AGENT]);
    const lastUsed = async () => {
      const { apiKey } = await running.asOwner.getApiKey({ keyId });
      return apiKey?.lastUsedTime && timestampDate(apiKey.lastUsedTime).getTime();
    };
    expect(await lastUsed()).toBeUndefined();
    const start = running.now().getTime();
    await running.as(secret).whoAmI({});
    await expect.poll(lastUsed).toBe(start);
    running.advance(30_000);
    await running.as(secret).whoAmI({});
    running.advance(30_000);
    await running.as(secret).whoAmI({});
    await expect.poll(lastUsed).toBe(start + MINUTE_MS);
  });
});

describe("link codes", () => {
  const wecom = create(IdentitySchema, { kind: Identity_Kind.WECOM_USER, value: "ann" });

  test("a code links its sender, once, and typed in any case", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const { code } = await running.asOwner.createLinkCode({ memberId: member!.id });
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{8}$/);
    const redeem = (typed: string) => running.asService().redeemLinkCode({ code: typed, identity: wecom });
    const linked = await redeem(` ${code.toLowerCase().slice(0, 4)} ${code.slice(4)}`);
    expect(linked.member).toMatchObject({ id: member!.id, identities: [{ value: "ann" }] });
    expect(await refusal(redeem(code))).toBe(ErrorReason.LINK_CODE_INVALID);
    const { records } = await running.asOwner.listAuditRecords({ filter: { action: "member.linked" } });
    expect(records).toMatchObject([{ principalId: `member:${member!.id}` }]);
  });

  test("a code is over after 15 minutes, with the next one, and of tenants that are not meant", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const newCode = async () => (await running.asOwner.createLinkCode({ memberId: member!.id })).code;
    const redeem = (code: string, tenantIds: string[] = []) =>
      refusal(running.asService().redeemLinkCode({ code, tenantIds, identity: wecom }));
    const first = await newCode();
    const second = await newCode();
    expect(await redeem(first)).toBe(ErrorReason.LINK_CODE_INVALID);
    expect(await redeem(second, ["other"])).toBe(ErrorReason.LINK_CODE_INVALID);
    running.advance(15 * MINUTE_MS);
    expect(await redeem(second, ["_default"])).toBe(ErrorReason.LINK_CODE_INVALID);
    expect(await redeem(await newCode(), ["other", "_default"])).toBe(ErrorReason.UNSPECIFIED);
  });

  test("a code for a taken identity stays good; one of a disabled member does not", async () => {
    await using running = await startAccess();
    const { member: ann } = await running.asOwner.createMember({ name: "Ann" });
    await running.asOwner.createMember({ name: "Bob", identities: [wecom] });
    const { code } = await running.asOwner.createLinkCode({ memberId: ann!.id });
    const redeem = (identity: typeof wecom) =>
      refusal(running.asService().redeemLinkCode({ code, identity }));
    expect(await redeem(wecom)).toBe(ErrorReason.IDENTITY_TAKEN);
    await running.asOwner.updateMember({ memberId: ann!.id, state: Member_State.DISABLED });
    await running.asOwner.updateMember({ memberId: ann!.id, state: Member_State.ACTIVE });
    expect(await redeem(email("ann@example.com"))).toBe(ErrorReason.LINK_CODE_INVALID);
  });

  test("a code that ten bring at the same time links one of them", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const { code } = await running.asOwner.createLinkCode({ memberId: member!.id });
    const tries = Array.from({ length: 10 }, (_, each) =>
      refusal(running.asService().redeemLinkCode({ code, identity: { ...wecom, value: `user${each}` } })),
    );
    const outcomes = await Promise.all(tries);
    expect(outcomes.filter((each) => each === ErrorReason.UNSPECIFIED)).toHaveLength(1);
  });

  test("only a member makes a code for itself without being told whom", async () => {
    await using running = await startAccess();
    const { member } = await running.asOwner.createMember({ name: "Ann" });
    const { client: operator } = await keyOf(running, [Role.OPERATOR]);
    expect(await refusal(operator.createLinkCode({}))).toBe(ErrorReason.INVALID_REQUEST);
    expect(await refusal(operator.createLinkCode({ memberId: member!.id }))).toBe(ErrorReason.ROLE_MISSING);
  });
});

test("I11: every change leaves its record, in the tenant's own log, without any secret", async () => {
  await using running = await startAccess();
  const { client, secret, id } = await tenantWithAdministrator(running, "a");
  const { member } = await client.createMember({ name: "Ann" });
  const { code } = await client.createLinkCode({ memberId: member!.id });
  const { token } = await client.createSignInLink({ memberId: member!.id });
  const proof = { case: "signInToken", value: token } as const;
  const { secret: cookie } = await running.asService().startConsoleSession({ proof });
  await running.asService().endConsoleSession({ secret: cookie });
  await client.updateMember({ memberId: member!.id, roles: [Role.AUDITOR] });
  await client.updateTenant({ displayName: "Team A" });
  const rotated = await client.rotateApiKey({ keyId: id });
  await client.revokeApiKey({ keyId: id });
  const { records } = await client.listAuditRecords({});
  expect(records.map(({ action }) => action)).toEqual([
    "api_key.revoked",
    "api_key.created",
    "api_key.rotated",
    "tenant.updated",
    "member.updated",
    "console_session.ended",
    "console_session.started",
    "sign_in_link.created",
    "link_code.created",
    "member.created",
    "api_key.created",
    "tenant.created",
  ]);
  const change = records.find(({ action }) => action === "member.updated");
  expect(change).toMatchObject({ principalId: `key:${id}`, resource: `member/${member!.id}`, tenantId: "a" });
  expect(JSON.parse(change!.before)).toEqual({ roles: ["ROLE_RESPONDER"] });
  expect(JSON.parse(change!.after)).toEqual({ roles: ["ROLE_AUDITOR"] });
  const text = JSON.stringify(records.map(({ before, after, resource }) => [before, after, resource]));
  for (const each of [secret, rotated.secret, cookie, token, code]) {
    for (const part of each
      .split("_")
      .filter((part) => part.length >= 8 && part !== id && part !== rotated.apiKey!.id))
      expect(text).not.toContain(part);
  }
  expect((await running.asOwner.listAuditRecords({})).records).toEqual([]);
});
