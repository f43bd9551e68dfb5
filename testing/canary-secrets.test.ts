// I12, S5: secrets go through a running deployment by every way that they can, right and wrong, and must not come out.

import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { CRASHED } from "@hil/platform/lifecycle/crash.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Canaries } from "./canary/canaries.ts";
import { filesOf, type ObservedServer, startObservedServer } from "./canary/observed-server.ts";
import { type FakeWecom, startFakeWecom } from "./fake-wecom/fake-wecom.ts";

const canaries = new Canaries();
const SESSION = "/hil.session.v1.SessionService";
const UNKNOWN_ID = "0190b1c2-0000-7000-8000-000000000000";
const CHAT = "chat-1";

const ownerKey = canaries.make("the owner key", (random) => `hil_owner_${random}`);
const botKey = canaries.make("the robot's key");
const callbackValue = canaries.make("the callback header's value");
let folder: string;
let vendor: FakeWecom;
let server: ObservedServer;
let asOwner: Transport;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-canary-"));
  vendor = await startFakeWecom({ key: botKey, callbackHeader: ["x-callback-key", callbackValue] });
  const proxyPassword = canaries.make("the proxy's password");
  server = await startObservedServer({
    HIL_DATA_DIR: folder,
    HIL_LOG_LEVEL: "trace",
    HIL_OWNER_KEY: ownerKey,
    HIL_MASTER_KEY: canaries.add("the master key", randomBytes(32).toString("base64")),
    HIL_TRUSTED_PROXIES: "127.0.0.1",
    HIL_OIDC_ISSUER: "http://127.0.0.1:9/issuer",
    HIL_OIDC_CLIENT_ID: "hil",
    HIL_OIDC_CLIENT_SECRET: canaries.make("the provider's client secret"),
    HIL_JWT_ISSUER: "http://127.0.0.1:9/issuer",
    HIL_JWT_AUDIENCE: "hil",
    BOT_KEY: botKey,
    WECOM_API_URL: vendor.url,
    CALLBACK_AUTH_KEY: "x-callback-key",
    CALLBACK_AUTH_VALUE: callbackValue,
    http_proxy: `http://proxy-user:${proxyPassword}@127.0.0.1:9`,
    https_proxy: `http://proxy-user:${proxyPassword}@127.0.0.1:9`,
  });
  vendor.callbackUrl = `${server.url}/api/callback`;
  asOwner = as(ownerKey);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await vendor?.close();
  rmSync(folder, { recursive: true, force: true });
});

