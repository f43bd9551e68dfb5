import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Principal_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { AccessService, WhoAmIResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { expect, test } from "vitest";
import type { Terminal } from "../terminal.ts";
import { checkCredential, credentialFindings } from "./credential.ts";

const terminal = {
  t: (en: string) => en,
  now: () => new Date("2026-11-20T00:00:00Z"),
  locale: "en",
} as unknown as Terminal;

function findings({ end, scopes = [] }: { end?: string; scopes?: string[] }) {
  const principal = {
    kind: Principal_Kind.API_KEY,
    id: "key:abc",
    keyId: "abc",
    tenantId: "shop",
    roles: [Role.AGENT],
    scopes,
  };
  const expireTime = end ? timestampFromDate(new Date(end)) : undefined;
  return credentialFindings(create(WhoAmIResponseSchema, { principal, expireTime }), terminal);
}

test("a key is told with its tenant and what it may do", () => {
  const [works, narrowed] = findings({ scopes: ["sessions.read"] });
  expect(works).toEqual({ kind: "ok", what: "the credential works: key:abc, tenant shop (agent)" });
  expect(narrowed).toEqual({ kind: "ok", what: "narrowed to sessions.read" });
});

test("a key that ends within two weeks is worth a hint, one that ends later is not", () => {
  expect(findings({ end: "2026-12-03T00:00:00Z" }).at(-1)).toMatchObject({
    kind: "hint",
    remedy: expect.stringContaining("hil key rotate abc"),
  });
  expect(findings({ end: "2026-12-05T00:00:00Z" }).at(-1)).toMatchObject({ kind: "ok" });
});

test("a key whose scopes do not cover the look works; one that is refused does not", async () => {
  const refusing = (error: ConnectError) => {
    const transport = createRouterTransport(({ service }) =>
      service(AccessService, {
        whoAmI() {
          throw error;
        },
      }),
    );
    return checkCredential({ access: createClient(AccessService, transport) }, terminal);
  };
  const scope = hilError(Code.PermissionDenied, ErrorReason.SCOPE_MISSING, "no", { method: "", scope: "" });
  expect(await refusing(scope)).toMatchObject([{ kind: "ok" }]);
  const unknown = hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "this key is not known");
  expect(await refusing(unknown)).toMatchObject([{ kind: "problem", remedy: "this key is not known" }]);
});
