import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { ApiKey_State, ApiKeySchema, Identity_Kind, MemberSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { expect, test } from "vitest";
import { type CommandError, EXIT } from "../exit-code.ts";
import { findKey, findMember } from "./lookup.ts";

const id = (end: string) => `01920000-0000-7000-8000-00000000000${end}`;
const email = (value: string) => ({ kind: Identity_Kind.EMAIL, value });
const members = [
  { id: id("1"), name: "Li Lei", identities: [email("li@example.com")] },
  { id: id("2"), name: "Han", identities: [] },
  { id: id("3"), name: "Han", identities: [email("han@example.com")] },
].map((each) => create(MemberSchema, each));
const keys = [
  { id: "aaaaaaaaaaaa", name: "ci", state: ApiKey_State.REVOKED },
  { id: "bbbbbbbbbbbb", name: "ci", state: ApiKey_State.ACTIVE },
  { id: "cccccccccccc", name: "two", state: ApiKey_State.ACTIVE, principalId: "key:c" },
  { id: "dddddddddddd", name: "two", state: ApiKey_State.ACTIVE, principalId: "key:d" },
  { id: "ffffffffffff", name: "rotated", state: ApiKey_State.ACTIVE, principalId: "key:e" },
  { id: "eeeeeeeeeeee", name: "rotated", state: ApiKey_State.ACTIVE, principalId: "key:e" },
].map((each) => create(ApiKeySchema, each));

/** An access service that gives one row on each page. */
const transport = createRouterTransport(({ service }) =>
  service(AccessService, {
    getMember: ({ memberId }) => ({ member: members.find((each) => each.id === memberId) }),
    listMembers: ({ pageToken }) => onePage(members, pageToken, "members"),
    listApiKeys: ({ pageToken }) => onePage(keys, pageToken, "apiKeys"),
  }),
);
function onePage<T>(rows: readonly T[], pageToken: string, field: string) {
  const at = Number(pageToken || 0);
  return { [field]: [rows[at]], nextPageToken: at + 1 < rows.length ? String(at + 1) : "" };
}
const access = createClient(AccessService, transport);
const t = (en: string) => en;
const member = (text: string) => findMember({ access }, { tenantId: "", text, t });
const key = (text: string) => findKey({ access }, { tenantId: "", text, t });
const failing = (promise: Promise<unknown>) => promise.catch((error: unknown) => error as CommandError);

test("a member is found by id, identity or name, whatever the case", async () => {
  expect((await member(id("2").toUpperCase())).id).toBe(id("2"));
  expect((await member("LI@example.com")).id).toBe(id("1"));
  expect((await member("li lei")).id).toBe(id("1"));
});

test("a name that several have is not guessed, and one that nobody has is said", async () => {
  expect(await failing(member("Han"))).toMatchObject({ exitCode: EXIT.refused });
  expect(((await failing(member("Han"))) as CommandError).message).toContain(id("3"));
  expect(await failing(member("Lily"))).toMatchObject({ exitCode: EXIT.notFound });
});

test("a key is found by id whatever its state, and by the name of one that works", async () => {
  expect((await key("aaaaaaaaaaaa")).state).toBe(ApiKey_State.REVOKED);
  expect((await key("ci")).id).toBe("bbbbbbbbbbbb");
  expect(await failing(key("two"))).toMatchObject({ exitCode: EXIT.refused });
});

test("of a key and the one that replaces it, the newer is meant where that is asked for, and else neither", async () => {
  const newest = (text: string) => findKey({ access }, { tenantId: "", text, t, newestOfLine: true });
  expect((await newest("rotated")).id).toBe("ffffffffffff");
  expect(await failing(key("rotated"))).toMatchObject({ exitCode: EXIT.refused });
  expect(await failing(newest("two"))).toMatchObject({ exitCode: EXIT.refused });
});

test("a key that leaked can be pasted whole, and is not said again where it is not found", async () => {
  expect((await key("hil_agent_cccccccccccc_s3cret_00000000")).id).toBe("cccccccccccc");
  for (const leaked of ["hil_agent_zzzzzzzzzzzz_s3cret_00000000", "s3cret"]) {
    const error = (await failing(key(leaked))) as CommandError;
    expect(error.exitCode).toBe(EXIT.notFound);
    expect(error.message).not.toContain("s3cret");
  }
});
