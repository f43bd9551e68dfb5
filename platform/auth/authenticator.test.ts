import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { beforeEach, expect, test } from "vitest";
import { reasonOf } from "../errors/hil-error.ts";
import type { Authenticate } from "../rpc/service.ts";
import {
  type Credential,
  createAuthenticator,
  credentialInvalid,
  MAX_REMEMBERED_MS,
  TENANT_HEADER,
} from "./authenticator.ts";
import type { Principal } from "./principal.ts";

const key: Principal = { kind: "api-key", id: "key:1", tenantId: "a", roles: [] };
const owner: Principal = { kind: "owner", id: "owner", tenantId: "_default", roles: [] };

let nowMs: number;
let shown: Credential[];
let revoked: boolean;
let authenticate: Authenticate;
beforeEach(() => {
  nowMs = Date.parse("2026-11-20T10:00:00Z");
  shown = [];
  revoked = false;
  authenticate = createAuthenticator({
    serviceKey: "service",
    now: () => new Date(nowMs),
    async verify(credential) {
      shown.push(credential);
      if (revoked || !["key", "owner", "cookie"].includes(credential.value)) throw credentialInvalid();
      return { principal: credential.value === "key" ? key : owner, validUntilMs: nowMs + 3_600_000 };
    },
  });
});

const bearer = (value: string, tenant?: string) =>
  new Headers({
    authorization: `Bearer ${value}`,
    ...(tenant === undefined ? {} : { [TENANT_HEADER]: tenant }),
  });
const refusal = (headers: Headers) =>
  Promise.resolve()
    .then(() => authenticate(headers))
    .then(() => ErrorReason.UNSPECIFIED, reasonOf);

test("N1: a credential is asked for once in 4 s, answered at once meanwhile, and refused after", async () => {
  expect(await authenticate(bearer("key"))).toBe(key);
  revoked = true;
  nowMs += MAX_REMEMBERED_MS - 1;
  expect(authenticate(bearer("key"))).toBe(key);
  expect(shown).toHaveLength(1);
  nowMs += 1;
  expect(await refusal(bearer("key"))).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("N3: a wrong credential is asked for each time", async () => {
  for (let each = 0; each < 3; each++) {
    expect(await refusal(bearer("wrong"))).toBe(ErrorReason.CREDENTIAL_INVALID);
  }
  expect(shown).toHaveLength(3);
});

test("N4: calls at the same time ask once, and each is held to the tenant that it names", async () => {
  const calls = [undefined, "a", "b"].map((tenant) => refusal(bearer("key", tenant)));
  expect(await Promise.all(calls)).toEqual([
    ErrorReason.UNSPECIFIED,
    ErrorReason.UNSPECIFIED,
    ErrorReason.TENANT_MISMATCH,
  ]);
  expect(shown).toHaveLength(1);
});

test("N2: a service acts for the tenant that it names, an owner is of its own whatever it names", async () => {
  expect(authenticate(bearer("service", "b"))).toMatchObject({ kind: "service", tenantId: "b" });
  expect(authenticate(bearer("service"))).toMatchObject({ kind: "service", tenantId: "_default" });
  expect(await authenticate(bearer("owner", "b"))).toBe(owner);
  expect(await authenticate(bearer("key", "_default"))).toBe(key);
  expect(await refusal(bearer("key", "b"))).toBe(ErrorReason.TENANT_MISMATCH);
});

test("a key wins over the console's cookie, and of two cookies the one that only https can set", async () => {
  const cookies = "hil_console=planted; __Host-hil_console=cookie; hil_console=other";
  expect(await authenticate(new Headers({ cookie: cookies }))).toBe(owner);
  expect(shown).toEqual([{ kind: "console-session", value: "cookie" }]);
  const both = new Headers({ cookie: cookies, authorization: "Bearer wrong" });
  expect(await refusal(both)).toBe(ErrorReason.CREDENTIAL_INVALID);
  expect(await refusal(new Headers())).toBe(ErrorReason.CREDENTIAL_INVALID);
});
