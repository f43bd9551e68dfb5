import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { Inbound } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { DeliveryService, type SendNoticeRequest } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { credentialInvalid, TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { bearerOf } from "@hil/platform/auth/credential-headers.ts";
import { DEFAULT_TENANT, type Principal, servicePrincipal } from "@hil/platform/auth/principal.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import { type Log, silentLog } from "@hil/platform/telemetry/log.ts";
import { type FixedTenants, fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { readCallbackConfig } from "../config.ts";
import { type CallbackSettings, openCallbackService } from "../service.ts";
import { createFakeAccess, type FakeAccess } from "./fake-access.ts";

/** The real CallbackService on a real file, with its vendor's address on a port of its own. */
export interface TestCallback extends AsyncDisposable {
  /** A client of the owner. */
  readonly owner: Client<typeof CallbackService>;
  /** A client of another service. */
  readonly service: Client<typeof CallbackService>;
  /** A client of somebody else: "operator:t1". See principalOf. */
  as(credential: string): Client<typeof CallbackService>;
  readonly access: FakeAccess;
  readonly tenants: FixedTenants;
  /** What delivery was asked to say, oldest first. */
  readonly notices: SendNoticeRequest[];
  /** The tenants for which it was, in the same order. */
  readonly noticeTenants: (string | null)[];
  /** Where the vendor calls: "http://127.0.0.1:port". */
  readonly url: string;
  readonly dataDir: string;
  /** Posts a vendor's message as JSON. */
  post(
    body: unknown,
    headers?: Record<string, string>,
    path?: string,
  ): Promise<{ status: number; body: unknown }>;
  /** All that is kept, oldest first. */
  kept(): Promise<Inbound[]>;
  /** Closes the service and opens it again on the same file. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the service with a recording DeliveryService on the far side. `sendNotice` decides how that answers. */
export async function startCallbackService({
  sessions,
  settings = {},
  now = () => new Date(),
  sendNotice = () => {},
  channels = {},
  log = silentLog,
  storage,
}: {
  sessions: Client<typeof SessionService>;
  settings?: Partial<CallbackSettings>;
  now?: () => Date;
  sendNotice?: (request: SendNoticeRequest) => void;
  /** The ids of the robots that a tenant set up itself. */
  channels?: Record<string, readonly string[]>;
  log?: Log;
  /** Default: a file in a folder of its own. */
  storage?: Storage;
}): Promise<TestCallback> {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-callback-"));
  const notices: SendNoticeRequest[] = [];
  const noticeTenants: (string | null)[] = [];
  const access = createFakeAccess();
  const tenants = fixedTenants();
  const delivery = createClient(
    DeliveryService,
    createRouterTransport(({ service }) =>
      service(DeliveryService, {
        sendNotice(request, { requestHeader }) {
          sendNotice(request);
          notices.push(request);
          noticeTenants.push(requestHeader.get(TENANT_HEADER));
          return {};
        },
        getChannel({ channelId }, { requestHeader }) {
          const tenantId = requestHeader.get(TENANT_HEADER) ?? "";
          if (channels[tenantId]?.includes(channelId)) {
            return { channel: { id: channelId, kind: Channel_Kind.WECOM_ROBOT, tenantId } };
          }
          throw new ConnectError("no such channel", Code.NotFound);
        },
      }),
    ),
  );
  const open = () =>
    openCallbackService({
      dataDir,
      storage: storage ?? { kind: "sqlite", dataDir },
      log,
      now,
      authenticate,
      sessions,
      delivery,
      access: access.client,
      tenants,
      vault: openVault({ dataDir, environment: {} }),
      settings: {
        ...readCallbackConfig({ HIL_LOCALE: "en", HIL_TIME_ZONE: "Asia/Shanghai" }),
        allowKeyless: true,
        ...settings,
      },
    });
  let opened = await open();
  const server = createServer((request, response) => void opened.http.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = (credential: string) =>
    createClient(CallbackService, {
      unary: (...args) => localTransport(() => [opened.service], credential).unary(...args),
      stream: (...args) => localTransport(() => [opened.service], credential).stream(...args),
    });
  const owner = client("owner");
  return {
    owner,
    service: client("service"),
    as: client,
    access,
    tenants,
    notices,
    noticeTenants,
    url,
    dataDir,
    async post(body, headers = {}, path = "/callback") {
      const response = await fetch(url + path, {
        method: "POST",
        headers,
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
    async kept() {
      const { inbounds } = await owner.listInbound({ pageSize: 200 });
      return inbounds.toReversed();
    },
    async restart() {
      await opened.close();
      opened = await open();
    },
    close: () => opened.close(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await opened.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The credential is the principal: "owner", "service", or a role and its tenant: "operator:t1", "robot:t1". */
const authenticate: Authenticate = (headers): Principal => {
  const credential = bearerOf(headers) ?? "";
  const [name, tenantId = DEFAULT_TENANT] = credential.split(":");
  const key = (role: Role, scopes?: string[]): Principal => ({
    kind: "api-key",
    id: `key:${name}`,
    tenantId,
    roles: [role],
    ...(scopes && { scopes }),
  });
  switch (name) {
    case "service":
      return servicePrincipal("test", headers.get(TENANT_HEADER) ?? undefined);
    case "owner":
      return { kind: "owner", id: "owner", tenantId: DEFAULT_TENANT, roles: [Role.OWNER] };
    case "administrator":
      return key(Role.ADMINISTRATOR);
    case "operator":
      return key(Role.OPERATOR);
    case "auditor":
      return key(Role.AUDITOR);
    case "agent":
      return key(Role.AGENT, ["inbound.write"]);
    case "robot":
      return key(Role.OPERATOR, ["inbound.write"]);
    default:
      throw credentialInvalid("this key is not known");
  }
};
