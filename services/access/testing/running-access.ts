// The real access service on a folder of its own, called in memory, with a clock that the test moves.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { createAccessVerifier } from "@hil/platform/auth/access-verifier.ts";
import { createAuthenticator, TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { type Log, silentLog } from "@hil/platform/telemetry/log.ts";
import type { JwtVerifier } from "../jwt.ts";
import { type OpenAccessService, openAccessService } from "../service.ts";

export const OWNER_KEY = "owner-key-of-this-test-with-forty-letters";
const SERVICE_KEY = "service-key-of-this-test";
const KEYLESS_KEY = "keyless-key-of-this-test";

export interface RunningAccess extends AsyncDisposable {
  readonly dataDir: string;
  readonly access: OpenAccessService;
  readonly ownerKey: string;
  readonly serviceKey: string;
  readonly keylessKey: string;
  /** As every service of the deployment has it. */
  readonly authenticate: Authenticate;
  readonly asOwner: Client<typeof AccessService>;
  /** Called as a service of the deployment that acts for a tenant; default: "_default". */
  asService(tenantId?: string): Client<typeof AccessService>;
  /** Called with a key or token. */
  as(bearer: string): Client<typeof AccessService>;
  /** The cookie of the owner's signed-in browser. */
  cookie(): Promise<string>;
  readonly now: () => Date;
  /** Moves the clock. */
  advance(ms: number): void;
  /** Closes the service and opens it again on the same folder. */
  restart(): Promise<void>;
}

export async function startAccess({
  /** False: the service makes an owner key of its own. */
  presetOwnerKey = true,
  now: givenNow = undefined as (() => Date) | undefined,
  jwt = undefined as JwtVerifier | undefined,
  log = silentLog as Log,
} = {}): Promise<RunningAccess> {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-access-"));
  const ownerKey = presetOwnerKey ? OWNER_KEY : undefined;
  let clock = Date.parse("2026-11-20T10:00:00Z");
  const now = givenNow ?? (() => new Date(clock));
  const client = (bearer: string, tenantId?: string) =>
    createClient(AccessService, transport(bearer, tenantId));
  // A transport of its own for each call: the service may have been restarted.
  const transport = (bearer: string, tenantId: string | undefined): Transport => {
    const current = () => localTransport(() => [access.service], bearer);
    const named = (header: HeadersInit | undefined) => {
      const headers = new Headers(header);
      if (tenantId !== undefined) headers.set(TENANT_HEADER, tenantId);
      return headers;
    };
    return {
      unary: (method, signal, timeoutMs, header, ...rest) =>
        current().unary(method, signal, timeoutMs, named(header), ...rest),
      stream: (method, signal, timeoutMs, header, ...rest) =>
        current().stream(method, signal, timeoutMs, named(header), ...rest),
    };
  };
  const authenticate = createAuthenticator({
    verify: createAccessVerifier(client(SERVICE_KEY)),
    serviceKey: SERVICE_KEY,
    now,
  });
  const open = () =>
    openAccessService({
      dataDir,
      storage: { kind: "sqlite", dataDir },
      log,
      now,
      authenticate,
      vault: { auditKey: new Uint8Array(32).fill(1), keyPepper: new Uint8Array(32).fill(2) },
      settings: { ownerKey },
      keylessKey: KEYLESS_KEY,
      jwt,
    });
  let access = await open();
  return {
    dataDir,
    get access() {
      return access;
    },
    get ownerKey() {
      return ownerKey ?? access.newOwnerKey ?? "";
    },
    serviceKey: SERVICE_KEY,
    keylessKey: KEYLESS_KEY,
    authenticate,
    asOwner: client(ownerKey ?? access.newOwnerKey!),
    asService: (tenantId) => client(SERVICE_KEY, tenantId),
    as: (bearer) => client(bearer),
    async cookie() {
      const proof = { case: "ownerKey", value: ownerKey ?? access.localKey } as const;
      const { secret } = await client(SERVICE_KEY).startConsoleSession({ proof });
      return `hil_console=${secret}`;
    },
    now,
    advance: (ms) => {
      clock += ms;
    },
    async restart() {
      await access.close();
      access = await open();
    },
    async [Symbol.asyncDispose]() {
      await access.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
