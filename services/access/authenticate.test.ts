import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { Identity_Kind, Member_State, Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { readLocalKey } from "@hil/platform/auth/local-key.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { expect, test } from "vitest";
import { sha256 } from "./secret-hash.ts";
import { OWNER_KEY, type RunningAccess, startAccess } from "./testing/running-access.ts";

const bearer = (key: string) => new Headers({ authorization: `Bearer ${key}` });
const cookie = (secret: string) => new Headers({ cookie: `a=1; hil_console=${secret}; b=2` });

async function outcome({ authenticate }: RunningAccess, headers: Headers): Promise<Principal | ErrorReason> {
  try {
    return await authenticate(headers);
  } catch (error) {
    return reasonOf(error);
  }
}

/** A member's browser that signed in. */
async function signIn(running: RunningAccess, memberId: string): Promise<string> {
  const { token } = await running.asOwner.createSignInLink({ memberId });
  const proof = { case: "signInToken", value: token } as const;
  return (await running.asService().startConsoleSession({ proof })).secret;
}

test("the owner key is made and shown once, and opens everything after a restart", async () => {
  await using running = await startAccess({ presetOwnerKey: false });
  const key = running.access.newOwnerKey!;
  expect(key.length).toBeGreaterThanOrEqual(32);
  await running.restart();
  expect(running.access.newOwnerKey).toBeUndefined();
  expect(await outcome(running, bearer(key))).toMatchObject({ kind: "owner", roles: [Role.OWNER] });
});

test("an owner key of an earlier version works on, and its signing key for cookies goes", async () => {
  await using running = await startAccess({ presetOwnerKey: false });
  const folder = join(running.dataDir, "credentials");
  writeFileSync(join(folder, "owner-key.sha256"), `${sha256("the-owner-key-of-before").toString("hex")}\n`);
  writeFileSync(join(folder, "console.key"), "00\n");
  await running.restart();
  expect(await outcome(running, bearer("the-owner-key-of-before"))).toMatchObject({ kind: "owner" });
  expect(existsSync(join(folder, "console.key"))).toBe(false);
});

test("a preset owner key is the only one", async () => {
  await using running = await startAccess();
  expect(running.access.newOwnerKey).toBeUndefined();
  expect(await outcome(running, bearer(OWNER_KEY))).toMatchObject({ kind: "owner", tenantId: "_default" });
});

test("O2: programs of this user read a key that is new at every start", async () => {
  await using running = await startAccess();
  const key = readLocalKey(running.dataDir)!;
  expect(key).toBe(running.access.localKey);
  expect(await outcome(running, bearer(key))).toMatchObject({ kind: "local", id: "owner" });
  await running.restart();
  running.advance(5_000);
  expect(await outcome(running, bearer(key))).toBe(ErrorReason.CREDENTIAL_INVALID);
  expect(await outcome(running, bearer(readLocalKey(running.dataDir)!))).toMatchObject({ kind: "local" });
  expect(readLocalKey(join(running.dataDir, "nowhere"))).toBeUndefined();
});

test("A1: no file holds a secret, and every credential file is the user's alone", async () => {
  await using running = await startAccess({ presetOwnerKey: false });
  const { secret: key } = await running.asOwner.createApiKey({ name: "k" });
  const { member } = await running.asOwner.createMember({ name: "Ann" });
  const { code } = await running.asOwner.createLinkCode({ memberId: member!.id });
  const { token } = await running.asOwner.createSignInLink({});
  const session = await signIn(running, member!.id);
  const ownerKey = running.access.newOwnerKey!;
  const secrets = [key, key.split("_")[3]!, code, token, session, ownerKey];
  for (const name of readdirSync(running.dataDir, { recursive: true }) as string[]) {
    const path = join(running.dataDir, name);
    if (!statSync(path).isFile()) continue;
    const content = readFileSync(path);
    for (const secret of secrets) expect(content.includes(secret), name).toBe(false);
    if (name.startsWith("credentials")) expect(statSync(path).mode & 0o077).toBe(0);
  }
});

test("A2, A3: what is not known, is not ours or was changed is refused in the same words", async () => {
  await using running = await startAccess();
  const { secret, apiKey } = await running.asOwner.createApiKey({ name: "k" });
  const [hil, kind, id, part] = secret.split("_") as [string, string, string, string];
  const signed = (body: string) => `${body}_${crc32(body).toString(16).padStart(8, "0")}`;
  const wrong = [
    "",
    "wrong",
    "x".repeat(16_000),
    secret.slice(0, -1),
    `${secret}x`,
    signed(`${hil}_${kind}_${id}_${part.split("").reverse().join("")}`),
    signed(`${hil}_${kind}_${"z".repeat(12)}_${part}`),
    "eyJhbGciOiJub25lIn0.e30.",
    running.serviceKey.slice(1),
  ];
  for (const key of wrong)
    expect(await outcome(running, bearer(key)), key).toBe(ErrorReason.CREDENTIAL_INVALID);
  const refuse = async (key: string) =>
    String(
      await running
        .asService()
        .authenticate({ credential: { case: "bearer", value: key } })
        .catch((e) => e),
    );
  await running.asOwner.revokeApiKey({ keyId: apiKey!.id });
  expect(await refuse(secret)).toBe(await refuse("wrong"));
  // The kind in a key is for people's eyes: with a right checksum it changes nothing of what the key may do.
  const { secret: agent } = await running.asOwner.createApiKey({ name: "k2" });
  const [, , agentId, agentPart] = agent.split("_");
  const dressed = signed(`hil_owner_${agentId}_${agentPart}`);
  expect(await outcome(running, bearer(dressed))).toMatchObject({ roles: [Role.AGENT] });
});

test.each([
  ["nothing", new Headers()],
  ["an empty key", bearer(" ")],
  ["another scheme", new Headers({ authorization: "Digest abc" })],
  ["an empty cookie", new Headers({ cookie: "hil_console=" })],
  ["a made-up cookie", cookie("9999999999.abc.def")],
])("%s is nobody's credential", async (_, headers) => {
  await using running = await startAccess();
  expect(await outcome(running, headers)).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("a key in the userinfo of a URL is taken as the earlier clients send it", async () => {
  await using running = await startAccess();
  const { secret } = await running.asOwner.createApiKey({ name: "k" });
  const basic = new Headers({ authorization: `Basic ${Buffer.from(`any:${secret}`).toString("base64")}` });
  expect(await outcome(running, basic)).toMatchObject({ kind: "api-key", roles: [Role.AGENT] });
});

test("the key for callers without one may ask and nothing else", async () => {
  await using running = await startAccess();
  const keyless = await outcome(running, bearer(running.keylessKey));
  expect(keyless).toMatchObject({ kind: "keyless", id: "owner", roles: [Role.AGENT] });
});

test("a sign-in link works once, within its time, also when ten browsers follow it at once", async () => {
  await using running = await startAccess();
  const redeem = async (value: string) => {
    const started = running.asService().startConsoleSession({ proof: { case: "signInToken", value } });
    return started.then(
      ({ secret }) => secret,
      (error: unknown) => reasonOf(error),
    );
  };
  const { token } = await running.asOwner.createSignInLink({});
  const results = await Promise.all(Array.from({ length: 10 }, () => redeem(token)));
  const secrets = results.filter((each) => typeof each === "string");
  expect(secrets).toHaveLength(1);
  expect(results.filter((each) => each === ErrorReason.CREDENTIAL_INVALID)).toHaveLength(9);
  expect(await outcome(running, cookie(secrets[0]!))).toMatchObject({ kind: "console", id: "owner" });
  const { token: late } = await running.asOwner.createSignInLink({});
  running.advance(15 * 60_000);
  expect(await redeem(late)).toBe(ErrorReason.CREDENTIAL_INVALID);
  expect(await redeem("made-up")).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("a console session lasts over a restart, seven days, and ends when the person leaves", async () => {
  await using running = await startAccess();
  const { member } = await running.asOwner.createMember({ name: "Ann", roles: [Role.RESPONDER] });
  const [one, other] = [await signIn(running, member!.id), await signIn(running, member!.id)];
  await running.restart();
  expect(await outcome(running, cookie(one))).toEqual({
    kind: "console",
    id: `member:${member!.id}`,
    tenantId: "_default",
    roles: [Role.RESPONDER],
    memberId: member!.id,
    name: "Ann",
  });
  await running.asService().endConsoleSession({ secret: one });
  running.advance(4_000);
  expect(await outcome(running, cookie(one))).toBe(ErrorReason.CREDENTIAL_INVALID);
  running.advance(7 * 24 * 3_600_000 - 4_001);
  expect(await outcome(running, cookie(other))).toMatchObject({ kind: "console" });
  running.advance(1);
  expect(await outcome(running, cookie(other))).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("the owner key signs in; keys of services, of agents and of nobody do not", async () => {
  await using running = await startAccess();
  const { secret } = await running.asOwner.createApiKey({ name: "k", roles: [Role.ADMINISTRATOR] });
  const start = (value: string) =>
    running.asService().startConsoleSession({ proof: { case: "ownerKey", value } });
  expect((await start(OWNER_KEY)).principal).toMatchObject({ id: "owner" });
  for (const key of [running.serviceKey, running.keylessKey, secret, "wrong"]) {
    expect(reasonOf(await start(key).catch((error) => error))).toBe(ErrorReason.CREDENTIAL_INVALID);
  }
});

test("a provider's word signs in the one active member that it is about", async () => {
  await using running = await startAccess();
  const subject = { kind: Identity_Kind.OIDC_SUBJECT, issuer: "https://id.example.com", value: "s1" };
  const address = { kind: Identity_Kind.EMAIL, value: "ann@example.com" };
  await running.asOwner.createTenant({ tenantId: "a" });
  const { member } = await running.asOwner.createMember({
    name: "Ann",
    tenantId: "a",
    identities: [subject],
  });
  await running.asOwner.createMember({ name: "Anna", identities: [address] });
  const start = async (issuer: string, value: string, email = "") => {
    const proof = { case: "oidc", value: { issuer, subject: value, email } } as const;
    const started = running.asService().startConsoleSession({ proof });
    return started.then(
      ({ principal }) => principal?.name,
      (error: unknown) => reasonOf(error),
    );
  };
  expect(await start("https://id.example.com", "s1", "ann@example.com")).toBe("Ann");
  expect(await start("https://id.example.com", "s2", "ANN@example.com")).toBe("Anna");
  expect(await start("https://other.example.com", "s1")).toBe(ErrorReason.CREDENTIAL_INVALID);
  await running.asOwner.createMember({ name: "Ann too", tenantId: "a", identities: [address] });
  const several = await start("https://third.example.com", "s3", "ann@example.com");
  expect(several).toBe(ErrorReason.CREDENTIAL_INVALID);
  const disable = { tenantId: "a", memberId: member!.id, state: Member_State.DISABLED };
  await running.asOwner.updateMember(disable);
  expect(await start("https://id.example.com", "s1")).toBe(ErrorReason.CREDENTIAL_INVALID);
  // Nor by an address, although it is another member's: the provider means the one who is disabled.
  await running.asOwner.createMember({
    name: "Bo",
    identities: [{ kind: Identity_Kind.EMAIL, value: "bo@example.com" }],
  });
  expect(await start("https://id.example.com", "s1", "bo@example.com")).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("an address finds a member once; from then on it is the provider's subject", async () => {
  await using running = await startAccess();
  const issuer = "https://id.example.com";
  const identities = [{ kind: Identity_Kind.EMAIL, value: "ann@example.com" }];
  const { member } = await running.asOwner.createMember({ name: "Ann", identities });
  const start = async (subject: string, email: string) => {
    const proof = { case: "oidc", value: { issuer, subject, email } } as const;
    const started = running.asService().startConsoleSession({ proof });
    return started.then(
      ({ principal }) => principal?.memberId,
      (error: unknown) => reasonOf(error),
    );
  };
  expect(await start("s1", "ann@example.com")).toBe(member!.id);
  expect(await start("s1", "married@example.com")).toBe(member!.id);
  expect(await start("s1", "")).toBe(member!.id);
  // The address was given to somebody else.
  expect(await start("s2", "ann@example.com")).toBe(ErrorReason.CREDENTIAL_INVALID);
  const { records } = await running.asOwner.listAuditRecords({});
  expect(records.filter(({ action }) => action === "member.linked").length).toBe(1);
});

// The clock moves by less than five seconds after each revocation, and what was remembered before it works no more.
test.each<
  [
    string,
    (running: RunningAccess) => Promise<{ headers: Headers; revoke: () => Promise<unknown> }>,
    ErrorReason,
  ]
>([
  [
    "a revoked key",
    async ({ asOwner }) => {
      const { secret, apiKey } = await asOwner.createApiKey({ name: "k" });
      return { headers: bearer(secret), revoke: () => asOwner.revokeApiKey({ keyId: apiKey!.id }) };
    },
    ErrorReason.CREDENTIAL_INVALID,
  ],
  [
    "a disabled member's browser",
    async (running) => {
      const { member } = await running.asOwner.createMember({ name: "Ann" });
      const disable = { memberId: member!.id, state: Member_State.DISABLED };
      return {
        headers: cookie(await signIn(running, member!.id)),
        revoke: () => running.asOwner.updateMember(disable),
      };
    },
    ErrorReason.CREDENTIAL_INVALID,
  ],
  [
    "a key of a suspended tenant",
    async ({ asOwner }) => {
      await asOwner.createTenant({ tenantId: "a" });
      const { secret } = await asOwner.createApiKey({ name: "k", tenantId: "a" });
      const suspend = { tenantId: "a", state: Tenant_State.SUSPENDED };
      return { headers: bearer(secret), revoke: () => asOwner.updateTenant(suspend) };
    },
    ErrorReason.TENANT_SUSPENDED,
  ],
  [
    "a browser that signed out",
    async (running) => {
      const { member } = await running.asOwner.createMember({ name: "Ann" });
      const secret = await signIn(running, member!.id);
      return { headers: cookie(secret), revoke: () => running.asService().endConsoleSession({ secret }) };
    },
    ErrorReason.CREDENTIAL_INVALID,
  ],
])("S6: %s is refused within 5 s", async (_, prepare, reason) => {
  await using running = await startAccess();
  const { headers, revoke } = await prepare(running);
  expect(await outcome(running, headers)).toHaveProperty("id");
  await revoke();
  running.advance(4_999);
  expect(await outcome(running, headers)).toBe(reason);
});

test("a resumed tenant's keys work again, and a member enabled again signs in anew", async () => {
  await using running = await startAccess();
  await running.asOwner.createTenant({ tenantId: "a" });
  const { secret } = await running.asOwner.createApiKey({ name: "k", tenantId: "a" });
  await running.asOwner.updateTenant({ tenantId: "a", state: Tenant_State.SUSPENDED });
  expect(await outcome(running, bearer(secret))).toBe(ErrorReason.TENANT_SUSPENDED);
  await running.asOwner.updateTenant({ tenantId: "a", state: Tenant_State.ACTIVE });
  expect(await outcome(running, bearer(secret))).toMatchObject({ tenantId: "a" });
  const { member } = await running.asOwner.createMember({ name: "Ann" });
  const old = await signIn(running, member!.id);
  for (const state of [Member_State.DISABLED, Member_State.ACTIVE]) {
    await running.asOwner.updateMember({ memberId: member!.id, state });
  }
  expect(await outcome(running, cookie(old))).toBe(ErrorReason.CREDENTIAL_INVALID);
  expect(await outcome(running, cookie(await signIn(running, member!.id)))).toMatchObject({
    kind: "console",
  });
});
