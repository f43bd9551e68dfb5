import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import {
  DeliveryService,
  type GetChannelRequest,
  GetChannelRequestSchema,
  GetChannelResponseSchema,
} from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Principal } from "../auth/principal.ts";
import { hilError, reasonOf } from "../errors/hil-error.ts";
import { type Authenticate, type CallContext, defineService, type Handlers } from "../rpc/service.ts";
import { silentLog } from "../telemetry/log.ts";
import { callGrpc } from "../testing/grpc-client.ts";
import { type Listener, MAX_RPC_BYTES, startListener } from "./listener.ts";
import { createOriginGuard } from "./origin-guard.ts";

// A real contract with handlers of the test's own: what the wire does does not depend on what a service decides.
let listener: Listener;
let aborted = 0;
const PATH = "/hil.delivery.v1.DeliveryService/GetChannel";

const authenticate: Authenticate = (headers): Principal => {
  const key = headers.get("authorization")?.replace("Bearer ", "");
  if (key !== "owner" && key !== "relay") {
    throw hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "no credential was sent");
  }
  return { kind: "owner", id: key, tenantId: "_default", roles: [key === "owner" ? Role.OWNER : Role.RELAY] };
};

async function getChannel({ channelId }: GetChannelRequest, context: CallContext) {
  switch (channelId) {
    case "missing":
      throw hilError(Code.NotFound, ErrorReason.CHANNEL_NOT_FOUND, "there is no channel missing; 你好", {
        channel_id: "missing",
      });
    case "busy":
      throw hilError(Code.ResourceExhausted, ErrorReason.OVERLOADED, "too much", {
        limit: "1",
        retry_after_ms: "2500",
      });
    case "broken":
      throw new Error("a secret of the inside");
    case "hang":
      await new Promise<void>((resolve) => {
        context.signal.addEventListener("abort", () => {
          aborted += 1;
          resolve();
        });
      });
      return {};
    default:
      return { channel: { id: channelId, name: `by ${context.principal.id}` } };
  }
}

beforeAll(async () => {
  const refuse = () => {
    throw new Error("not part of this test");
  };
  const handlers = new Proxy({} as Handlers<typeof DeliveryService>, {
    get: (_, name) => (name === "getChannel" ? getChannel : refuse),
  });
  listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [defineService(DeliveryService, handlers, { authenticate, log: silentLog })],
    fallback: (request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.end(`plain ${request.method} ${request.url}`);
    },
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: ["hil.example.com"] }),
    log: silentLog,
  });
});
afterAll(() => listener.close(0));

const baseUrl = () => `http://127.0.0.1:${listener.port}`;

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

