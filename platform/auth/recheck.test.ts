import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hilError, reasonOf } from "../errors/hil-error.ts";
import type { Authenticate } from "../rpc/service.ts";
import { credentialInvalid } from "./authenticator.ts";
import type { Principal } from "./principal.ts";
import { RECHECK_INTERVAL_MS, Recheck } from "./recheck.ts";

const principal: Principal = { kind: "api-key", id: "key:1", tenantId: "a", roles: [] };
const bearer = (key: string) => new Headers({ authorization: `Bearer ${key}`, "hil-tenant": "a" });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A recheck whose credentials are worth what `answer` says, and what it was shown. */
function startRecheck(answer: (authorization: string | null) => Principal | Promise<Principal>) {
  const shown: (string | null)[] = [];
  const authenticate: Authenticate = (headers) => {
    shown.push(headers.get("authorization"));
    return answer(headers.get("authorization"));
  };
  return { recheck: new Recheck(authenticate), shown };
}

test("R1: a revoked credential ends its calls, and no others", async () => {
  let revoked = false;
  const { recheck } = startRecheck(async (authorization) => {
    if (revoked && authorization === "Bearer one") throw credentialInvalid();
    return principal;
  });
  const ends: Record<string, unknown[]> = { one: [], other: [] };
  for (const key of ["one", "other"]) {
    recheck.follow(bearer(key), {
      principal,
      check: () => {},
      end: (error) => ends[key]!.push(reasonOf(error)),
    });
  }
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(ends).toEqual({ one: [], other: [] });
  revoked = true;
  await vi.advanceTimersByTimeAsync(3 * RECHECK_INTERVAL_MS);
  expect(ends).toEqual({ one: [ErrorReason.CREDENTIAL_INVALID], other: [] });
});

test("a principal that may no longer make the call loses it", async () => {
  const { recheck } = startRecheck(() => ({ ...principal, roles: [] }));
  const ended = vi.fn();
  const refusal = new Error("not any more");
  const check = ({ roles }: Principal) => {
    if (roles.length === 0) throw refusal;
  };
  recheck.follow(bearer("one"), { principal, check, end: ended });
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(ended).toHaveBeenCalledWith(refusal);
});

test("a principal with other rights than before calls again with them", async () => {
  let now = { ...principal };
  const { recheck } = startRecheck(async () => now);
  const ends: ErrorReason[] = [];
  recheck.follow(bearer("one"), {
    principal,
    check: () => {},
    end: (error) => ends.push(reasonOf(error)),
  });
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(ends).toEqual([]);
  now = { ...principal, scopes: ["sessions.read"] };
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(ends).toEqual([ErrorReason.NOT_READY]);
});

test("R2: calls go on while the access service cannot be asked", async () => {
  const away = () => hilError(Code.Unavailable, ErrorReason.STORAGE_UNAVAILABLE, "away");
  for (const answer of [
    () => Promise.reject(away()),
    () => {
      throw away();
    },
  ]) {
    const { recheck, shown } = startRecheck(answer);
    const ended = vi.fn();
    const unfollow = recheck.follow(bearer("one"), { principal, check: () => {}, end: ended });
    await vi.advanceTimersByTimeAsync(3 * RECHECK_INTERVAL_MS);
    expect(shown).toHaveLength(3);
    expect(ended).not.toHaveBeenCalled();
    unfollow();
  }
});

test("R3: many calls of one credential are one look, and none is left when they have ended", async () => {
  const { recheck, shown } = startRecheck(() => principal);
  const calls = Array.from({ length: 1000 }, () =>
    recheck.follow(bearer("one"), { principal, check: () => {}, end: () => {} }),
  );
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(shown).toEqual(["Bearer one"]);
  for (const unfollow of calls) unfollow();
  expect(vi.getTimerCount()).toBe(0);
});

test("a call of a credential that was followed before and ended is followed anew", async () => {
  const { recheck } = startRecheck(() => {
    throw credentialInvalid();
  });
  const first = recheck.follow(bearer("one"), { principal, check: () => {}, end: () => {} });
  first();
  const ended = vi.fn();
  const second = recheck.follow(bearer("one"), { principal, check: () => {}, end: ended });
  first();
  await vi.advanceTimersByTimeAsync(RECHECK_INTERVAL_MS);
  expect(ended).toHaveBeenCalledTimes(1);
  second();
});
