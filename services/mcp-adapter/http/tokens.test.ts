// MCP with tokens of an identity provider, as the authorization chapter of the specification demands.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  AUDIENCE,
  CLIENT,
  part,
  signed,
  startTokenIssuer,
  type TokenIssuer,
} from "@hil/access/testing/token-issuer.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import {
  Client,
  ClientCredentialsProvider,
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { discoverOAuthProtectedResourceMetadata as discoverByOlder } from "@modelcontextprotocol/sdk/client/auth.js";
import { ClientCredentialsProvider as OldCredentialsProvider } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startFakeWecom } from "../../../testing/fake-wecom/fake-wecom.ts";
import { freePort } from "../../../testing/servers/free-port.ts";
import { readResult } from "../testing/adapter-process.ts";
import { type HilProcess, startHil } from "../testing/hil-process.ts";
import { connectOverHttp, negotiation, post } from "../testing/http-client.ts";

const LIST = { id: 1, method: "tools/list" };
const OWNER_KEY = "hil_owner_test_0123456789abcdef0123456789";

let issuer: TokenIssuer;
let hil: HilProcess;
beforeAll(async () => {
  issuer = await startTokenIssuer(() => new Date());
  hil = await startHil({
    HIL_OWNER_KEY: OWNER_KEY,
    HIL_JWT_ISSUER: issuer.url,
    HIL_JWT_AUDIENCE: AUDIENCE,
    HIL_JWT_SCOPES: "hil:ask",
  });
  await access().createTenant({ tenantId: "team-a" });
  await access().createTenant({ tenantId: "team-b" });
});
afterAll(async () => {
  await hil[Symbol.asyncDispose]();
  await issuer.close();
});

