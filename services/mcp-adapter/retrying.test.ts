import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Patience, tryUntil } from "./retrying.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const now = () => new Date();
const patience = (change: Partial<Patience> = {}): Patience => ({
  until: new Date(now().getTime() + 240_000),
  signal: new AbortController().signal,
  now,
  ...change,
});
const unavailable = () => Promise.reject(new ConnectError("ECONNREFUSED", Code.Unavailable));

test("what may be repeated is repeated until it is done", async () => {
  let tries = 0;
  const tried = tryUntil(async () => (++tries < 4 ? unavailable() : "there"), patience());
  await vi.runAllTimersAsync();
  expect(await tried).toEqual({ kind: "done", value: "there" });
});

test("a refusal is final at once", async () => {
  const refusal = new ConnectError("no", Code.InvalidArgument);
  expect(await tryUntil(() => Promise.reject(refusal), patience())).toEqual({
    kind: "refused",
    error: refusal,
  });
});

test.each<[string, Partial<Patience>, number]>([
  ["a service that was never reached is given up soon", { unreachedMs: 6_000 }, 6_000],
  ["a service that went away is given a minute", {}, 60_000],
])("%s", async (_title, change, expectedMs) => {
  const startMs = now().getTime();
  const tried = tryUntil(unavailable, patience(change));
  await vi.runAllTimersAsync();
  expect(await tried).toMatchObject({ kind: "unreachable", error: { code: Code.Unavailable } });
  expect(now().getTime() - startMs).toBe(expectedMs);
});

test("a call that was cut after it held counts as contact", async () => {
  let tries = 0;
  const startMs = now().getTime();
  const cutOnce = async () => {
    tries += 1;
    if (tries === 1) await new Promise((resolve) => setTimeout(resolve, 5_000));
    return unavailable();
  };
  const tried = tryUntil(cutOnce, patience({ unreachedMs: 6_000 }));
  await vi.runAllTimersAsync();
  expect(await tried).toMatchObject({ kind: "unreachable" });
  expect(now().getTime() - startMs).toBe(65_000);
});

test("a client that goes away ends the tries between two of them", async () => {
  const gone = new AbortController();
  const tried = tryUntil(unavailable, patience({ signal: gone.signal }));
  gone.abort();
  await vi.runAllTimersAsync();
  expect(await tried).toEqual({ kind: "detached" });
});

const rateLimited = (retryAfterMs: number) =>
  hilError(Code.ResourceExhausted, ErrorReason.RATE_LIMITED, "too many calls", {
    limit: "1",
    retry_after_ms: String(retryAfterMs),
  });

test("a service that says when to come back is not asked before", async () => {
  const startMs = now().getTime();
  let tries = 0;
  const once = async () => {
    if (++tries === 1) throw rateLimited(20_000);
    return "there";
  };
  const tried = tryUntil(once, patience());
  await vi.runAllTimersAsync();
  expect(await tried).toEqual({ kind: "done", value: "there" });
  expect(now().getTime() - startMs).toBe(20_000);
});

test("a service that says to come back too late is not waited for", async () => {
  const error = rateLimited(300_000);
  expect(await tryUntil(() => Promise.reject(error), patience())).toEqual({ kind: "unreachable", error });
});
