import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { type DeliverRequest, DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { DEFAULT_TENANT, type Principal, servicePrincipal } from "@hil/platform/auth/principal.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import { createInProcessBus } from "@hil/platform/events/in-process-bus.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { openSigningKey } from "@hil/platform/signing/signing-key.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type FixedTenants, fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { readSessionSettings, type SessionSettings } from "../config.ts";
import { openSessionService } from "../service.ts";

/** A SessionService in memory of the test, on a real file. */
export interface TestSessions extends AsyncDisposable {
  /** A client of the owner. */
  readonly owner: Client<typeof SessionService>;
  /** A client of one service to another. */
  readonly service: Client<typeof SessionService>;
  /** A client of an agent called `id`. */
  agent(id: string): Client<typeof SessionService>;
  /** A client of anybody. What is not said is of an agent called "keyless". */
  as(principal: Partial<Principal>): Client<typeof SessionService>;
  /** What the tenants lay down. */
  readonly tenants: FixedTenants;
  /** What delivery was asked to bring. */
  readonly delivered: DeliverRequest["orders"];
  /** The tenants that delivery was called for, in order. */
  readonly deliveredFor: string[];
  /** The sessions that delivery was told have ended, by id. */
  readonly endedAtDelivery: string[];
  readonly dataDir: string;
  /** The clock; set it to move time. */
  readonly clock: { now: Date };
  /** Closes the service and opens it again on the same file, with more variables if need be. */
  restart(environment?: NodeJS.ProcessEnv): Promise<void>;
}

/** Starts the real service with a recording DeliveryService on the far side. */
export async function startSessionService({
  settings = {},
  now,
  dataDir = mkdtempSync(join(tmpdir(), "hil-session-")),
  storage = { kind: "sqlite", dataDir },
  bus = () => createInProcessBus({ log: silentLog }),
}: {
  settings?: Partial<SessionSettings>;
  now?: Date;
  /** Holds the keys, which replicas share. It goes away with the service. */
  dataDir?: string;
  storage?: Storage;
  bus?: () => EventBus;
} = {}): Promise<TestSessions> {
  const clock = { now: now ?? new Date() };
  const delivered: DeliverRequest["orders"] = [];
  const deliveredFor: string[] = [];
  const endedAtDelivery: string[] = [];
  const tenants = fixedTenants();
  const delivery = createClient(
    DeliveryService,
    createRouterTransport(({ service }) =>
      service(DeliveryService, {
        deliver: ({ orders }, { requestHeader }) => {
          deliveredFor.push(requestHeader.get(TENANT_HEADER) ?? "");
          delivered.push(...orders);
          return {};
        },
        updateDelivered: ({ sessions }) => {
          endedAtDelivery.push(...sessions.map((each) => each.id));
          return {};
        },
      }),
    ),
  );
  const open = () =>
    openSessionService({
      storage,
      log: silentLog,
      now: () => (now ? clock.now : new Date()),
      bus: bus(),
      authenticate,
      delivery,
      settings: { ...readSessionSettings({ HIL_LOCALE: "en" }), ...settings },
      tenants,
      vault: openVault({ dataDir, environment }),
      signingKey: openSigningKey({ dataDir }),
    });
  let environment: NodeJS.ProcessEnv = {};
  let opened = await open();
  const client = (credential: string) =>
    createClient(SessionService, {
      unary: (...args) => localTransport(() => [opened.service], credential).unary(...args),
      stream: (...args) => localTransport(() => [opened.service], credential).stream(...args),
    });
  return {
    owner: client("owner"),
    service: client("service"),
    agent: (id) => client(`agent:${id}`),
    as: (principal) => client(JSON.stringify({ ...KEYLESS, ...principal })),
    tenants,
    delivered,
    deliveredFor,
    endedAtDelivery,
    dataDir,
    clock,
    async restart(changed = {}) {
      await opened.close();
      environment = { ...environment, ...changed };
      opened = await open();
    },
    async [Symbol.asyncDispose]() {
      await opened.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const KEYLESS: Principal = {
  kind: "keyless",
  id: "keyless",
  tenantId: DEFAULT_TENANT,
  roles: [Role.AGENT],
};

/** The credential is the principal: "owner", "service", "agent:<id>", or all of it as JSON. */
const authenticate: Authenticate = (headers): Principal => {
  const name = headers.get("authorization")?.replace("Bearer ", "") ?? "";
  if (name.startsWith("{")) return JSON.parse(name) as Principal;
  if (name === "service") return servicePrincipal("test", headers.get(TENANT_HEADER) ?? undefined);
  if (name === "owner") return { kind: "owner", id: "owner", tenantId: DEFAULT_TENANT, roles: [Role.OWNER] };
  return { ...KEYLESS, id: name.replace("agent:", "") };
};
