import { Code, createClient } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { expect, test } from "vitest";
import { hilError } from "../errors/hil-error.ts";
import { silentLog } from "../telemetry/log.ts";
import { readMetrics, registry } from "../telemetry/metrics.ts";
import { localTransport } from "./local-transport.ts";
import { defineService, type Handlers } from "./service.ts";

const ID = "01930000-0000-7000-8000-000000000001";

const handlers: Partial<Handlers<typeof SessionService>> = {
  getSession: async () => ({ session: { id: ID } }),
  cancelSession: () => {
    throw hilError(Code.NotFound, ErrorReason.SESSION_NOT_FOUND, "no such session");
  },
  async *watchSessions() {
    yield { kind: { case: "heartbeat", value: {} } } as never;
    throw hilError(Code.Unavailable, ErrorReason.NOT_READY, "ending");
  },
};
const service = defineService(SessionService, handlers as Handlers<typeof SessionService>, {
  authenticate: (headers) => ({
    kind: "owner",
    id: "somebody",
    tenantId: "secret-tenant",
    roles: headers.get("authorization") === "Bearer right" ? [Role.OWNER] : [],
  }),
  log: silentLog,
});
const client = (credential: string) =>
  createClient(
    SessionService,
    localTransport(() => [service], credential),
  );

/** How often calls of a method ended with a code. */
async function ended(method: string, code: string): Promise<number> {
  const metric = await registry.getSingleMetric("hil_rpc_calls_total")!.get();
  const found = metric.values.find(({ labels }) => labels.method === method && labels.code === code);
  return found?.value ?? 0;
}

test("each call is counted once, by how it ended", async () => {
  const before = await ended("GetSession", "ok");
  await client("right").getSession({ sessionId: ID });
  await client("right").getSession({ sessionId: ID });
  expect((await ended("GetSession", "ok")) - before).toBe(2);

  await expect(client("right").cancelSession({ sessionId: ID })).rejects.toThrow();
  expect(await ended("CancelSession", "not_found")).toBe(1);

  await expect(client("wrong").getSession({ sessionId: ID })).rejects.toThrow();
  expect(await ended("GetSession", "permission_denied")).toBe(1);
});

test("a call that is refused by its headers is counted too", async () => {
  const method = service.methods.get("listSessions")!;
  expect(() => method.admit!({ get: () => null })).toThrow();
  expect(await ended("ListSessions", "permission_denied")).toBe(1);
});

test("a stream is counted when it ends, by how it ended", async () => {
  const read = async () => {
    for await (const _ of client("right").watchSessions({})) {
      expect(await ended("WatchSessions", "unavailable")).toBe(0);
    }
  };
  await expect(read()).rejects.toThrow();
  expect(await ended("WatchSessions", "unavailable")).toBe(1);
});

test("I6: no label names a tenant, a person or a session", async () => {
  await client("right").getSession({ sessionId: ID });
  const { text } = await readMetrics();
  expect(text).toContain('hil_rpc_calls_total{service="hil.session.v1.SessionService",method="GetSession"');
  expect(text).not.toContain("secret-tenant");
  expect(text).not.toContain("somebody");
  expect(text).not.toContain(ID);
});
