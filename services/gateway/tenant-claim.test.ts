// Keys of tenants on the faces of the earlier systems, and clients that say which tenant they believe to be of.

import { Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { expect, test } from "vitest";
import { type RunningGateway, startGateway } from "./testing/running-gateway.ts";

// biome-ignore lint/suspicious/noExplicitAny: what programs read is JSON of any shape
type Json = any;

const ask = { message: "Deploy build 214?", chat_id: "chat-1", timeout: 600 };
const text = { interaction_type: "text_input", title: "Why", message: "Say why" };

async function call(gateway: RunningGateway, path: string, key?: string, body?: object, headers = {}) {
  const response = await fetch(gateway.url + path, {
    method: body ? "POST" : "GET",
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
}

/** Two tenants with a key of each kind. */
async function startTenants(options: Parameters<typeof startGateway>[0] = {}) {
  const gateway = await startGateway(options);
  const { asOwner } = gateway.access;
  const keyOf = async (tenantId: string, role: Role) =>
    (await asOwner.createApiKey({ tenantId, name: "test", roles: [role] })).secret;
  for (const tenantId of ["t1", "t2"]) await asOwner.createTenant({ tenantId });
  return {
    gateway,
    asOwner,
    agent1: await keyOf("t1", Role.AGENT),
    agent2: await keyOf("t2", Role.AGENT),
    administrator1: await keyOf("t1", Role.ADMINISTRATOR),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

test("a key sends and polls as its tenant, and another tenant's key finds nothing (I6)", async () => {
  await using tenants = await startTenants();
  const { gateway, agent1, agent2 } = tenants;
  const sent = await call(gateway, "/send", agent1, { ...ask, tenant_id: "t1" });
  expect(sent.body).toMatchObject({ success: true, message: "消息发送成功" });
  expect(gateway.ordered).toMatchObject([{ tenantId: "t1" }]);
  const id = sent.body.session_id;
  expect((await call(gateway, `/k/${agent1}/api/poll/${id}`)).body.status).toBe("waiting");
  expect((await call(gateway, `/k/${agent2}/api/poll/${id}`)).body.status).toBe("not_found");
  expect((await call(gateway, `/k/${agent2}/api/session/${id}/timeout`, "", {})).body).toEqual({
    success: false,
  });
  expect((await call(gateway, `/poll/${id}`, gateway.ownerKey)).status).toBe(404);
});

test("a key of another tenant than the client names is refused in each face's words, and nothing is sent", async () => {
  await using tenants = await startTenants();
  const { gateway, agent1 } = tenants;
  const sent = await call(gateway, "/send", agent1, { ...ask, tenant_id: "t2" });
  expect(sent.status).toBe(200);
  expect(sent.body).toMatchObject({ success: false, session_id: null, message: "" });
  expect(sent.body.error).toMatch(/not of the tenant "t2"/);
  const opened = await call(gateway, "/api/sessions", agent1, { interaction_data: text, tenant_id: "t2" });
  expect(opened).toMatchObject({ status: 403, body: { reason: "TENANT_MISMATCH" } });
  const listed = await call(gateway, "/api/sessions?tenant_id=t2", agent1);
  expect(listed).toMatchObject({ status: 403, body: { reason: "TENANT_MISMATCH" } });
  const byHeader = await call(gateway, "/api/sessions", agent1, undefined, { "hil-tenant": "t2" });
  expect(byHeader).toMatchObject({ status: 403, body: { reason: "TENANT_MISMATCH" } });
  const polled = await call(gateway, `/poll/${crypto.randomUUID()}?tenant_id=t2`, agent1);
  expect(polled).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining("(TENANT_MISMATCH)") },
  });
  expect(gateway.ordered).toEqual([]);
});

test("whether the tenant that a client names exists makes no difference, whatever it is called", async () => {
  await using tenants = await startTenants();
  const { gateway, agent1 } = tenants;
  const errors = await Promise.all(
    ["t2", "t3", "a\r\nhil-tenant: t1", "租户", "\ud800"].map(async (tenant_id) => {
      const { status, body } = await call(gateway, "/send", agent1, { ...ask, tenant_id });
      expect(status).toBe(200);
      return (body.error as string).replace(/"[^"]*"/, '""');
    }),
  );
  expect(new Set(errors).size).toBe(1);
  expect(errors[0]).toContain("not of the tenant");
});

test.each(["_default", "t1", "", null, undefined])(
  "a client that names %j with a key of t1 is of t1",
  async (tenant_id) => {
    await using tenants = await startTenants();
    const sent = await call(tenants.gateway, "/send", tenants.agent1, { ...ask, tenant_id });
    expect(sent.body.success).toBe(true);
    expect(tenants.gateway.ordered).toMatchObject([{ tenantId: "t1" }]);
  },
);

test("B1: who runs everything alone may name any tenant, with the owner's key and without one", async () => {
  await using gateway = await startGateway();
  for (const key of [undefined, gateway.ownerKey]) {
    const sent = await call(gateway, "/send", key, { ...ask, tenant_id: "my-team" });
    expect(sent.body.success).toBe(true);
  }
  expect(gateway.ordered).toMatchObject([{ tenantId: "_default" }, { tenantId: "_default" }]);
});

test("what a suspended tenant's agent is told, it can read", async () => {
  await using tenants = await startTenants();
  const { gateway, asOwner, agent1 } = tenants;
  await asOwner.updateTenant({ tenantId: "t1", state: Tenant_State.SUSPENDED });
  const sent = await call(gateway, "/send", agent1, ask);
  expect(sent).toMatchObject({
    status: 200,
    body: { success: false, error: expect.stringMatching(/suspended/) },
  });
  const opened = await call(gateway, "/api/sessions", agent1, { interaction_data: text });
  expect(opened).toMatchObject({ status: 403, body: { reason: "TENANT_SUSPENDED" } });
});

test("sensitive questions are asked as such from either face", async () => {
  await using gateway = await startGateway();
  await call(gateway, "/send", gateway.ownerKey, { ...ask, sensitive: true });
  await call(gateway, "/send", gateway.ownerKey, ask);
  expect(gateway.ordered.map((each) => each.sensitive)).toEqual([true, false]);
  for (const body of [
    { ...text, sensitive: true },
    { interaction_data: text, sensitive: true },
  ]) {
    const opened = await call(gateway, "/api/sessions", gateway.ownerKey, body);
    const { session } = await gateway.sessions.getSession({ sessionId: opened.body.session_id });
    expect(session!.sensitive).toBe(true);
  }
});

test("D5: statistics count the sessions of the caller's tenant, by the earlier component's words", async () => {
  await using tenants = await startTenants();
  const { gateway, agent1, agent2, administrator1 } = tenants;
  const open = async (key: string) =>
    (await call(gateway, "/api/sessions", key, { interaction_data: text })).body.session_id as string;
  const [, cancelled, answered] = [await open(agent1), await open(agent1), await open(agent1)];
  await open(agent2);
  await call(gateway, `/api/sessions/${cancelled}/cancel`, agent1, {});
  await call(gateway, `/api/sessions/${answered}/respond`, administrator1, { response: { text: "yes" } });
  const counted = {
    active_sessions: 1,
    total_sessions: 3,
    completed_sessions: 1,
    timeout_sessions: 0,
    cancelled_sessions: 1,
  };
  for (const query of ["", "?tenant_id=t1", "?tenant_id=_default"]) {
    const { status, body } = await call(gateway, `/api/statistics${query}`, administrator1);
    expect({ status, body }).toEqual({ status: 200, body: { success: true, statistics: counted } });
  }
  expect((await call(gateway, "/api/statistics?tenant_id=t1", gateway.ownerKey)).body.statistics).toEqual(
    counted,
  );
  expect((await call(gateway, "/api/statistics", gateway.ownerKey)).body.statistics.total_sessions).toBe(0);
  expect(await call(gateway, "/api/statistics?tenant_id=t2", administrator1)).toMatchObject({
    status: 403,
    body: { reason: "TENANT_MISMATCH" },
  });
  expect(await call(gateway, "/api/statistics", agent1)).toMatchObject({
    status: 403,
    body: { reason: "ROLE_MISSING" },
  });
  expect((await call(gateway, "/api/statistics")).status).toBe(401);
});
