// What a peer may use up of a listener, and how it is refused: on the wire, with clients that break the rules.

import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { gzipSync } from "node:zlib";
import { create, type DescService } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { TenantSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { GetSessionRequestSchema, SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Principal } from "../auth/principal.ts";
import { hilError, metadataOf, reasonOf } from "../errors/hil-error.ts";
import { MAX_FAILURES } from "../limits/failed-credentials.ts";
import { createRateLimits } from "../limits/rate-limits.ts";
import { PROMPT_REFUSALS } from "../limits/slow-refusals.ts";
import { type Authenticate, defineService, type Handlers } from "../rpc/service.ts";
import { silentLog } from "../telemetry/log.ts";
import { callGrpc } from "../testing/grpc-client.ts";
import { createTrustedProxies } from "./client-address.ts";
import { MAX_STRANGERS } from "./entrance.ts";
import { credentialJudged } from "./fallback-gate.ts";
import {
  type Listener,
  MAX_HEADER_BYTES,
  MAX_RPC_BYTES,
  MAX_STREAMS_OF_STRANGER,
  startListener,
} from "./listener.ts";
import { createOriginGuard } from "./origin-guard.ts";

const PATH = "/hil.session.v1.SessionService/GetSession";
const SESSION_ID = "0190b1c2-0000-7000-8000-000000000000";
const PATIENCE_MS = 400;
let listener: Listener;
/** Keys that were verified, in order. */
const verified: string[] = [];

/** "right…" is a key of the tenant "free", "limited…" one of a tenant with one call a second. */
const authenticate: Authenticate = (headers): Principal => {
  const key = headers.get("authorization")?.replace("Bearer ", "") ?? "";
  verified.push(key);
  const tenantId = /^right/.test(key) ? "free" : /^limited/.test(key) ? key : undefined;
  if (!tenantId) {
    throw hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "this key is not known");
  }
  return { kind: "api-key", id: key, keyId: key, tenantId, roles: [Role.OWNER] };
};

beforeAll(async () => {
  const limits = createRateLimits({
    tenants: {
      get: (id) =>
        create(TenantSchema, { id, policy: { limits: { callsPerSecond: id === "free" ? 0 : 1 } } }),
    },
    now: () => new Date(),
  });
  const handlers = new Proxy({} as Handlers<typeof SessionService>, {
    get: (_, name) =>
      name === "watchSessions"
        ? async function* () {
            yield {};
          }
        : () => ({ session: { id: SESSION_ID } }),
  });
  listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [
      defineService(SessionService as DescService & typeof SessionService, handlers, {
        authenticate,
        limits,
        log: silentLog,
      }),
    ],
    fallback: async (request, response) => {
      if (request.url === "/api/send-all") for await (const _ of request);
      const key = /^\/k\/([^/]+)/.exec(request.url ?? "")?.[1];
      if (key) verified.push(key);
      if (key) credentialJudged(request, key.startsWith("right"));
      response.writeHead(key && !key.startsWith("right") ? 401 : 200);
      response.end();
    },
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    proxies: createTrustedProxies(["127.0.0.1"]),
    requestPatienceMs: PATIENCE_MS,
    log: silentLog,
  });
});
afterAll(() => listener.close(0));

const baseUrl = () => `http://127.0.0.1:${listener.port}`;
const json = (key: string) => ({ "content-type": "application/json", authorization: `Bearer ${key}` });
const ASK = JSON.stringify({ sessionId: SESSION_ID });
/** The address that a trusted proxy names; each test guesses from one of its own. */
const from = (address: string) => ({ "x-forwarded-for": address });

function connect2(settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect(baseUrl(), { settings, peerMaxConcurrentStreams: 100_000 });
  session.on("error", () => {}); // being cut is what several tests are about
  return session;
}

/** One POST on a session of HTTP/2. `body` undefined: it is begun and never ended. */
function post2(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Uint8Array | string,
) {
  const stream = session.request({ ":method": "POST", ":path": PATH, ...headers }, { endStream: false });
  if (body === undefined) stream.write("{");
  else stream.end(body);
  const chunks: Buffer[] = [];
  let answer: http2.IncomingHttpHeaders = {};
  stream.on("response", (given) => {
    answer = given;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise<{ status: number; headers: http2.IncomingHttpHeaders; text: string; rstCode: number }>(
    (resolve, reject) => {
      stream.on("error", reject);
      stream.on("close", () =>
        resolve({
          status: Number(answer[":status"]),
          headers: answer,
          text: Buffer.concat(chunks).toString("utf8"),
          rstCode: stream.rstCode,
        }),
      );
    },
  );
}

/** One POST over HTTP/1.1. `body` undefined: a megabyte is announced and never sent. */
function post1(path: string, headers: http.OutgoingHttpHeaders, body?: Uint8Array | string) {
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }>(
    (resolve, reject) => {
      const request = http.request(
        `${baseUrl()}${path}`,
        { method: "POST", headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              text: Buffer.concat(chunks).toString(),
            });
            request.destroy();
          });
        },
      );
      request.on("error", reject);
      if (body !== undefined) {
        request.end(body);
        return;
      }
      request.setHeader("content-length", 1_000_000);
      request.flushHeaders();
    },
  );
}

