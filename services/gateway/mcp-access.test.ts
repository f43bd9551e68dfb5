import { create } from "@bufbuild/protobuf";
import { TenantSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { createRateLimits } from "@hil/platform/limits/rate-limits.ts";
import { afterEach, expect, test } from "vitest";
import { readGatewayConfig } from "./config.ts";
import { misplacedCredential } from "./mcp-access.ts";
import type { McpHttp } from "./service.ts";
import { type RunningGateway, startGateway } from "./testing/running-gateway.ts";

let gateway: RunningGateway | undefined;
afterEach(async () => {
  await gateway?.[Symbol.asyncDispose]();
  gateway = undefined;
});

/** Says yes to all that reaches it, and keeps what it was shown. */
function fakeMcp(): McpHttp & { readonly reached: Readonly<Record<string, string>>[] } {
  const reached: Readonly<Record<string, string>>[] = [];
  return {
    reached,
    matches: (path) => path === "/mcp",
    async handle(_request, response, credential) {
      reached.push(credential);
      response.end("{}");
    },
  };
}

const post = (path = "/mcp", headers: Record<string, string> = {}) =>
  fetch(`${gateway!.url}${path}`, { method: "POST", body: "{}", headers });
const withKey = () => ({ authorization: `Bearer ${gateway!.ownerKey}` });

test("without an issuer there are no metadata, and the challenge names none", async () => {
  gateway = await startGateway({ mcpHttp: fakeMcp, allowKeyless: false });
  const refused = await post();
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  const wrong = await post("/mcp", { authorization: "Bearer wrong" });
  expect(wrong.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  expect((await fetch(`${gateway.url}/.well-known/oauth-protected-resource`)).status).toBe(404);
});

test("the metadata are of this deployment's address, whatever name the request came by", async () => {
  const tokens = { issuer: "https://id.example.com", scopes: [] };
  gateway = await startGateway({ mcpHttp: fakeMcp, allowKeyless: false, tokens });
  const port = new URL(gateway.url).port;
  const answer = await fetch(`http://localhost:${port}/.well-known/oauth-protected-resource/mcp`);
  expect(await answer.json()).toEqual({
    resource: `${gateway.url}/mcp`,
    resource_name: "HIL",
    authorization_servers: ["https://id.example.com"],
    bearer_methods_supported: ["header"],
  });
  expect((await post()).headers.get("www-authenticate")).toBe(
    `Bearer resource_metadata="${gateway.url}/.well-known/oauth-protected-resource/mcp"`,
  );
});

test("challenges are for MCP: other faces refuse as they did", async () => {
  gateway = await startGateway({ mcpHttp: fakeMcp, allowKeyless: false });
  const refused = await fetch(`${gateway.url}/api/sessions`, { method: "POST", body: "{}" });
  expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, null]);
});

test("a console session calls no tools: only a credential in the Authorization header does (Y3)", async () => {
  const mcp = fakeMcp();
  gateway = await startGateway({ mcpHttp: () => mcp, allowKeyless: false });
  expect((await post("/mcp", { cookie: await gateway.cookie() })).status).toBe(401);
  expect(mcp.reached).toEqual([]);
  expect((await post("/mcp", withKey())).status).toBe(200);
  expect(mcp.reached).toEqual([withKey()]);
});

test("Y4: who calls too often hears so before the request is read, and when to come back", async () => {
  const tenant = create(TenantSchema, { policy: { limits: { callsPerSecond: 1 } } });
  const time = new Date();
  const mcp = fakeMcp();
  gateway = await startGateway({
    mcpHttp: () => mcp,
    limits: createRateLimits({ tenants: { get: () => tenant }, now: () => time }),
  });
  // Here nothing counts calls but what the services count; an RPC of theirs is called until it is too often.
  const poll = `${gateway.url}/api/poll/0190b1c2-0000-7000-8000-000000000000`;
  for (let n = 0; n < 10; n++) await fetch(poll, { headers: withKey() });
  const refused = await post("/mcp", withKey());
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  expect(mcp.reached).toEqual([]);
});

test.each([
  ["access_token=x", undefined, 400],
  ["chat_id=wrk1&Token=x", undefined, 400],
  ["api_key=", undefined, 400],
  ["chat_id=token&project_name=key", undefined, undefined],
  ["", "hil_agent_abc_def", undefined],
  ["", "eyJhbGciOi.eyJzdWIi.c2ln", 400],
])("a credential in ?%s with the path key %s: %s", (query, pathKey, status) => {
  expect(misplacedCredential(new URLSearchParams(query), pathKey)?.status).toBe(status);
});

test("clients are told the issuer and the scopes that tokens are checked for", () => {
  const environment = { HIL_JWT_ISSUER: "https://id.example.com", HIL_JWT_SCOPES: "hil:ask, hil:read" };
  expect(readGatewayConfig(environment).tokens).toEqual({
    issuer: "https://id.example.com",
    scopes: ["hil:ask", "hil:read"],
  });
  expect(readGatewayConfig({ HIL_JWT_SCOPES: "hil:ask" }).tokens).toBeUndefined();
});
