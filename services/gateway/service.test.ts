import * as http2 from "node:http2";
import { connect } from "node:net";
import { Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { expect, test } from "vitest";
import { startGateway } from "./testing/running-gateway.ts";

const ask = JSON.stringify({ message: "m", chat_id: "c", timeout: 60 });
const JSON_TYPE = { "content-type": "application/json" };

/** A log that keeps every line, with whatever was thrown. */
function recordingLog(): { log: Log; text(): string } {
  const lines: string[] = [];
  const line = (...parts: unknown[]) => {
    lines.push(
      ...parts.map((part) =>
        JSON.stringify(part, (_key, value) =>
          value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
        ),
      ),
    );
  };
  const log: Log = { debug: line, info: line, warn: line, error: line, fatal: line, child: () => log };
  return { log, text: () => lines.join("\n") };
}

test("an owner's and an agent's key are taken as Bearer, as Basic userinfo and before the path", async () => {
  await using gateway = await startGateway({ allowKeyless: false });
  const { secret } = await gateway.access.asOwner.createApiKey({ name: "agent" });
  for (const key of [gateway.ownerKey, secret]) {
    const basic = `Basic ${Buffer.from(`key:${key}`).toString("base64")}`;
    const ways: [string, Record<string, string>][] = [
      ["/api/sessions", { authorization: `Bearer ${key}` }],
      ["/api/sessions", { authorization: basic }],
      [`/k/${key}/api/sessions`, {}],
      [`/k/${key}/api/sessions?workflow_id=x`, {}],
      [`/k/${key.replace("o", "%6F")}/api/sessions`, {}],
      ["/api/sessions", { cookie: await gateway.cookie() }],
    ];
    for (const [path, headers] of ways) {
      const response = await fetch(gateway.url + path, { headers });
      expect(response.status, path).toBe(200);
    }
    const send = await fetch(`${gateway.url}/k/${key}/send`, {
      method: "POST",
      headers: JSON_TYPE,
      body: ask,
    });
    expect(await send.json()).toMatchObject({ success: true });
  }
});

test("a key that is known but not let in is told why, and nothing falls back to calling without", async () => {
  await using gateway = await startGateway({ allowKeyless: true });
  const { asOwner } = gateway.access;
  await asOwner.createTenant({ tenantId: "a" });
  const { secret: first } = await asOwner.createApiKey({ name: "agent", tenantId: "a" });
  const { secret } = await asOwner.createApiKey({ name: "not shown before", tenantId: "a" });
  const other = { authorization: `Bearer ${first}`, "hil-tenant": "b" };
  const mismatch = await fetch(`${gateway.url}/api/sessions`, { headers: other });
  expect([mismatch.status, await mismatch.json()]).toMatchObject([403, { reason: "TENANT_MISMATCH" }]);
  await asOwner.updateTenant({ tenantId: "a", state: Tenant_State.SUSPENDED });
  const poll = await fetch(`${gateway.url}/k/${secret}/poll/x`);
  expect([poll.status, await poll.json()]).toMatchObject([403, { reason: "TENANT_SUSPENDED" }]);
  const send = await fetch(`${gateway.url}/k/${secret}/send`, {
    method: "POST",
    headers: JSON_TYPE,
    body: ask,
  });
  expect(send.status).toBe(200);
  expect(await send.json()).toMatchObject({
    success: false,
    session_id: null,
    message: "",
    error: expect.stringContaining("suspended"),
  });
});

test("a wrong key is refused on every path, also where none is needed", async () => {
  await using gateway = await startGateway({ allowKeyless: true });
  const ways: [string, Record<string, string>][] = [
    ["/api/sessions", { authorization: "Bearer wrong" }],
    ["/api/sessions", { authorization: "Negotiate abc" }],
    ["/poll/x", { authorization: "Bearer wrong" }],
    ["/k/wrong/poll/x", {}],
    ["/k//poll/x", {}],
    ["/k/%zz/poll/x", {}],
    ["/k/wrong", {}],
    ["/k/wrong/nowhere", {}],
    ["/k/wrong/api/callback", {}],
    ["/k/wrong/api/sessions", { authorization: `Bearer ${gateway.ownerKey}` }],
  ];
  for (const [path, headers] of ways) {
    const response = await fetch(gateway.url + path, { headers });
    expect(response.status, path).toBe(401);
    expect(await response.json()).toEqual({ error: expect.any(String), reason: "CREDENTIAL_INVALID" });
  }
  expect(gateway.vendorCalls).toEqual([]);
});

test("without a key the earlier endpoints serve only where the deployment allows it", async () => {
  for (const allowKeyless of [true, false]) {
    await using gateway = await startGateway({ allowKeyless });
    const send = await fetch(`${gateway.url}/send`, { method: "POST", headers: JSON_TYPE, body: ask });
    expect(send.status).toBe(200);
    const answer = (await send.json()) as { success: boolean; error: string };
    expect(answer.success).toBe(allowKeyless);
    if (!allowKeyless) {
      expect(answer).toMatchObject({ session_id: null, message: "" });
      expect(answer.error).toContain(`${gateway.url}/k/KEY`);
    }
    for (const [method, path] of [
      ["GET", "/poll/x"],
      ["POST", "/session/x/timeout"],
      ["POST", "/upload-image"],
      ["GET", "/"],
    ] as const) {
      const { status } = await fetch(gateway.url + path, { method });
      expect(status === 401, `${path} ${status}`).toBe(!allowKeyless);
    }
    expect((await fetch(`${gateway.url}/api/sessions`)).status).toBe(401);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/api/health`)).status).toBe(200);
  }
});

test("a call that a proxy forwarded needs a key, although it comes from loopback", async () => {
  await using gateway = await startGateway();
  for (const name of ["x-forwarded-for", "x-real-ip", "forwarded"]) {
    const response = await fetch(`${gateway.url}/poll/x`, { headers: { [name]: "203.0.113.9" } });
    expect(response.status).toBe(401);
  }
});

test("who calls without a key sees nothing but the earlier endpoints, and cannot answer", async () => {
  await using gateway = await startGateway();
  const sent = await fetch(`${gateway.url}/send`, { method: "POST", headers: JSON_TYPE, body: ask });
  const { session_id: id } = (await sent.json()) as { session_id: string };
  const response = await fetch(`${gateway.url}/api/sessions/${id}/respond`, {
    method: "POST",
    headers: JSON_TYPE,
    body: '{"response":"yes"}',
  });
  expect(response.status).toBe(401);
});

test("a console session changes things with JSON only (Y3)", async () => {
  await using gateway = await startGateway({ allowKeyless: false });
  const cookie = await gateway.cookie();
  const open = JSON.stringify({ interaction_type: "text_input", title: "t", message: "m" });
  const post = (type: string) =>
    fetch(`${gateway.url}/api/sessions`, {
      method: "POST",
      headers: { cookie, "content-type": type },
      body: open,
    });
  expect((await post("text/plain")).status).toBe(415);
  expect((await post("application/x-www-form-urlencoded")).status).toBe(415);
  expect((await post("application/json; charset=utf-8")).status).toBe(200);
  const origin = await fetch(`${gateway.url}/api/sessions`, {
    headers: { cookie, origin: "https://evil.example" },
  });
  expect(origin.status).toBe(403);
});

test("trap 8: a key is in no log line, no answer and no error text", async () => {
  const { log, text } = recordingLog();
  await using gateway = await startGateway({ log });
  const secrets = [
    gateway.ownerKey,
    "wrong-canary-key",
    gateway.access.keylessKey,
    gateway.access.serviceKey,
  ];
  let answers = "";
  for (const key of [gateway.ownerKey, "wrong-canary-key"]) {
    const basic = Buffer.from(`key:${key}`).toString("base64");
    for (const [method, path, headers, body] of [
      ["POST", `/k/${key}/send`, JSON_TYPE, ask],
      ["POST", `/k/${key}/send`, JSON_TYPE, "{"],
      ["GET", `/k/${key}/poll/x`, {}, undefined],
      ["GET", `/k/${key}/api/sessions/x`, {}, undefined],
      ["GET", `/k/${key}/nowhere`, {}, undefined],
      ["DELETE", `/k/${key}/send`, {}, undefined],
      ["POST", `/k/${key}/callback`, JSON_TYPE, "{}"],
      ["GET", "/api/sessions", { authorization: `Bearer ${key}` }, undefined],
      ["GET", "/api/sessions", { authorization: `Basic ${basic}` }, undefined],
    ] as const) {
      const response = await fetch(gateway.url + path, { method, headers, body });
      answers += JSON.stringify([...response.headers]) + (await response.text());
    }
  }
  await gateway.loseSessions();
  const lost = await fetch(`${gateway.url}/k/${gateway.ownerKey}/api/sessions`);
  answers += await lost.text();
  for (const secret of secrets) {
    for (const form of [secret, Buffer.from(`key:${secret}`).toString("base64")]) {
      expect(answers).not.toContain(form);
      expect(text()).not.toContain(form);
    }
  }
  expect(text()).toContain("/poll/{id}");
});

test("vendors' callbacks go to their face, with the key taken off and its owner named", async () => {
  await using gateway = await startGateway();
  for (const path of ["/callback", "/api/callback?x=1", `/k/${gateway.ownerKey}/api/callback`]) {
    expect((await fetch(gateway.url + path, { method: "POST", body: "{}" })).status).toBe(200);
  }
  expect(gateway.vendorCalls).toEqual([
    { path: "/callback", principal: undefined },
    { path: "/api/callback?x=1", principal: undefined },
    { path: "/api/callback", principal: "owner" },
  ]);
});

test("browsers get the console at /, programs what this is", async () => {
  await using gateway = await startGateway({ mode: "direct" });
  const page = await fetch(`${gateway.url}/`, { headers: { accept: "text/html,*/*" } });
  expect(await page.text()).toContain("console");
  expect(await (await fetch(`${gateway.url}/inbox`)).text()).toContain("console");
  const info = await fetch(`${gateway.url}/`, { headers: { accept: "*/*" } });
  expect(await info.json()).toEqual({
    service: "hil",
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    status: "running",
    mode: "direct",
  });
  const below = await fetch(`${gateway.url}/k/${gateway.ownerKey}/inbox`, {
    headers: { accept: "text/html" },
  });
  expect(below.status).toBe(404);
});

test("health has the fields of each mode and of both earlier systems, and counts the attached relays", async () => {
  const said = async (url: string, path: string) => (await fetch(url + path)).json();
  const more = { timestamp: expect.stringMatching(/\+00:00$/), version: expect.any(String), service: "hil" };
  for (const attached of [[], ["plant-2"], ["plant-2", "plant-3", "plant-4"]]) {
    await using gateway = await startGateway({ relays: (tenant) => (tenant === "_default" ? attached : []) });
    const worker_connected = attached.length > 0;
    const relay = { status: "healthy", mode: "relay", worker_connected, worker_count: attached.length };
    expect(await said(gateway.url, "/health")).toEqual(relay);
    expect(await said(gateway.url, "/api/health")).toEqual({ ...relay, ...more });
    expect(await said(gateway.url, "/")).toMatchObject({ mode: "relay", worker_connected });
  }
  await using gateway = await startGateway({ mode: "direct", relays: () => ["plant-2"] });
  expect(await said(gateway.url, "/health")).toEqual({ status: "healthy", mode: "direct" });
  expect(await said(gateway.url, "/api/health")).toEqual({
    status: "healthy",
    mode: "direct",
    worker_connected: null,
    worker_count: null,
    ...more,
  });
});

test("health never waits for the delivery service, and asks it once for all who ask at once", async () => {
  const none = { status: "healthy", mode: "relay", worker_connected: false, worker_count: 0 };
  let asked = 0;
  const silent = () => {
    asked += 1;
    return new Promise<never>(() => {});
  };
  {
    await using gateway = await startGateway({ relays: silent });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`${gateway.url}/health`)).json()),
    );
    expect(new Set(answers.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(none)]));
    expect(asked).toBeLessThan(20);
  }
  const broken = () => Promise.reject(new Error("no database"));
  await using gateway = await startGateway({ relays: broken });
  expect(await (await fetch(`${gateway.url}/health`)).json()).toEqual(none);
});

test("an unknown path is 404, a wrong method 405 with what is allowed, and HEAD is GET without a body", async () => {
  await using gateway = await startGateway();
  for (const path of [
    "/nowhere",
    "/api",
    "/api/nowhere",
    "/poll/",
    "/poll/a/b",
    "/sessions",
    "/health/",
    "/%00",
    "/k",
  ]) {
    const response = await fetch(gateway.url + path);
    expect(response.status, path).toBe(path === "/api" ? 200 : 404);
    if (response.status === 404) expect(await response.json()).toHaveProperty("error");
  }
  const wrong = await fetch(`${gateway.url}/send`);
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
  const sessions = await fetch(`${gateway.url}/api/sessions`, { method: "PUT" });
  expect([sessions.status, sessions.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
  const head = await fetch(`${gateway.url}/health`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect(Number(head.headers.get("content-length"))).toBeGreaterThan(10);
});

test("a caller that goes away in the middle of its body or of a wait leaves the server well", async () => {
  const { log, text } = recordingLog();
  await using gateway = await startGateway({ log, vendor: () => ({ state: "PENDING" }) });
  const port = Number(new URL(gateway.url).port);
  const halves = [
    "POST /send HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
    `POST /send HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${ask.length}\r\n\r\n${ask}`,
  ];
  for (const half of halves) {
    const socket = connect(port, "127.0.0.1");
    socket.write(half);
    if (half.endsWith("}")) await expect.poll(() => gateway.ordered.length).toBe(1);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resetAndDestroy();
    await closed;
  }
  expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  expect(text()).not.toContain("a request failed");
});

test("a request that was refused before its body was read leaves the connection usable", async () => {
  await using gateway = await startGateway({ allowKeyless: false });
  for (let times = 0; times < 5; times++) {
    const refused = await fetch(`${gateway.url}/api/sessions`, {
      method: "POST",
      headers: JSON_TYPE,
      body: JSON.stringify({ x: "y".repeat(1_000_000) }),
    });
    expect(refused.status).toBe(401);
    await refused.text();
  }
});

test("a key before the path and a body work over cleartext HTTP/2 too", async () => {
  await using gateway = await startGateway({ allowKeyless: false });
  const client = http2.connect(gateway.url);
  const stream = client.request({
    ":method": "POST",
    ":path": `/k/${gateway.ownerKey}/api/send`,
    "content-type": "application/json",
  });
  stream.end(ask);
  let text = "";
  for await (const chunk of stream) text += chunk;
  client.close();
  expect(JSON.parse(text)).toMatchObject({ success: true, session_id: expect.any(String) });
});
