// What a revocation ends, over the wire of the whole product (S6). Nothing is timed: each test waits for the end, and a
// call that went on would run into the test's own limit.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { type Embedded, startEmbedded } from "@hil/cli/embedded.ts";
import { Member_State, Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { afterAll, beforeAll, expect, test } from "vitest";

let hil: Embedded;
let dataDir: string;
let owner: Client<typeof AccessService>;
const stopped = new AbortController();

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-revocation-"));
  hil = await startEmbedded({
    environment: { HIL_PORT: "0", HIL_DATA_DIR: dataDir, HIL_LOG_LEVEL: "silent" },
  });
  owner = createClient(AccessService, transport({ authorization: `Bearer ${hil.localKey}` }));
});
afterAll(async () => {
  stopped.abort();
  await hil.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function transport(headers: Record<string, string>, make = createConnectTransport) {
  return make({
    baseUrl: hil.url,
    httpVersion: "2",
    interceptors: [
      (next) => (request) => {
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request);
      },
    ],
  });
}

/** Signs a member's browser in by a link, as the link's page does. */
async function signIn(memberId: string, tenantId = ""): Promise<string> {
  const { token } = await owner.createSignInLink({ memberId, tenantId });
  const response = await fetch(`${hil.url}/api/console/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  return response.headers.get("set-cookie")!.split(";", 1)[0]!;
}

/** Opens a stream and a wait over each protocol, and gives how each ends. All are under way when it resolves. */
async function underWay(headers: Record<string, string>, tenantId: string): Promise<Promise<ErrorReason>[]> {
  const key = await owner.createApiKey({ name: "asker", tenantId, roles: [Role.AGENT] });
  const asker = createClient(SessionService, transport({ authorization: `Bearer ${key.secret}` }));
  const { session } = await asker.createSession({
    requestId: crypto.randomUUID(),
    body: "go on?",
    interaction: { kind: { case: "confirmation", value: {} } },
  });
  const reason = (error: unknown) => reasonOf(ConnectError.from(error));
  const ends: Promise<ErrorReason>[] = [];
  for (const make of [createConnectTransport, createGrpcTransport as typeof createConnectTransport]) {
    const client = createClient(SessionService, transport(headers, make));
    const stream = client.watchSessions({}, { signal: stopped.signal })[Symbol.asyncIterator]();
    await stream.next(); // it is open
    const drained = async () => {
      for (let next = await stream.next(); !next.done; ) next = await stream.next();
      return ErrorReason.UNSPECIFIED;
    };
    const wait = client.waitSession(
      { sessionId: session!.id, wait: { seconds: 600n }, afterVersion: session!.version + 100n },
      { signal: stopped.signal },
    );
    ends.push(
      drained().catch(reason),
      wait.then(() => ErrorReason.UNSPECIFIED, reason),
    );
  }
  return ends;
}

test("a revoked key's streams and waits end, and its next call is refused at every face", async () => {
  const { secret, apiKey } = await owner.createApiKey({ name: "k", roles: [Role.OPERATOR] });
  const headers = { authorization: `Bearer ${secret}` };
  const ends = await underWay(headers, "");
  await owner.revokeApiKey({ keyId: apiKey!.id });
  expect(await Promise.all(ends)).toEqual(ends.map(() => ErrorReason.CREDENTIAL_INVALID));
  const client = createClient(SessionService, transport(headers));
  await expect(client.listSessions({})).rejects.toThrow(/not known/);
  expect((await fetch(`${hil.url}/k/${secret}/api/sessions`)).status).toBe(401);
  const send = await fetch(`${hil.url}/k/${secret}/api/send`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message: "m", chat_id: "c" }),
  });
  expect(send.status).toBe(200);
  expect(await send.json()).toMatchObject({ success: false, session_id: null, message: "" });
});

test("a disabled member's console ends", async () => {
  const { member } = await owner.createMember({ name: "Ann", roles: [Role.OPERATOR] });
  const headers = { cookie: await signIn(member!.id) };
  const ends = await underWay(headers, "");
  await owner.updateMember({ memberId: member!.id, state: Member_State.DISABLED });
  expect(await Promise.all(ends)).toEqual(ends.map(() => ErrorReason.CREDENTIAL_INVALID));
});

test("a suspended tenant's calls end, and those of others go on", async () => {
  await owner.createTenant({ tenantId: "a" });
  const key = await owner.createApiKey({ name: "k", tenantId: "a", roles: [Role.OPERATOR] });
  const other = await owner.createApiKey({ name: "k", roles: [Role.OPERATOR] });
  const ends = await underWay({ authorization: `Bearer ${key.secret}` }, "a");
  const others = await underWay({ authorization: `Bearer ${other.secret}` }, "");
  await owner.updateTenant({ tenantId: "a", state: Tenant_State.SUSPENDED });
  expect(await Promise.all(ends)).toEqual(ends.map(() => ErrorReason.TENANT_SUSPENDED));
  expect(await Promise.race([...others, "under way"])).toBe("under way");
  expect((await fetch(`${hil.url}/k/${key.secret}/api/sessions`)).status).toBe(403);
});

test("a member with other roles than before must watch anew, with those", async () => {
  const { member } = await owner.createMember({ name: "Ann", roles: [Role.OPERATOR] });
  const ends = await underWay({ cookie: await signIn(member!.id) }, "");
  await owner.updateMember({ memberId: member!.id, roles: [Role.RESPONDER] });
  expect(await Promise.all(ends)).toEqual(ends.map(() => ErrorReason.NOT_READY));
});