/** One POST over HTTP/1.1, which takes connect-node's way. */
function post1(path: string, headers: http.OutgoingHttpHeaders, body: Uint8Array | string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${baseUrl()}${path}`,
      { method: "POST", headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** One POST over HTTP/2, which takes the fast path where it can. */
function post2(path: string, headers: http2.OutgoingHttpHeaders, body: Uint8Array | string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(baseUrl());
    session.on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    const chunks: Buffer[] = [];
    let answer: http2.IncomingHttpHeaders = {};
    stream.on("response", (headers) => {
      answer = headers;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      session.close();
      resolve({ status: Number(answer[":status"]), headers: answer, body: Buffer.concat(chunks) });
    });
    stream.end(body);
  });
}

const json = (key = "owner") => ({ "content-type": "application/json", authorization: `Bearer ${key}` });
const ask = (channelId: string) => JSON.stringify({ channelId });

test.each([
  ["Connect on HTTP/2", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "2" })],
  [
    "Connect with JSON on HTTP/2",
    () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "2", useBinaryFormat: false }),
  ],
  ["Connect on HTTP/1.1", () => createConnectTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
  ["gRPC", () => createGrpcTransport({ baseUrl: baseUrl() })],
  ["gRPC-Web", () => createGrpcWebTransport({ baseUrl: baseUrl(), httpVersion: "1.1" })],
])("a call over %s is answered, and its errors carry code, words and reason", async (_, transport) => {
  const client = createClient(DeliveryService, transport());
  const headers = { authorization: "Bearer owner" };
  expect((await client.getChannel({ channelId: "console" }, { headers })).channel).toMatchObject({
    name: "by owner",
  });
  const error = await client
    .getChannel({ channelId: "missing" }, { headers })
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "there is no channel missing; 你好" });
  expect(reasonOf(error)).toBe(ErrorReason.CHANNEL_NOT_FOUND);
});

test("a foreign gRPC client is answered, also with an error that it can read", async () => {
  const address = `127.0.0.1:${listener.port}`;
  const call = (channelId: string) =>
    callGrpc(address, DeliveryService.method.getChannel, create(GetChannelRequestSchema, { channelId }), {
      key: "owner",
    });
  expect((await call("console")).channel).toMatchObject({ id: "console" });
  await expect(call("missing")).rejects.toMatchObject({
    code: Code.NotFound,
    details: "there is no channel missing; 你好",
  });
});

test.each([
  ["an unknown channel", json(), ask("missing")],
  ["no credential", { "content-type": "application/json" }, ask("console")],
  ["a role that may not", json("relay"), ask("console")],
  ["malformed JSON", json(), "{"],
  ["an unknown field", json(), '{"chanelId":"x"}'],
  ["a wrong type", json(), '{"channelId":7}'],
  ["a broken rule", json(), ask("")],
  ["a fault of ours", json(), ask("broken")],
  ["overload", json(), ask("busy")],
])("%s fails the same way with and without the fast path", async (_, headers, body) => {
  const [slow, fast] = await Promise.all([post1(PATH, headers, body), post2(PATH, headers, body)]);
  const [slowError, fastError] = [slow, fast].map((each) => JSON.parse(each.body.toString("utf8")));
  expect(fast.status).toBe(slow.status);
  expect(fastError.code).toBe(slowError.code);
  expect(fastError.message).not.toContain("secret");
  expect(fast.status).toBeGreaterThanOrEqual(400);
});

test("an overloaded server says when to come back", async () => {
  expect((await post2(PATH, json(), ask("busy"))).headers["retry-after"]).toBe("3");
});

test.each([
  ["nothing", new Uint8Array()],
  ["a cut message", Uint8Array.from([0x0a, 0x7f, 0x41])],
  ["noise", Uint8Array.from({ length: 200 }, (_, n) => (n * 89) % 256)],
])("a protobuf body of %s is refused with INVALID_REQUEST", async (_, body) => {
  const { status, body: answer } = await post2(
    PATH,
    { ...json(), "content-type": "application/proto" },
    body,
  );
  expect(status).toBe(400);
  expect(answer.toString("utf8")).toContain("INVALID_REQUEST");
});

test("a request larger than is read is refused, and the server lives on", async () => {
  const big = Buffer.alloc(MAX_RPC_BYTES + 1, 0x20);
  const { status, body } = await post2(PATH, json(), big);
  expect(status).toBe(400);
  expect(body.toString("utf8")).toContain("REQUEST_TOO_LARGE");
  expect((await post2(PATH, json(), ask("console"))).status).toBe(200);
});

test("I7: a call ends at its own deadline, and the handler hears of it", async () => {
  const client = createClient(
    DeliveryService,
    createConnectTransport({ baseUrl: baseUrl(), httpVersion: "2" }),
  );
  const before = aborted;
  const options = { headers: { authorization: "Bearer owner" }, timeoutMs: 50 };
  await expect(client.getChannel({ channelId: "hang" }, options)).rejects.toMatchObject({
    code: Code.DeadlineExceeded,
  });
  await expect.poll(() => aborted).toBe(before + 1);
  const { status } = await post2(PATH, { ...json(), "connect-timeout-ms": "20" }, ask("hang"));
  expect(status).toBe(504);
});

test("a caller that goes away aborts its call; an answered call is never aborted", async () => {
  const before = aborted;
  const session = http2.connect(baseUrl());
  const stream = session.request({ ":method": "POST", ":path": PATH, ...json() });
  stream.on("error", () => {}); // closed on purpose
  stream.end(ask("hang"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await expect.poll(() => aborted).toBe(before + 1);
  session.close();
});

test("what is not an RPC reaches the fallback on both protocols", async () => {
  expect((await post1("/api/send", {}, "x")).body.toString()).toBe("plain POST /api/send");
  expect((await post2("/api/send", {}, "x")).body.toString()).toBe("plain POST /api/send");
});

test.each([
  ["a foreign name as Host", { host: "evil.example" }],
  ["a foreign Origin", { origin: "http://evil.example" }],
  ["the Origin null", { origin: "null" }],
  ["another port of this machine as Origin", { origin: "http://127.0.0.1:1" }],
])("%s is refused before anything is looked at, on both protocols", async (_, headers) => {
  for (const path of [PATH, "/api/send", "/health"]) {
    const one = await post1(path, { ...json(), ...headers }, ask("console"));
    const { host, ...rest } = headers as { host?: string; origin?: string };
    const two = await post2(
      path,
      { ...json(), ...rest, ...(host ? { ":authority": host } : {}) },
      ask("console"),
    );
    for (const answer of [one, two]) {
      expect(answer.status).toBe(403);
      expect(answer.body.toString("utf8")).toContain("ORIGIN_REFUSED");
    }
  }
});

test.each([
  ["its own origin", () => ({ origin: baseUrl() })],
  ["localhost by name", () => ({ host: `localhost:${listener.port}` })],
  ["an allowed name", () => ({ host: "hil.example.com" })],
  ["an allowed name behind a proxy", () => ({ host: "hil.example.com", origin: "https://hil.example.com" })],
])("%s is served", async (_, headers) => {
  expect((await post1(PATH, { ...json(), ...headers() }, ask("console"))).status).toBe(200);
});

test("bytes that arrive one by one are told apart all the same", async () => {
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.setNoDelay(true);
  for (const byte of `POST /x HTTP/1.1\r\nhost: 127.0.0.1:${listener.port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const text = await new Promise<string>((resolve) => {
    let seen = "";
    socket.on("data", (chunk) => {
      seen += chunk.toString("utf8");
    });
    socket.on("close", () => resolve(seen));
  });
  expect(text).toContain("plain POST /x");
});

