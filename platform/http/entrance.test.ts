import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { expect, test } from "vitest";
import { servicePrincipal } from "../auth/principal.ts";
import { hilError, reasonOf } from "../errors/hil-error.ts";
import { MAX_FAILURES } from "../limits/failed-credentials.ts";
import type { CallHeaders, Method } from "../rpc/service.ts";
import { createTrustedProxies } from "./client-address.ts";
import { createEntrance, MAX_STRANGERS } from "./entrance.ts";

const method = {
  admit(headers: CallHeaders) {
    if (headers.get("authorization") === "Bearer right") return servicePrincipal("test");
    throw hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "wrong");
  },
} as unknown as Method;
const showing = (key: string): CallHeaders => ({
  get: (name) => (name === "authorization" ? `Bearer ${key}` : null),
});

function start(isInner: boolean) {
  const now = () => new Date("2026-11-21T10:00:00Z");
  const entrance = createEntrance({ proxies: createTrustedProxies([]), now, isInner });
  let cut = 0;
  const connect = () => entrance.connected("10.0.0.7", () => cut++);
  const attempt = (key: string, peer = connect()) => {
    try {
      const admitted = entrance.admit(method, showing(key), peer);
      return admitted instanceof Promise ? "late" : admitted?.kind;
    } catch (error) {
      return reasonOf(error);
    }
  };
  return { attempt, connect, cuts: () => cut };
}

test("E2: at the door, an address that showed too many wrong credentials is asked to come back with a new one", () => {
  const { attempt } = start(false);
  for (let n = 0; n <= MAX_FAILURES; n++) attempt(`wrong ${n}`);
  expect(attempt("right")).not.toBe("service");
});

test("E5: behind the gateway, wrong credentials of some are no trouble for others of the same connection", () => {
  const { attempt, connect, cuts } = start(true);
  const gateway = connect();
  for (let n = 0; n <= 4 * MAX_FAILURES; n++) {
    expect(attempt(`wrong ${n}`, gateway)).toBe(ErrorReason.CREDENTIAL_INVALID);
  }
  expect(attempt("right", gateway)).toBe("service");
  for (let n = 0; n <= MAX_STRANGERS; n++) connect();
  expect(cuts()).toBe(0);
});