function access({ url } = hil) {
  const withKey: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${OWNER_KEY}`);
    return next(request);
  };
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", interceptors: [withKey] });
  return createClient(AccessService, transport);
}

const token = (claims: Record<string, unknown> = {}) => issuer.token({ scope: "hil:ask", ...claims });
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
const list = (credential: string) => post(hil.url, LIST, bearer(credential));
const seconds = () => Math.floor(Date.now() / 1000);

describe("a token", () => {
  test.each(["legacy", "modern"] as const)("lets its agent ask, era %s", async (era) => {
    await using agent = await connectOverHttp(hil, token(), { era });
    expect(readResult(await agent.call("list_pending"))).toMatchObject({ status: "success", pending: [] });
  });

  test.each<[string, () => string]>([
    ["for another audience", () => token({ aud: "https://other.example.com" })],
    ["for an audience that begins with ours", () => token({ aud: `${AUDIENCE}.evil.example` })],
    ["for nobody", () => token({ aud: undefined })],
    ["of another issuer", () => token({ iss: "https://evil.example" })],
    ["that is over", () => token({ exp: seconds() - 60 })],
    ["that is not valid yet", () => token({ nbf: seconds() + 600 })],
    ["without an end", () => token({ exp: undefined })],
    ["of a tenant that does not exist", () => token({ tenant: "team-z" })],
    ["of no tenant", () => token({ tenant: undefined })],
    ["without a signature", () => `${part({ alg: "none", typ: "JWT" })}.${part(issuer.claims())}.`],
    [
      "signed with the public key as a secret",
      () =>
        signed({ alg: "HS256", typ: "JWT", kid: "rsa-1" }, issuer.claims({ scope: "hil:ask" }), (input) =>
          createHmac("sha256", issuer.rsaPublicPem).update(input).digest(),
        ),
    ],
    ["of another type", () => issuer.token({ scope: "hil:ask" }, { typ: "logout+jwt" })],
    ["that is none", () => "a.b.c"],
  ])("%s is refused with 401, as one that is not valid", async (_, make) => {
    const refused = await list(make());
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });

  test("of one tenant sees nothing of another, nor of another subject", async () => {
    await using mine = await connectOverHttp(hil, token());
    await using colleague = await connectOverHttp(hil, token({ sub: "user-8" }));
    await using stranger = await connectOverHttp(hil, token({ tenant: "team-b" }));
    const input = { message: "Whose token?", max_wait_seconds: 10 };
    const giveUp = new AbortController();
    const asking = mine.call("send_and_wait_reply", input, { signal: giveUp.signal }).catch(() => undefined);
    const sessions = async () =>
      readResult(await mine.call("list_pending")).pending as { session_id: string }[];
    while ((await sessions()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const [{ session_id: id }] = (await sessions()) as [{ session_id: string }];
    for (const other of [colleague, stranger]) {
      expect(readResult(await other.call("list_pending"))).toMatchObject({ pending: [] });
      expect((await other.call("wait_for_reply", { session_id: id })).isError).toBe(true);
      expect((await other.call("cancel_request", { session_id: id })).isError).toBe(true);
    }
    giveUp.abort();
    await asking;
  });

  test("without the scope is refused with 403, and the challenge says which", async () => {
    const refused = await list(issuer.token({ scope: "openid" }));
    expect(refused.status).toBe(403);
    expect(refused.headers.get("www-authenticate")).toBe(
      `Bearer error="insufficient_scope", resource_metadata="${hil.url}/.well-known/oauth-protected-resource/mcp", scope="hil:ask"`,
    );
  });

  test.each(["access_token", "token", "api_key", "Authorization"])(
    "in the query as %s is refused, also where it is right",
    async (name) => {
      const url = `${hil.url}/mcp?${name}=${token()}`;
      for (const headers of [{}, bearer(token())]) {
        const refused = await fetch(url, { method: "POST", headers: { ...headers }, body: "{}" });
        expect(refused.status).toBe(400);
        expect(await refused.text()).toContain("send Authorization: Bearer");
      }
    },
  );

  test("in the path is refused; an API key may stand there", async () => {
    const send = (key: string) =>
      fetch(`${hil.url}/k/${key}/mcp`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
        body: JSON.stringify({ jsonrpc: "2.0", ...LIST }),
      });
    expect((await send(token())).status).toBe(400);
    expect((await send(OWNER_KEY)).status).toBe(200);
  });

  test("that names another tenant beside it is refused, and no challenge is made of that", async () => {
    const refused = await post(hil.url, LIST, { ...bearer(token()), "hil-tenant": "team-b" });
    expect(refused.status).toBe(403);
    expect(refused.headers.get("www-authenticate")).toBeNull();
  });
});

test("a token goes nowhere outside: what HIL sends to vendors and the issuer has nothing of it (T3)", async () => {
  const key = "0f1e2d3c-0000-4000-8000-123456789abc";
  await using wecom = await startFakeWecom({ key });
  const sent: string[] = [];
  const recorder = createServer(async (request, response) => {
    const body = await text(request);
    sent.push(JSON.stringify([request.url, request.rawHeaders, body]));
    const onward = await fetch(`${wecom.url}${request.url}`, {
      method: request.method!,
      headers: { "content-type": request.headers["content-type"] ?? "application/json" },
      ...(body === "" ? {} : { body }),
    });
    response.writeHead(onward.status).end(await onward.text());
  });
  await once(recorder.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = recorder.address() as AddressInfo;
    await using own = await startHil({
      HIL_OWNER_KEY: OWNER_KEY,
      HIL_JWT_ISSUER: issuer.url,
      HIL_JWT_AUDIENCE: AUDIENCE,
      BOT_KEY: key,
      WECOM_API_URL: `http://127.0.0.1:${port}`,
    });
    const credential = issuer.token({ tenant: "_default", jti: "told-to-nobody-else" });
    await using agent = await connectOverHttp(own, credential, { path: "/mcp?chat_id=wrk1" });
    expect((await agent.call("send_message_only", { message: "By token" })).isError).toBe(false);
    await wecom.waitForMessage((message) => message.text.includes("By token"));
    expect(sent.length).toBeGreaterThan(0);
    for (const each of [...sent, ...issuer.requests]) {
      for (const secret of credential.split(".")) expect(each).not.toContain(secret);
      expect(each).not.toMatch(/authorization/i);
    }
  } finally {
    recorder.closeAllConnections();
    recorder.close();
  }
});

