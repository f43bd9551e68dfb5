import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { afterEach, expect, test } from "vitest";
import type { Principal } from "../auth/principal.ts";
import { hilError } from "../errors/hil-error.ts";
import type { Authenticate } from "../rpc/service.ts";
import { withMetrics } from "./metrics-route.ts";

const principal = (fields: Partial<Principal>): Principal => ({
  kind: "api-key",
  id: "key:prometheus",
  tenantId: "_default",
  roles: [],
  ...fields,
});
const KEYS: Record<string, Principal> = {
  owner: principal({ kind: "owner", roles: [Role.OWNER] }),
  auditor: principal({ roles: [Role.AUDITOR] }),
  operator: principal({ roles: [Role.OPERATOR] }),
  narrowed: principal({ roles: [Role.OPERATOR], scopes: ["metrics.read"] }),
  service: principal({ kind: "service", tenantId: "shop", roles: [Role.SERVICE] }),
  agent: principal({ roles: [Role.AGENT] }),
  tenant: principal({ tenantId: "shop", roles: [Role.AUDITOR, Role.OPERATOR] }),
  elsewhere: principal({ roles: [Role.OPERATOR], scopes: ["sessions.*"] }),
};
const authenticate: Authenticate = (headers) => {
  const found = KEYS[headers.get("authorization")?.replace("Bearer ", "") ?? ""];
  if (!found) throw hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "this key is not known");
  return found;
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve({ allowKeyless }: { allowKeyless: boolean }) {
  const handler = withMetrics((_, response) => void response.writeHead(404).end("elsewhere"), {
    authenticate,
    allowKeyless,
  });
  const server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return (path: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(url + path, { headers, method });
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test.each(["owner", "auditor", "operator", "narrowed", "service"])("%s is told", async (key) => {
  const ask = await serve({ allowKeyless: false });
  const response = await ask("/metrics?x=1", bearer(key));
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await response.text()).toContain("# TYPE hil_rpc_calls_total counter");
});

test.each([
  ["agent", 403],
  ["tenant", 403],
  ["elsewhere", 403],
  ["unknown", 401],
])("I6: %s is not told", async (key, status) => {
  const ask = await serve({ allowKeyless: true });
  const response = await ask("/metrics", bearer(key));
  expect(response.status).toBe(status);
  expect(await response.text()).not.toContain("hil_");
});

test("without a key only callers on the machine itself are told, and only where that is allowed", async () => {
  const allowed = await serve({ allowKeyless: true });
  expect((await allowed("/metrics")).status).toBe(200);
  expect((await allowed("/metrics", { "x-forwarded-for": "192.0.2.1" })).status).toBe(401);
  const refused = await serve({ allowKeyless: false });
  expect((await refused("/metrics")).status).toBe(401);
});

test("everything else goes on to who serves it", async () => {
  const ask = await serve({ allowKeyless: true });
  expect((await ask("/metrics", {}, "POST")).status).toBe(404);
  expect((await ask("/metrics/x")).status).toBe(404);
});