test("a port that is taken is refused with what to do", async () => {
  const again = startListener({
    host: "127.0.0.1",
    port: listener.port,
    services: [],
    fallback: () => {},
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log: silentLog,
  });
  await expect(again).rejects.toThrow(`port ${listener.port} on 127.0.0.1 is taken`);
});

test("a service with an RPC that has no policy does not start", () => {
  const withoutPolicy = {
    ...DeliveryService,
    methods: DeliveryService.methods.map((method) => ({
      ...method,
      proto: { ...method.proto, options: undefined },
    })),
  };
  expect(() =>
    defineService(
      withoutPolicy as unknown as typeof DeliveryService,
      {} as Handlers<typeof DeliveryService>,
      {
        authenticate,
        log: silentLog,
      },
    ),
  ).toThrow("nobody may call it");
});

test("the answer of the fast path is the one that the contract lays down", async () => {
  const request = toBinary(
    GetChannelRequestSchema,
    create(GetChannelRequestSchema, { channelId: "console" }),
  );
  const { body, headers } = await post2(PATH, { ...json(), "content-type": "application/proto" }, request);
  expect(headers["content-type"]).toBe("application/proto");
  expect(fromBinary(GetChannelResponseSchema, body).channel).toMatchObject({ id: "console" });
});

test("closing does not wait for keep-alive connections that are idle, or become so", async () => {
  const underWay = Promise.withResolvers<http.ServerResponse>();
  const own = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [],
    fallback: (request, response) => {
      if (request.url === "/slow") underWay.resolve(response);
      else response.end("done");
    },
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log: silentLog,
  });
  const agent = new http.Agent({ keepAlive: true });
  const get = (path: string) =>
    new Promise<void>((resolve, reject) => {
      const request = http.get({ port: own.port, path, agent }, (response) =>
        response.resume().once("end", resolve),
      );
      request.once("error", reject);
    });
  const slow = get("/slow");
  await get("/");
  const response = await underWay.promise;
  const closed = own.close(3_600_000); // one that waits for the grace to end fails by the test's own limit
  response.end("late");
  await slow;
  await closed;
  agent.destroy();
});