describe("a client that signs in by itself", () => {
  let own: HilProcess;
  beforeAll(async () => {
    const port = await freePort();
    own = await startHil({
      HIL_PORT: String(port),
      HIL_OWNER_KEY: OWNER_KEY,
      HIL_JWT_ISSUER: issuer.url,
      HIL_JWT_AUDIENCE: `http://127.0.0.1:${port}/mcp`,
      HIL_JWT_SCOPES: "hil:ask",
    });
    await access(own).createTenant({ tenantId: "team-a" });
  });
  afterAll(() => own[Symbol.asyncDispose]());

  test.each([
    [
      "of today's SDK",
      async (url: URL) => {
        const authProvider = new ClientCredentialsProvider({
          clientId: CLIENT.id,
          clientSecret: CLIENT.secret,
          expectedIssuer: issuer.url,
        });
        const client = new Client({ name: "signs-in", version: "1" }, negotiation("auto"));
        await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
        return client;
      },
    ],
    [
      "of the older SDK",
      async (url: URL) => {
        const authProvider = new OldCredentialsProvider({
          clientId: CLIENT.id,
          clientSecret: CLIENT.secret,
          expectedIssuer: issuer.url,
          scope: "hil:ask", // it does not read this off the challenge
        });
        const client = new OldClient({ name: "signs-in", version: "1" });
        await client.connect(new OldTransport(url, { authProvider }));
        return client;
      },
    ],
  ])("%s finds the issuer by the challenge, and gets a token that is for HIL", async (_, connect) => {
    const before = issuer.requests.length;
    const client = await connect(new URL(`${own.url}/mcp`));
    const { structuredContent } = await client.callTool({ name: "list_pending", arguments: {} });
    expect(structuredContent).toMatchObject({ status: "success" });
    await client.close();
    expect(issuer.requests.slice(before)).toContain("/token");
  });
});

describe("who brings no credential", () => {
  test("is told where the metadata are, and both SDKs find them", async () => {
    const refused = await post(hil.url, LIST);
    expect(refused.status).toBe(401);
    const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(refused);
    expect(String(resourceMetadataUrl)).toBe(`${hil.url}/.well-known/oauth-protected-resource/mcp`);
    expect(scope).toBe("hil:ask");
    const metadata = {
      resource: `${hil.url}/mcp`,
      authorization_servers: [issuer.url],
      bearer_methods_supported: ["header"],
      scopes_supported: ["hil:ask"],
    };
    const byHeader = await discoverOAuthProtectedResourceMetadata(`${hil.url}/mcp`, { resourceMetadataUrl });
    expect(byHeader).toMatchObject(metadata);
    expect(await discoverByOlder(`${hil.url}/mcp`)).toMatchObject(metadata);
  });

  test("finds the metadata of all that is served at the root too", async () => {
    const metadata = await fetch(`${hil.url}/.well-known/oauth-protected-resource`);
    expect(await metadata.json()).toMatchObject({ resource: hil.url, authorization_servers: [issuer.url] });
  });

  test("is told so by every method", async () => {
    for (const method of ["GET", "DELETE", "POST"]) {
      expect((await fetch(`${hil.url}/mcp`, { method })).status).toBe(401);
    }
  });
});

test("a revision that is not spoken is refused with 400", async () => {
  const initialized = await post(hil.url, LIST, { ...bearer(token()), "mcp-protocol-version": "1999-01-01" });
  expect(initialized.status).toBe(400);
  expect((await initialized.json()).error.message).toMatch(/version/i);
});

test("a page of another origin, or another name of the host, is refused before the token is looked at", async () => {
  const requests = issuer.requests.length;
  const other = await post(hil.url, LIST, { ...bearer(token()), origin: "https://evil.example" });
  expect(other.status).toBe(403);
  expect(issuer.requests.length).toBe(requests);
});