/** Resolves when a socket was cut; with a reset or without. */
function cutOff(socket: net.Socket): Promise<void> {
  socket.on("error", () => {}); // a reset is as good
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

async function isServed(): Promise<boolean> {
  const session = connect2();
  const { status } = await post2(session, json("right"), ASK);
  session.destroy();
  return status === 200;
}

test("E1: a caller that is not let in is answered before it has sent its request, on both protocols", async () => {
  const one = await post1(PATH, { ...json("wrong-early"), ...from("198.51.100.1") });
  expect(one.status).toBe(401);
  expect(one.text).toContain("CREDENTIAL_INVALID");
  const session = connect2();
  const two = await post2(session, { ...json("wrong-early"), ...from("198.51.100.1") });
  expect(two.status).toBe(401);
  expect(two.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  session.destroy();
});

test("E1: refused requests whose bodies were on the way leave their connection whole", async () => {
  const session = connect2();
  const body = Buffer.alloc(60_000, 0x20);
  await post2(session, json("right"), ASK);
  for (let n = 0; n < 100; n++) {
    const { status } = await post2(session, { ...json("wrong-body"), ...from(`198.51.101.${n}`) }, body);
    expect([401, 429]).toContain(status);
  }
  expect((await post2(session, json("right"), ASK)).status).toBe(200);
  session.destroy();
});

test.each([
  ["Connect on HTTP/2", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "2" })],
  ["Connect on HTTP/1.1", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  [
    "Connect by GET",
    () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "1.1", useHttpGet: true }),
  ],
  ["gRPC", () => createGrpcTransport({ baseUrl: baseUrl() })],
  ["gRPC-Web on HTTP/1.1", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  ["gRPC-Web on HTTP/2", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "2" })],
])("T1: calls beyond the limit are refused with when to come back over %s", async (name, transport) => {
  const client = createClient(SessionService, transport());
  const options = {
    headers: {
      authorization: `Bearer limited ${name}`.replace(/ (?!limited)/g, "-").replace("Bearer-", "Bearer "),
    },
  };
  const unary = () => client.getSession({ sessionId: SESSION_ID }, options);
  const stream = async () => {
    for await (const _ of client.watchSessions({}, options));
  };
  for (let n = 0; n < 10; n++) await unary();
  for (const call of [unary, stream]) {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect(reasonOf(error)).toBe(ErrorReason.RATE_LIMITED);
    expect(Number(metadataOf(error).retry_after_ms)).toBeGreaterThan(0);
  }
});

test("T1: HTTP clients read 429 and Retry-After, foreign gRPC clients their pushback", async () => {
  const session = connect2();
  for (let n = 0; n < 10; n++) await post2(session, json("limited-plain"), ASK);
  for (const answer of [
    await post2(session, json("limited-plain"), ASK),
    await post1(PATH, json("limited-plain"), ASK),
  ]) {
    expect(answer.status).toBe(429);
    expect(answer.headers["retry-after"]).toBe("1");
    expect(answer.text).toContain("RATE_LIMITED");
  }
  session.destroy();
  const address = `127.0.0.1:${listener.port}`;
  const request = create(GetSessionRequestSchema, { sessionId: SESSION_ID });
  const refused = callGrpc(address, SessionService.method.getSession, request, { key: "limited-plain" });
  const error = await refused.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: Code.ResourceExhausted });
  const [pushback] = (error as { metadata: { get(name: string): string[] } }).metadata.get(
    "grpc-retry-pushback-ms",
  );
  expect(Number(pushback)).toBeGreaterThan(0);
});