const as = (key: string): Transport =>
  createConnectTransport({
    baseUrl: server.url,
    httpVersion: "2",
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${key}`);
        return next(request);
      },
    ],
  });

let hosts = 0;
/** An address of its own for each guess, so that each is verified. */
const newAddress = () => ({ "x-forwarded-for": `198.51.${hosts >> 8}.${hosts++ & 255}` });

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const digits = (hex: string) =>
  BigInt(`0x${Buffer.from(hex).toString("hex")}`)
    .toString(36)
    .padEnd(43, "x")
    .slice(0, 43);

/** Credentials that nobody has, in every form that is read. */
const WRONG: readonly (readonly [string, (random: string) => string])[] = [
  ["a wrong key", (random) => random],
  ["a wrong owner key", (random) => `hil_owner_${random}`],
  [
    "a wrong API key of the right form",
    (random) => {
      const body = `hil_agent_abcdefghij12_${digits(random)}`;
      return `${body}_${crc32(body).toString(16).padStart(8, "0")}`;
    },
  ],
  ["a broken API key", (random) => `hil_agent_abcdefghij12_${digits(random)}_00000000`],
  [
    "a wrong token",
    (random) => {
      const head = `${base64url({ alg: "RS256", kid: random, typ: "JWT" })}.${base64url({ iss: "http://127.0.0.1:9/issuer", aud: "hil", sub: random, exp: 4_000_000_000 })}`;
      return `${head}.${createHmac("sha256", random).update(head).digest("base64url")}`;
    },
  ],
];

const ask = JSON.stringify({ body: "go on?", projectName: "canary", interaction: { text: {} } });

/** The faces that a credential can be shown to. */
const FACES: readonly (readonly [string, (headers: Record<string, string>) => Promise<unknown>])[] = [
  [
    "Connect on HTTP/2",
    (headers) =>
      server.send2(
        "POST",
        `${SESSION}/CreateSession`,
        { ...headers, "content-type": "application/json" },
        ask,
      ),
  ],
  [
    "Connect on HTTP/1.1",
    (headers) =>
      server.send1(
        "POST",
        `${SESSION}/CreateSession`,
        { ...headers, "content-type": "application/json" },
        ask,
      ),
  ],
  [
    "Connect by GET",
    (headers) =>
      server.send1("GET", `${SESSION}/GetSession?connect=v1&encoding=json&message=%7B%7D`, headers),
  ],
  [
    "gRPC",
    (headers) =>
      server.send2(
        "POST",
        `${SESSION}/GetSession`,
        { ...headers, "content-type": "application/grpc" },
        Buffer.alloc(5),
      ),
  ],
  [
    "gRPC-Web",
    (headers) =>
      server.send1(
        "POST",
        `${SESSION}/GetSession`,
        { ...headers, "content-type": "application/grpc-web+proto" },
        Buffer.alloc(5),
      ),
  ],
  [
    "a stream",
    (headers) =>
      server.send2(
        "POST",
        `${SESSION}/WatchSessions`,
        { ...headers, "content-type": "application/connect+json" },
        Buffer.alloc(5),
      ),
  ],
  [
    "the earlier send",
    (headers) =>
      server.send1(
        "POST",
        "/api/send",
        { ...headers, "content-type": "application/json" },
        '{"message":"x"}',
      ),
  ],
  ["the earlier poll", (headers) => server.send1("GET", `/api/poll/${UNKNOWN_ID}`, headers)],
  [
    "the workflow face",
    (headers) =>
      server.send2("POST", "/api/sessions", { ...headers, "content-type": "application/json" }, "{}"),
  ],
  [
    "the callback",
    (headers) =>
      server.send1("POST", "/api/callback", { ...headers, "content-type": "application/json" }, "{}"),
  ],
  ["the console", (headers) => server.send1("GET", "/inbox", { ...headers, accept: "text/html" })],
  ["health", (headers) => server.send1("GET", "/health", headers)],
  ["metrics", (headers) => server.send1("GET", "/metrics", headers)],
  ["nowhere", (headers) => server.send1("GET", "/no/such/path", headers)],
];

test("wrong credentials are not repeated to anybody, at any face", async () => {
  for (const [face, show] of FACES) {
    for (const [name, form] of WRONG) {
      const key = canaries.make(`${name} shown to ${face}`, form);
      await show({ ...newAddress(), authorization: `Bearer ${key}` });
    }
    const password = canaries.make(`a wrong password shown to ${face}`);
    await show({
      ...newAddress(),
      authorization: `Basic ${Buffer.from(`user:${password}`).toString("base64")}`,
    });
    const session = canaries.make(`a wrong console session shown to ${face}`);
    await show({ ...newAddress(), cookie: `theme=dark; hil_console=${session}` });
    await show({
      ...newAddress(),
      authorization: `Digest ${canaries.make(`an unread scheme shown to ${face}`)}`,
    });
    await show({ ...newAddress(), "x-api-key": canaries.make(`a wrong x-api-key shown to ${face}`) });
    await show({
      ...newAddress(),
      "x-callback-key": canaries.make(`a wrong callback value shown to ${face}`),
    });
  }
});

test("keys in addresses are not repeated to anybody", async () => {
  const paths = [
    "/api/send",
    "/send",
    `/api/poll/${UNKNOWN_ID}`,
    "/api/sessions",
    "/inbox",
    "/health",
    "/no/such/path",
    "",
  ];
  for (const path of paths) {
    const inPath = canaries.make(`a wrong key in front of ${path}`);
    await server.send1(
      "POST",
      `/k/${inPath}${path}`,
      { ...newAddress(), "content-type": "application/json" },
      "{}",
    );
    const inQuery = canaries.make(`a key in the query of ${path}`);
    await server.send2("GET", `${path || "/"}?key=${inQuery}&token=${inQuery}&code=${inQuery}`, newAddress());
  }
  await server.send1("GET", `/k/${ownerKey}/no/such/path`, {});
  await server.send1("POST", `/k/${ownerKey}/api/send`, { "content-type": "application/json" }, "not JSON");
  await server.send1(
    "GET",
    `/k/%zz${canaries.make("a key that cannot be decoded")}/api/poll/x`,
    newAddress(),
  );
  const state = canaries.make("the state of a sign-in");
  await server.send1(
    "GET",
    `/login/oidc/callback?code=${canaries.make("the code of a sign-in")}&state=${state}`,
    newAddress(),
  );
  await server.send1("GET", "/login/oidc", newAddress());
});

test("what is shown for signing in is not repeated to anybody", async () => {
  const signIn = (body: string) =>
    server.send1(
      "POST",
      "/api/console/sign-in",
      { ...newAddress(), "content-type": "application/json" },
      body,
    );
  await signIn(JSON.stringify({ key: canaries.make("a wrong key at the sign-in") }));
  await signIn(JSON.stringify({ token: canaries.make("a wrong sign-in token") }));
  await signIn(`{"key":"${canaries.make("a key in broken JSON at the sign-in")}"`);
  await signIn(JSON.stringify({ password: canaries.make("a key under another name at the sign-in") }));
  const { token } = await createClient(AccessService, asOwner).createSignInLink({});
  canaries.add("a right sign-in token", token);
  const signedIn = await signIn(JSON.stringify({ token }));
  const cookie = /hil_console=([^;\n]+)/.exec(signedIn.text)![1]!;
  expect(signedIn.status).toBe(204);
  expect(cookie).toBeTruthy();
  (server.answers as unknown[]).pop(); // the one answer that has to hand the cookie over
  canaries.add("a right console session", cookie);
  await signIn(JSON.stringify({ token })); // used up
  const shown = { cookie: `hil_console=${cookie}`, "content-type": "application/json" };
  await server.send1("POST", `${SESSION}/GetSession`, shown, JSON.stringify({ sessionId: UNKNOWN_ID }));
  await server.send1("POST", `${SESSION}/GetSession`, shown, "not JSON");
  await server.send1("POST", "/api/console/sign-out", shown, "{}");
  await server.send1("POST", `${SESSION}/GetSession`, shown, JSON.stringify({ sessionId: UNKNOWN_ID }));
});

test("API keys that HIL made are shown once and never again", async () => {
  const access = createClient(AccessService, asOwner);
  await access.createTenant({ tenantId: "team" });
  for (const role of [Role.AGENT, Role.RESPONDER, Role.ADMINISTRATOR, Role.AUDITOR, Role.OPERATOR]) {
    const made = await access.createApiKey({ tenantId: "team", name: `for ${role}`, roles: [role] });
    const keyId = made.apiKey!.id;
    canaries.add(`an API key for role ${role}`, made.secret);
    const rotated = await access.rotateApiKey({ tenantId: "team", keyId });
    canaries.add(`a rotated API key for role ${role}`, rotated.secret);
    const headers = { authorization: `Bearer ${rotated.secret}`, "content-type": "application/json" };
    for (const path of [
      `${SESSION}/GetSession`,
      "/hil.access.v1.AccessService/CreateTenant",
      `${SESSION}/SubmitReply`,
    ]) {
      await server.send2("POST", path, headers, JSON.stringify({ sessionId: UNKNOWN_ID }));
      await server.send2("POST", path, headers, "not JSON");
    }
    await server.send1("POST", `/k/${rotated.secret}/api/send`, { "content-type": "application/json" }, "{}");
    await access.revokeApiKey({ tenantId: "team", keyId: rotated.apiKey!.id });
    await server.send2("POST", `${SESSION}/GetSession`, headers, JSON.stringify({ sessionId: UNKNOWN_ID }));
  }
  const json = { authorization: `Bearer ${ownerKey}`, "content-type": "application/json" };
  for (const method of ["ListApiKeys", "ListAuditRecords", "GetTenant"]) {
    await server.send2("POST", `/hil.access.v1.AccessService/${method}`, json, '{"tenantId":"team"}');
  }
});

test("a robot's key and what stands in its address are not repeated to anybody", async () => {
  const json = { authorization: `Bearer ${ownerKey}`, "content-type": "application/json" };
  const call = (method: string, body: object) =>
    server.send2("POST", `/hil.delivery.v1.DeliveryService/${method}`, json, JSON.stringify(body));
  for (let n = 0; n < 5; n++) {
    const key = canaries.make("a tenant's robot key");
    await call("CreateChannel", { channelId: `robot-${n}`, settings: { wecomRobot: { botKey: key } } });
    await call("CreateChannel", { channelId: `robot-${n}`, settings: { wecomRobot: { botKey: key } } });
    await call("TestChannel", { channelId: `robot-${n}`, chatId: CHAT });
    await call("GetChannel", { channelId: `robot-${n}` });
  }
  const password = canaries.make("a password in a channel's address");
  const apiUrl = `https://user:${password}@vendor.example/?token=${canaries.make("a token in a channel's address")}`;
  await call("CreateChannel", {
    channelId: "robot-9",
    settings: { wecomRobot: { botKey: canaries.make("a robot key"), apiUrl } },
  });
  await call("CreateChannel", {
    channelId: "NOT A NAME",
    settings: { wecomRobot: { botKey: canaries.make("a robot key") } },
  });
  await call("CreateChannel", {
    channelId: "robot-8",
    settings: { wecomRobot: { botKey: `${canaries.make("a robot key")} /?&` } },
  });
  await call("CreateChannel", {
    channelId: "robot-7",
    settings: { wecomRobot: { botKeys: canaries.make("a robot key under another name") } },
  });
  await call("CreateChannel", {
    channelId: "robot-6",
    settings: { wecomRobot: { botKey: [canaries.make("a robot key in a list")] } },
  });
  for (const method of ["ListChannels", "ListAuditRecords", "ListDeliveries"]) await call(method, {});
});

test("secrets in requests that cannot be read are not repeated to anybody", async () => {
  const headers = { authorization: `Bearer ${ownerKey}` };
  const rpc = [
    `${SESSION}/CreateSession`,
    `${SESSION}/AnswerSession`,
    "/hil.access.v1.AccessService/StartConsoleSession",
  ];
  for (const path of [...rpc, "/api/send", "/api/sessions", "/api/callback", "/api/upload-image"]) {
    const secret = () => canaries.make(`a secret in a broken request to ${path}`);
    const bodies = [
      secret(),
      `{"token":"${secret()}"`,
      JSON.stringify({ interaction: { text: secret() }, timeout: secret(), message: [secret()] }),
      JSON.stringify({ secret: secret(), ownerKey: { value: secret() }, session_id: secret() }),
    ];
    for (const body of bodies) {
      await server.send1("POST", path, { ...headers, "content-type": "application/json" }, body);
      await server.send2("POST", path, { ...headers, "content-type": "application/json" }, body);
    }
    await server.send2("POST", path, { ...headers, "content-type": "application/proto" }, secret());
    await server.send1("POST", path, { ...headers, "content-type": `text/${secret()}` }, secret());
  }
});

test("what a message hides from channels is in no log either", async () => {
  const sessions = createClient(SessionService, asOwner);
  const audience = {
    targets: [{ channelId: "wecom-robot", chatId: CHAT }],
  };
  const masked = Array.from({ length: 15 }, () => canaries.make("a secret in a message"));
  for (const [n, secret] of masked.entries()) {
    const said = [`password=${secret}`, `Authorization: Bearer ${secret}`, `postgres://hil:${secret}@db/hil`][
      n % 3
    ]!;
    await sessions.createSession({
      projectName: "canary",
      body: `Run number ${n} with ${said} now?`,
      interaction: { kind: { case: "text", value: {} } },
      audience,
    });
  }
  await expect
    .poll(() => vendor.calls.filter(({ body }) => body.includes("Run number")).length, { timeout: 20_000 })
    .toBe(masked.length);
  expect(vendor.calls.flatMap(({ body }) => canaries.sightings(body, "the vendor"))).toEqual([]);
});

test("a sensitive question and its answer are on disk only as they are sealed", async () => {
  const sessions = createClient(SessionService, asOwner);
  const text = (what: string) => canaries.make(`sensitive ${what}`);
  const question = (what: string) => ({
    projectName: "canary",
    title: text(`title of a question ${what}`),
    body: text(`body of a question ${what}`),
    context: [{ key: text("context key"), value: text("context value") }],
    interaction: { kind: { case: "text" as const, value: {} } },
    sensitive: true,
  });
  for (let n = 0; n < 4; n++) {
    const { session } = await sessions.createSession(question("in the console"));
    const sessionId = session!.id;
    await sessions.answerSession({
      sessionId,
      requestId: "answer",
      value: { kind: { case: "text", value: { text: text("answer") } } },
      note: text("note"),
    });
    // Who comes too late is told the winning answer, as he may read it; so only the log is looked at.
    const late = { kind: { case: "text" as const, value: { text: text("late answer") } } };
    await expect(sessions.answerSession({ sessionId, requestId: "late", value: late })).rejects.toThrow();
    const headers = { authorization: `Bearer ${ownerKey}`, "content-type": "application/json" };
    await server.send2("POST", `${SESSION}/ListEvents`, headers, JSON.stringify({ sessionId }));
    await server.send2("POST", `${SESSION}/ListAuditRecords`, headers, "{}");
  }
  for (let n = 0; n < 4; n++) {
    const chatId = `chat-of-sensitive-${n}`;
    const { session } = await sessions.createSession({
      ...question("in a chat"),
      audience: { targets: [{ channelId: "wecom-robot", chatId }] },
    });
    const sessionId = session!.id;
    const shown = await vendor.waitForMessage((message) => message.chatId === chatId);
    const said = text("reply in a chat");
    await vendor.person.reply({ chatid: chatId, text: said, quote: shown });
    const answered = await sessions.waitSession({ sessionId, untilEnded: true, wait: { seconds: 20n } });
    expect(answered.session!.answer?.value?.kind.value).toMatchObject({ text: said });
    await vendor.person.reply({ chatid: chatId, text: text("late reply in a chat"), quote: shown });
  }
}, 60_000);

test("I12: of all of these none is in a log, an answer, a header or a file, nor where the process crashes", async () => {
  expect(canaries.size).toBeGreaterThanOrEqual(200);
  for (const path of ["/health", "/healthz", "/readyz", "/metrics", "/api/health"])
    await server.send1("GET", path, {});
  expect(await server.end("SIGHUP")).toBe(CRASHED);
  expect(server.log()).toContain("ECONNREFUSED"); // it did say why it ended

  const found = [
    ...server
      .log()
      .split("\n")
      .flatMap((line) => canaries.sightings(line, `the log: ${line.slice(0, 300)}`)),
    ...server.answers.flatMap(({ where, status, text }) =>
      canaries.sightings(text, `an answer ${status} to ${where}: ${text.slice(-300)}`),
    ),
    ...filesOf(folder).flatMap(({ path, text }) => [
      ...canaries.sightings(path, `the name of ${path}`),
      ...canaries.sightings(text, path, (name) => !name.startsWith("a secret in a message")),
    ]),
  ];
  expect(found).toEqual([]);
  expect(server.answers.length).toBeGreaterThan(300);
}, 120_000);
