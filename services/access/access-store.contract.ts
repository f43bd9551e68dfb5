import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ApiKey,
  ApiKeySchema,
  Identity_Kind,
  IdentitySchema,
  type Member,
  Member_State,
  MemberSchema,
  type Tenant,
  Tenant_State,
  TenantSchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AccessStore, AuditEntry, Grant } from "./access-store.ts";

const START_MS = Date.parse("2026-11-20T10:00:00Z");
const LATER_MS = START_MS + 60_000;

const bytes = (text: string) => new TextEncoder().encode(text.padEnd(32, "."));
const email = (value: string) => create(IdentitySchema, { kind: Identity_Kind.EMAIL, value });

function entry(tenantId: string, action: string): AuditEntry {
  return { tenantId, principalId: "owner", action, resource: "thing", time: new Date(START_MS) };
}

function tenant(id: string): Tenant {
  return create(TenantSchema, {
    id,
    displayName: id,
    state: Tenant_State.ACTIVE,
    policy: {},
    createTime: timestampFromMs(START_MS),
    updateTime: timestampFromMs(START_MS),
    version: 1n,
  });
}

function member(tenantId: string, fields: MessageInitShape<typeof MemberSchema> = {}): Member {
  return create(MemberSchema, {
    id: uuidV7(START_MS),
    tenantId,
    name: "Ann",
    roles: [Role.RESPONDER],
    state: Member_State.ACTIVE,
    createTime: timestampFromMs(START_MS),
    updateTime: timestampFromMs(START_MS),
    ...(fields as object),
  });
}

function apiKey(tenantId: string, id: string): ApiKey {
  return create(ApiKeySchema, {
    id,
    tenantId,
    name: id,
    roles: [Role.AGENT],
    principalId: `key:${id}`,
    createTime: timestampFromMs(START_MS),
  });
}

const grant = (name: string, tenantId: string, memberId = ""): Grant => ({
  hash: bytes(name),
  tenantId,
  memberId,
  expireTimeMs: LATER_MS,
});