test("F1, F2: guessing is refused unverified on every face, and right keys at the same address go on working", async () => {
  const address = from("203.0.113.9");
  const session = connect2();
  const other = connect2();
  await post2(other, { ...json("right-before"), ...address }, ASK);
  for (let n = 0; n < MAX_FAILURES; n++) {
    const guess = { ...json(`guess-${n}`), ...address };
    const status =
      n % 3 === 0
        ? (await post2(session, guess, ASK)).status
        : n % 3 === 1
          ? (await post1(PATH, guess, ASK)).status
          : (await post1(`/k/guess-${n}/api/send`, address, "{}")).status;
    expect(status).toBe(401);
  }
  verified.length = 0;
  for (const answer of [
    await post2(session, { ...json("guess-rpc-2"), ...address }, ASK),
    await post1(PATH, { ...json("guess-rpc-1"), ...address }, ASK),
    await post1("/k/guess-path/api/send", address, "{}"),
    await post1("/api/send", { authorization: "Bearer guess-header", ...address }, "{}"),
  ]) {
    expect(answer.status).toBe(429);
    expect(answer.headers["retry-after"]).toBe("1");
    expect(answer.text).toContain("RATE_LIMITED");
    expect(answer.text).not.toContain("guess-");
  }
  expect(verified).toEqual([]);
  expect((await post2(other, { ...json("right-before"), ...address }, ASK)).status).toBe(200);
  expect((await post1(PATH, { ...json("right-before"), ...address }, ASK)).status).toBe(200);
  expect((await post2(session, { ...json("guess-elsewhere"), ...from("203.0.113.10") }, ASK)).status).toBe(
    401,
  );
  session.destroy();
  other.destroy();
});

test("E3: refusals in a flood come late, and others are answered before them", async () => {
  const session = connect2();
  const other = connect2();
  await post2(other, json("right"), ASK);
  for (let n = 0; n < 10; n++) await post2(session, json("limited-flood"), ASK);
  const order: string[] = [];
  const flood = Array.from({ length: 3 * PROMPT_REFUSALS }, async () => {
    const { status } = await post2(session, json("limited-flood"), ASK);
    expect(status).toBe(429);
    order.push("refused");
  });
  await Promise.race(flood);
  const right = post2(other, json("right"), ASK).then(() => order.push("right"));
  await Promise.all([...flood, right]);
  expect(order.lastIndexOf("refused")).toBe(order.length - 1);
  expect(order.indexOf("right")).toBeLessThanOrEqual(2 * PROMPT_REFUSALS);
  session.destroy();
  other.destroy();
});

test("E3: a flood that does not await its answers is cut off", async () => {
  const session = connect2();
  const cut = new Promise<void>((resolve) => session.once("close", () => resolve()));
  for (let n = 0; n < 10; n++) await post2(session, json("limited-blind"), ASK);
  const flood = setInterval(() => {
    for (let n = 0; n < 500 && !session.destroyed && !session.closed; n++) {
      post2(session, json("limited-blind"), ASK).catch(() => {}); // cut off with its connection
    }
  }, 1);
  await cut;
  clearInterval(flood);
  expect(await isServed()).toBe(true);
});

test("S6: a key that was revoked is not verified for ever on the connection that it was right on", async () => {
  const session = connect2();
  const headers = { ...json("right"), ...from("203.0.113.20") };
  await post2(session, headers, ASK);
  for (let n = 0; n < MAX_FAILURES; n++) {
    await post2(session, { ...json("revoked"), ...from("203.0.113.20") }, ASK);
  }
  expect((await post2(session, { ...json("revoked"), ...from("203.0.113.20") }, ASK)).status).toBe(429);
  session.destroy();
});

test.each([
  ["a request line that never ends", "GET / HTTP/1.1"],
  ["headers that never end", "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n"],
  [
    "a body that never comes",
    `POST /hil.session.v1.SessionService/GetSession HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer right\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n`,
  ],
])("I14: %s costs its connection", async (_, text) => {
  const socket = net.connect(listener.port, "127.0.0.1");
  const cut = cutOff(socket);
  socket.write(text);
  socket.resume();
  await cut;
  expect(await isServed()).toBe(true);
});

test.each([
  ["an RPC", { ...json("right") }],
  [
    "an RPC that takes connect-node's way",
    { ...json("right"), "content-type": "application/grpc-web+proto" },
  ],
  ["anything else", { ":path": "/api/send-all" }],
])(
  "I14: a body over HTTP/2 that never comes for %s costs its stream, not the connection",
  async (_, headers) => {
    const session = connect2();
    const stalled = await post2(session, { ...headers }).catch((error: unknown) => error);
    if (!(stalled instanceof Error))
      expect(stalled).toMatchObject({ rstCode: http2.constants.NGHTTP2_CANCEL });
    expect((await post2(session, json("right"), ASK)).status).toBe(200);
    session.destroy();
  },
);

