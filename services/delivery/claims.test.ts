import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Claims } from "./claims.ts";
import type { Claim, Sharing } from "./delivery-store.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const claim = (fence: number): Claim => ({ tenantId: "t1", channelId: "robot", line: `${fence}`, fence });

/** A store in which the test says which claims are lost. */
function startClaims() {
  const renewed: number[][] = [];
  const lost = new Set<number>();
  let fails = false;
  const sharing: Pick<Sharing, "leaseMs" | "renew"> = {
    leaseMs: 3_000,
    async renew(claims) {
      if (fails) throw new Error("the database is away");
      renewed.push(claims.map(({ fence }) => fence));
      return claims.filter(({ fence }) => lost.has(fence));
    },
  };
  return {
    claims: new Claims({ sharing: sharing as Sharing, log: silentLog }),
    renewed,
    lost,
    fail: (now: boolean) => {
      fails = now;
    },
  };
}

test("claims are renewed three times in a lease while work is under way, and not after it", async () => {
  const { claims, renewed } = startClaims();
  const one = claims.hold(claim(1));
  const two = claims.hold(claim(2));
  await vi.advanceTimersByTimeAsync(2_000);
  two[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(1_000);
  one[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(renewed).toEqual([[1, 2], [1, 2], [1]]);
  expect(vi.getTimerCount()).toBe(0);
});

test("F4: the work of a lost claim is cut, and no other", async () => {
  const { claims, lost } = startClaims();
  using one = claims.hold(claim(1));
  using two = claims.hold(claim(2));
  lost.add(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([one.lost.aborted, two.lost.aborted]).toEqual([false, true]);
});

test("F12: while the database is away nothing is cut, and renewing goes on once it is back", async () => {
  const { claims, renewed, fail } = startClaims();
  using one = claims.hold(claim(1));
  fail(true);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(one.lost.aborted).toBe(false);
  fail(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(renewed).toEqual([[1]]);
});

test("in a process that has the store to itself nothing is renewed, and nothing is ever lost", async () => {
  const claims = new Claims({ sharing: undefined, log: silentLog });
  using held = claims.hold(claim(0));
  expect(vi.getTimerCount()).toBe(0);
  expect(held.lost.aborted).toBe(false);
});
