import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type Tenant, TenantSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { beforeEach, expect, test } from "vitest";
import { type Principal, servicePrincipal } from "../auth/principal.ts";
import { metadataOf, reasonOf } from "../errors/hil-error.ts";
import { createRateLimits, type RateLimits } from "./rate-limits.ts";

let time: number;
let known: Map<string, Tenant | Promise<Tenant>>;
let limits: RateLimits;
beforeEach(() => {
  time = Date.parse("2026-11-20T10:00:00Z");
  known = new Map();
  limits = createRateLimits({
    tenants: { get: (tenantId) => known.get(tenantId) ?? create(TenantSchema, { id: tenantId }) },
    now: () => new Date(time),
  });
});

const tenant = (id: string, callsPerSecond: number, callsPerSecondPerKey: number) =>
  create(TenantSchema, { id, policy: { limits: { callsPerSecond, callsPerSecondPerKey } } });
const agent = (tenantId: string, keyId: string): Principal => ({
  kind: "api-key",
  id: "agent",
  tenantId,
  roles: [Role.AGENT],
  keyId,
});
/** How many calls are let through before one is refused. */
function letThrough(principal: Principal, most = 1_000): number {
  for (let count = 0; count < most; count++) if (refusal(principal)) return count;
  return most;
}
function refusal(principal: Principal, ask: "admit" | "check" = "admit"): unknown {
  try {
    limits[ask](principal);
    return undefined;
  } catch (error) {
    return error;
  }
}

test("T1: ten seconds of a tenant's calls may come at once, over all of its credentials", () => {
  known.set("a", tenant("a", 5, 0));
  expect(letThrough(agent("a", "k1"), 20)).toBe(20);
  expect(letThrough(agent("a", "k2"))).toBe(30);
  time += 1_000;
  expect(letThrough(agent("a", "k3"))).toBe(5);
});

test("T1: a refusal says what was too much and when to come back", () => {
  known.set("a", tenant("a", 2, 0));
  letThrough(agent("a", "k1"));
  const error = refusal(agent("a", "k1"));
  expect(error).toMatchObject({ code: Code.ResourceExhausted });
  expect(reasonOf(error)).toBe(ErrorReason.RATE_LIMITED);
  expect(metadataOf(error)).toEqual({ limit: "calls_per_second", retry_after_ms: "500" });
  time += 500;
  expect(refusal(agent("a", "k1"))).toBeUndefined();
});

test("one credential that calls too often leaves the others of its tenant theirs", () => {
  known.set("a", tenant("a", 0, 3));
  expect(letThrough(agent("a", "k1"))).toBe(30);
  expect(metadataOf(refusal(agent("a", "k1")))).toMatchObject({ limit: "calls_per_second_per_key" });
  expect(letThrough(agent("a", "k2"))).toBe(30);
});

test("T2: what a credential is refused does not come off its tenant's share, nor the other way round", () => {
  known.set("a", tenant("a", 4, 1));
  expect(letThrough(agent("a", "k1"))).toBe(10);
  for (let n = 0; n < 100; n++) refusal(agent("a", "k1"));
  expect(letThrough(agent("a", "k2"))).toBe(10);
  expect(letThrough(agent("a", "k3"))).toBe(10);
  expect(letThrough(agent("a", "k4"))).toBe(10);
  expect(metadataOf(refusal(agent("a", "k5")))).toMatchObject({ limit: "calls_per_second" });
  time += 10_000;
  expect(letThrough(agent("a", "k5"))).toBe(10);
});

test("I6: a tenant that floods takes nothing of another's", () => {
  known.set("a", tenant("a", 1, 1));
  known.set("b", tenant("b", 1, 1));
  letThrough(agent("a", "same"));
  expect(letThrough(agent("b", "same"))).toBe(10);
});

test("T3: services of the deployment are not counted", () => {
  known.set("a", tenant("a", 1, 1));
  expect(letThrough(servicePrincipal("session", "a"))).toBe(1_000);
});

test("no limit is none", () => {
  expect(letThrough(agent("unlimited", "k1"))).toBe(1_000);
});

test("a check counts nothing, and says no where a call would hear no", () => {
  known.set("a", tenant("a", 1, 1));
  for (let n = 0; n < 100; n++) expect(refusal(agent("a", "k1"), "check")).toBeUndefined();
  expect(letThrough(agent("a", "k1"))).toBe(10);
  expect(reasonOf(refusal(agent("a", "k1"), "check"))).toBe(ErrorReason.RATE_LIMITED);
});

test("T4: while a policy is loaded again, the last one known holds", async () => {
  known.set("a", tenant("a", 1, 0));
  expect(letThrough(agent("a", "k1"))).toBe(10);
  const loading = Promise.withResolvers<Tenant>();
  known.set("a", loading.promise);
  expect(letThrough(agent("a", "k1"))).toBe(0);
  loading.resolve(tenant("a", 0, 0));
  await loading.promise;
  expect(letThrough(agent("a", "k1"))).toBe(1_000);
});

test("T4: a policy that cannot be loaded refuses nobody here", async () => {
  const failing = Promise.reject(new Error("the access service is away"));
  known.set("a", failing);
  expect(letThrough(agent("a", "k1"))).toBe(1_000);
  await failing.catch(() => {});
});

test("a policy that changes holds from the next call on", () => {
  known.set("a", tenant("a", 1, 0));
  expect(letThrough(agent("a", "k1"))).toBe(10);
  known.set("a", tenant("a", 2, 0));
  time += 10_000;
  expect(letThrough(agent("a", "k1"))).toBe(20);
});