test("I14: headers beyond the limit are refused on both protocols", async () => {
  const padding = "x".repeat(MAX_HEADER_BYTES);
  expect((await post1(PATH, { ...json("right"), padding }, ASK)).status).toBe(431);
  const eager = connect2(); // sends before it has heard of the limit
  await expect(post2(eager, { ...json("right"), padding }, ASK)).rejects.toBeDefined();
  eager.destroy();
  const session = connect2();
  await post2(session, json("right"), ASK);
  await expect(post2(session, { ...json("right"), padding }, ASK)).rejects.toBeDefined();
  session.destroy();
  expect(await isServed()).toBe(true);
});

test.each([
  ["HTTP/1.1", (body: Buffer, headers: http.OutgoingHttpHeaders) => post1(PATH, headers, body)],
  [
    "HTTP/2",
    async (body: Buffer, headers: http.OutgoingHttpHeaders) => {
      const session = connect2();
      const answer = await post2(session, headers as http2.OutgoingHttpHeaders, body);
      session.destroy();
      return answer;
    },
  ],
])("I14: a small body that unpacks to more than is read is refused over %s", async (_, post) => {
  const bomb = gzipSync(Buffer.alloc(20 * MAX_RPC_BYTES, 0x20));
  expect(bomb.length).toBeLessThan(MAX_RPC_BYTES / 10);
  const { status } = await post(bomb, { ...json("right"), "content-encoding": "gzip" });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(await isServed()).toBe(true);
});

test("I14: a peer without a right credential has fewer streams than one that showed it", async () => {
  const session = connect2();
  const [first] = (await once(session, "remoteSettings")) as [http2.Settings];
  expect(first.maxConcurrentStreams).toBe(MAX_STREAMS_OF_STRANGER);
  const raised = once(session, "remoteSettings");
  await post2(session, json("right"), ASK);
  const [after] = (await raised) as [http2.Settings];
  expect(after.maxConcurrentStreams).toBeGreaterThan(MAX_STREAMS_OF_STRANGER);
  session.destroy();
});

test("I14: streams that are opened and reset in a hurry cost the connection (rapid reset)", async () => {
  const session = connect2();
  await once(session, "remoteSettings");
  const goaway = once(session, "goaway");
  const flood = setInterval(() => {
    for (let n = 0; n < 500 && !session.destroyed && !session.closed; n++) {
      const stream = session.request(
        { ":method": "POST", ":path": PATH, ...json("right") },
        { endStream: false },
      );
      stream.on("error", () => {}); // reset by ourselves, or cut
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
  }, 1);
  const [code] = await goaway;
  clearInterval(flood);
  expect([http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, http2.constants.NGHTTP2_INTERNAL_ERROR]).toContain(code);
  session.destroy();
  expect(await isServed()).toBe(true);
});

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const SETTINGS = frame(4, 0, 0);
/** A header that is not indexed, with a name and a value of one byte each: 6 bytes that grow no table. */
const TINY_HEADER = Buffer.from([0x00, 0x01, 0x78, 0x02, 0x79, 0x79]);

test.each([
  [
    "header blocks that never end (CONTINUATION flood)",
    frame(1, 0, 1, TINY_HEADER),
    frame(9, 0, 1, TINY_HEADER),
  ],
  ["empty header blocks that never end", frame(1, 0, 1), frame(9, 0, 1)],
  ["pings whose answers are not read", SETTINGS, frame(6, 0, 0, Buffer.alloc(8))],
  ["settings whose answers are not read", SETTINGS, SETTINGS],
])("I14: %s cost the connection and nothing else", async (_, first, again) => {
  const socket = net.connect(listener.port, "127.0.0.1");
  const cut = cutOff(socket);
  socket.write(Buffer.concat([PREFACE, SETTINGS, first]));
  const flood = Buffer.concat(Array.from({ length: 2_000 }, () => again));
  const goOn = () => {
    while (!socket.destroyed && socket.write(flood));
  };
  socket.on("drain", goOn);
  goOn();
  await cut;
  expect(await isServed()).toBe(true);
});

test("E4: a crowd of connections without a credential pushes out only its own kind, the oldest first", async () => {
  const known = connect2();
  await post2(known, json("right"), ASK);
  const crowd: net.Socket[] = [];
  const oldest = net.connect(listener.port, "127.0.0.1");
  await once(oldest, "connect");
  const cut = cutOff(oldest);
  for (let n = 0; n < MAX_STRANGERS; n++)
    crowd.push(net.connect(listener.port, "127.0.0.1").on("error", () => {}));
  await Promise.all(crowd.map((socket) => once(socket, "connect")));
  await cut;
  expect((await post2(known, json("right"), ASK)).status).toBe(200);
  expect(await isServed()).toBe(true);
  for (const socket of crowd) socket.destroy();
  known.destroy();
});