/** What every AccessStore does. `reopen` closes the store and opens it again on what it kept. */
export function accessStoreContract({
  open,
  reopen,
  dispose,
}: {
  open(): Promise<AccessStore>;
  reopen(store: AccessStore): Promise<AccessStore>;
  dispose(): Promise<void>;
}): void {
  let store: AccessStore;
  const actions = async (tenantId: string) =>
    (await store.audit.list(tenantId, {}, 100)).map(({ action }) => action);

  beforeEach(async () => {
    store = await open();
    for (const id of ["a", "b"]) await store.insertTenant(tenant(id), entry(id, "tenant.created"));
  });
  afterEach(async () => {
    await store.close();
    await dispose();
  });

  test("D1: a change that is refused leaves no record, and one that is kept survives with it", async () => {
    const decide = () => {
      throw new Error("no");
    };
    await expect(store.changeTenant("a", decide)).rejects.toThrow("no");
    expect(await store.insertTenant(tenant("a"), entry("a", "again"))).toBe(false);
    await store.changeTenant("a", () => undefined);
    await store.changeTenant("a", (before) => ({
      after: { ...before, displayName: "A" },
      audit: entry("a", "tenant.updated"),
    }));
    store = await reopen(store);
    expect((await store.getTenant("a"))?.displayName).toBe("A");
    expect(await actions("a")).toEqual(["tenant.updated", "tenant.created"]);
    expect(await actions("b")).toEqual(["tenant.created"]);
  });

  test("a tenant that is not there is not changed", async () => {
    const change = store.changeTenant("c", (before) => ({ after: before, audit: entry("c", "x") }));
    expect(await change).toBeUndefined();
    expect(await store.getTenant("c")).toBeUndefined();
  });

  test("D2: what belongs to one tenant is not read or changed with another one's id", async () => {
    const ann = member("a", { identities: [email("ann@example.com")] });
    await store.insertMember(ann, entry("a", "member.created"));
    const key = { apiKey: apiKey("a", "k1"), secretHash: bytes("s"), lifetimeMs: undefined };
    await store.insertApiKey(key, entry("a", "api_key.created"));
    const foreign = { tenantId: "b", id: ann.id };
    expect(await store.getMember(foreign)).toBeUndefined();
    expect(await store.listMembers({ tenantId: "b", afterId: "", limit: 10 })).toEqual([]);
    expect(await store.findMember("b", email("ann@example.com"))).toBeUndefined();
    const change = (before: Member) => ({ after: { ...before, name: "x" }, audit: entry("b", "x") });
    expect(await store.changeMember(foreign, change)).toEqual({ kind: "unknown" });
    expect(await store.getApiKey({ tenantId: "b", id: "k1" })).toBeUndefined();
    const page = {
      tenantId: "b",
      role: Role.UNSPECIFIED,
      beforeSequence: Number.MAX_SAFE_INTEGER,
      limit: 10,
    };
    expect(await store.listApiKeys(page)).toEqual([]);
    const revoke = (before: ApiKey) => ({
      after: { ...before, revokeTime: timestampFromMs(START_MS) },
      audit: entry("b", "x"),
    });
    expect(await store.changeApiKey({ tenantId: "b", id: "k1" }, revoke)).toBeUndefined();
    expect(await store.getMember({ tenantId: "a", id: ann.id })).toEqual(ann);
    expect((await store.getApiKey({ tenantId: "a", id: "k1" }))?.revokeTime).toBeUndefined();
    expect(await actions("b")).toEqual(["tenant.created"]);
  });

  test("the same identity and the same link belong to another person in another tenant", async () => {
    const [one, other] = ["a", "b"].map((id) => member(id, { identities: [email("ann@example.com")] }));
    for (const each of [one!, other!]) {
      expect(await store.insertMember(each, entry(each.tenantId, "x"))).toEqual({
        kind: "stored",
        member: each,
      });
    }
    expect((await store.findMember("a", email("ann@example.com")))?.id).toBe(one!.id);
    expect((await store.findMember("b", email("ann@example.com")))?.id).toBe(other!.id);
    expect((await store.findMembersAnywhere(email("ann@example.com"))).map(({ id }) => id)).toEqual([
      one!.id,
      other!.id,
    ]);
    const taken = await store.insertMember(
      member("a", { identities: [email("ann@example.com")] }),
      entry("a", "no"),
    );
    expect(taken.kind).toBe("identity-taken");
    expect(await actions("a")).not.toContain("no");
    expect(await store.listMembers({ tenantId: "a", afterId: "", limit: 10 })).toHaveLength(1);
  });

  test("a member that is disabled loses its sign-ins and codes with the same write; another keeps its own", async () => {
    const [ann, bob] = [member("a"), member("a")];
    for (const each of [ann, bob]) {
      await store.insertMember(each, entry("a", "x"));
      await store.insertConsoleSession(grant(`session ${each.id}`, "a", each.id), START_MS, entry("a", "x"));
      await store.insertSignInToken(grant(`token ${each.id}`, "a", each.id), entry("a", "x"));
    }
    await store.changeMember({ tenantId: "a", id: ann.id }, (before) => ({
      after: { ...before, state: Member_State.DISABLED },
      audit: entry("a", "x"),
    }));
    const session = ({ id }: Member) => store.findConsoleSession(bytes(`session ${id}`), START_MS);
    expect([await session(ann), (await session(bob))?.memberId]).toEqual([undefined, bob.id]);
    const redeem = ({ id }: Member) =>
      store.redeemSignInToken(
        {
          hash: bytes(`token ${id}`),
          sessionHash: bytes(`new ${id}`),
          sessionExpireTimeMs: LATER_MS,
          nowMs: START_MS,
        },
        () => entry("a", "x"),
      );
    expect(await redeem(ann)).toBeUndefined();
    expect((await redeem(bob))?.memberId).toBe(bob.id);
  });

  test("D3: a token works once, not after its time, and not in a suspended tenant", async () => {
    const redeem = (name: string, nowMs = START_MS) =>
      store.redeemSignInToken(
        {
          hash: bytes(name),
          sessionHash: bytes(`session of ${name} ${nowMs}`),
          sessionExpireTimeMs: LATER_MS,
          nowMs,
        },
        ({ tenantId }) => entry(tenantId, "console_session.started"),
      );
    for (const name of ["once", "late", "suspended"]) {
      await store.insertSignInToken(grant(name, "a"), entry("a", "x"));
    }
    const [first, second] = await Promise.all([redeem("once"), redeem("once")]);
    expect([first?.tenantId, second]).toEqual(["a", undefined]);
    expect(await redeem("late", LATER_MS)).toBeUndefined();
    await store.changeTenant("a", (before) => ({
      after: { ...before, state: Tenant_State.SUSPENDED },
      audit: entry("a", "x"),
    }));
    expect(await redeem("suspended")).toBeUndefined();
    expect((await actions("a")).filter((action) => action === "console_session.started")).toHaveLength(1);
  });

  test("a console session is found until its time, and ended once", async () => {
    await store.insertConsoleSession(grant("s", "a"), START_MS, entry("a", "x"));
    store = await reopen(store);
    expect(await store.findConsoleSession(bytes("s"), LATER_MS - 1)).toMatchObject({
      tenantId: "a",
      memberId: "",
    });
    expect(await store.findConsoleSession(bytes("s"), LATER_MS)).toBeUndefined();
    const end = () => store.endConsoleSession(bytes("s"), () => entry("a", "ended"));
    expect([await end(), await end()]).toEqual([true, false]);
    expect(await store.findConsoleSession(bytes("s"), START_MS)).toBeUndefined();
  });

  test("a rotated key keeps what it was made for, and its successor is stored with it or not at all", async () => {
    const key = { apiKey: apiKey("a", "k1"), secretHash: bytes("1"), lifetimeMs: 1000 };
    await store.insertApiKey(key, entry("a", "x"));
    const successor = { apiKey: apiKey("a", "k2"), secretHash: bytes("2"), lifetimeMs: 1000 };
    const change = { tenantId: "a", id: "k1" };
    await store.changeApiKey(
      change,
      () => undefined,
      () => ({ key: successor, audit: entry("a", "no") }),
    );
    expect(await store.findApiKey("k2")).toBeUndefined();
    await store.changeApiKey(
      change,
      (before) => ({ after: { ...before, expireTime: timestampFromMs(LATER_MS) }, audit: entry("a", "x") }),
      ({ lifetimeMs }) => ({ key: { ...successor, lifetimeMs }, audit: entry("a", "x") }),
    );
    expect(await store.findApiKey("k1")).toMatchObject({ lifetimeMs: 1000, secretHash: bytes("1") });
    expect(await store.findApiKey("k2")).toMatchObject({
      lifetimeMs: 1000,
      apiKey: { tenantId: "a", id: "k2" },
    });
  });

  test("of the uses of a key the latest is kept", async () => {
    const key = { apiKey: apiKey("a", "k1"), secretHash: bytes("s"), lifetimeMs: undefined };
    await store.insertApiKey(key, entry("a", "x"));
    await Promise.all([
      store.noteApiKeyUses([{ id: "k1", timeMs: START_MS }]),
      store.noteApiKeyUses([
        { id: "k1", timeMs: LATER_MS },
        { id: "unknown", timeMs: LATER_MS },
      ]),
    ]);
    expect((await store.getApiKey({ tenantId: "a", id: "k1" }))?.lastUsedTime).toEqual(
      timestampFromMs(LATER_MS),
    );
  });

  test("only what is over is deleted", async () => {
    const ann = member("a");
    await store.insertMember(ann, entry("a", "x"));
    await store.insertLinkCode(grant("code", "a", ann.id), entry("a", "x"));
    await store.insertSignInToken(grant("token", "a"), entry("a", "x"));
    await store.insertConsoleSession(grant("session", "a"), START_MS, entry("a", "x"));
    expect(await store.deleteOver(LATER_MS - 1)).toBe(0);
    expect(await store.deleteOver(LATER_MS)).toBe(3);
    expect(await store.deleteOver(LATER_MS)).toBe(0);
  });
}
