// One service calling another over the network, and a front that hands calls on.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterEach, expect, test, vi } from "vitest";
import { hilError, reasonOf } from "../errors/hil-error.ts";
import { type Listener, startListener } from "../http/listener.ts";
import { createOriginGuard } from "../http/origin-guard.ts";
import { silentLog } from "../telemetry/log.ts";
import { resolveAddresses } from "./addresses.ts";
import { forwardedService } from "./forwarded-service.ts";
import { remoteTransport } from "./remote-transport.ts";
import { type Authenticate, defineService, type Handlers, type Service } from "./service.ts";

const SOME = "01930000-0000-7000-8000-000000000001";
const NONE = "01930000-0000-7000-8000-000000000002";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const authenticate: Authenticate = (headers) => ({
  kind: "owner",
  id: headers.get("authorization")?.replace("Bearer ", "") ?? "nobody",
  tenantId: headers.get("hil-tenant") ?? "none",
  roles: [Role.OWNER],
});

/** A session service that tells who it is: its name, the caller and the tenant stand in the answers. */
function fakeSessions(name: string, calls: string[]): Service {
  const told = (principal: { id: string; tenantId: string }) =>
    `${name} ${principal.id} ${principal.tenantId}`;
  const handlers: Partial<Handlers<typeof SessionService>> = {
    getSession: ({ sessionId }, { principal }) => {
      calls.push(`${name} get`);
      if (sessionId === NONE) {
        throw hilError(Code.NotFound, ErrorReason.SESSION_NOT_FOUND, "no such session", {
          session_id: NONE,
        });
      }
      return { session: { id: told(principal) } };
    },
    cancelSession: (_, { signal }) =>
      new Promise((resolve) => {
        calls.push(`${name} cancel`);
        signal.addEventListener("abort", () => {
          calls.push(`${name} gone`);
          resolve({});
        });
      }),
    async *watchSessions(_, { principal, signal }) {
      yield { kind: { case: "heartbeat", value: {} } } as never;
      calls.push(`${name} watched by ${principal.id}`);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      calls.push(`${name} unwatched`);
    },
  };
  return defineService(SessionService, handlers as Handlers<typeof SessionService>, {
    authenticate,
    log: silentLog,
  });
}

async function serve(service: Service): Promise<{ url: string; listener: Listener }> {
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [service],
    fallback: (_, response) => {
      response.writeHead(404).end();
    },
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log: silentLog,
  });
  closers.push(() => listener.close(0));
  return { url: `http://127.0.0.1:${listener.port}`, listener };
}

function clientOf(url: string, credential?: string) {
  const transport = remoteTransport({ url, ...(credential ? { credential } : {}) });
  closers.push(() => transport.close());
  return createClient(SessionService, transport);
}

test("M1: calls are spread over the replicas, with the service's own credential", async () => {
  const calls: string[] = [];
  const [one, two] = [await serve(fakeSessions("one", calls)), await serve(fakeSessions("two", calls))];
  const client = clientOf(`${one.url},${two.url}`, "key");
  for (let n = 0; n < 6; n++) await client.getSession({ sessionId: SOME });
  expect(calls.filter((call) => call === "one get")).toHaveLength(3);
  const { session } = await client.getSession({ sessionId: SOME }, { headers: { "hil-tenant": "t1" } });
  expect(session!.id).toMatch(/^(one|two) key t1$/);
});

test("M2: a replica that is gone costs no call that may be repeated", async () => {
  const calls: string[] = [];
  const [one, two] = [await serve(fakeSessions("one", calls)), await serve(fakeSessions("two", calls))];
  const client = clientOf(`${one.url},${two.url}`);
  await client.getSession({ sessionId: SOME });
  await client.getSession({ sessionId: SOME });
  await one.listener.close(0);
  calls.length = 0;
  for (let n = 0; n < 6; n++) await client.getSession({ sessionId: SOME });
  expect(calls).toEqual(Array(6).fill("two get"));
});

test("M2: a call under way when its replica dies goes on at another", async () => {
  const calls: string[] = [];
  const [one, two] = [await serve(fakeSessions("one", calls)), await serve(fakeSessions("two", calls))];
  const client = clientOf(`${one.url},${two.url}`);
  const call = client.cancelSession({ sessionId: SOME }, { timeoutMs: 60_000 });
  call.catch(() => {}); // ends with the test
  await vi.waitUntil(() => calls.length === 1);
  await (calls[0]!.startsWith("one") ? one : two).listener.close(0);
  await vi.waitUntil(() => calls.filter((each) => each.includes("cancel")).length === 2);
});

test("where no replica can be reached the call fails as UNAVAILABLE, and a refusal is not tried again", async () => {
  const calls: string[] = [];
  const { url, listener } = await serve(fakeSessions("one", calls));
  const client = clientOf(url);
  const refused = await client.getSession({ sessionId: NONE }).catch((error: unknown) => error);
  expect(reasonOf(refused)).toBe(ErrorReason.SESSION_NOT_FOUND);
  expect(calls).toEqual(["one get"]);
  await listener.close(0);
  const error = await client.getSession({ sessionId: SOME }).catch((error: unknown) => error);
  expect(ConnectError.from(error).code).toBe(Code.Unavailable);
  const unknown = clientOf("http://no-such-host.invalid:1");
  const missing = await unknown.getSession({ sessionId: SOME }).catch((error: unknown) => error);
  expect(ConnectError.from(missing).code).toBe(Code.Unavailable);
});

test("a front hands calls on with their caller's credential, and errors and streams back", async () => {
  const calls: string[] = [];
  const back = await serve(fakeSessions("back", calls));
  const transport = remoteTransport({ url: back.url });
  closers.push(() => transport.close());
  const front = await serve(forwardedService(SessionService, transport));
  const client = createClient(
    SessionService,
    createConnectTransport({ baseUrl: front.url, httpVersion: "2" }),
  );
  const headers = { authorization: "Bearer caller", "hil-tenant": "t2" };
  expect((await client.getSession({ sessionId: SOME }, { headers })).session!.id).toBe("back caller t2");
  const error = await client.getSession({ sessionId: NONE }, { headers }).catch((error: unknown) => error);
  expect(reasonOf(error)).toBe(ErrorReason.SESSION_NOT_FOUND);
  const leave = new AbortController();
  const watching = (async () => {
    for await (const _ of client.watchSessions({}, { headers, signal: leave.signal })) leave.abort();
  })();
  await expect(watching).rejects.toThrow();
  await vi.waitUntil(() => calls.includes("back unwatched"));
  expect(calls).toContain("back watched by caller");
});

test("replicas that come and go are noticed, and the last answer holds while names cannot be asked", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  closers.push(() => vi.useRealTimers());
  let answer: string[] | Error = ["http://10.0.0.1:8080"];
  const addresses = resolveAddresses("http://session:8080", {
    find: async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const later = async () => {
    vi.advanceTimersByTime(3_001);
    await addresses.current(); // the old answer, while the new one is on its way
    await new Promise((resolve) => setImmediate(resolve));
    return addresses.current();
  };
  expect(await addresses.current()).toEqual(["http://10.0.0.1:8080"]);
  answer = ["http://10.0.0.2:8080", "http://10.0.0.3:8080"];
  expect(await later()).toEqual(["http://10.0.0.2:8080", "http://10.0.0.3:8080"]);
  answer = new Error("no name server");
  expect(await later()).toEqual(["http://10.0.0.2:8080", "http://10.0.0.3:8080"]);
  const never = resolveAddresses("http://session:8080", { find: async () => Promise.reject(answer) });
  await expect(never.current()).rejects.toThrow("no name server");
});
