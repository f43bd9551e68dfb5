// The gateway on a real port, before the real session service. The far side of it is a delivery service whose
// vendor does what the test decides.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { type RunningAccess, startAccess } from "@hil/access/testing/running-access.ts";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Channel_Kind, Channel_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { DeliverySummary_State, type Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { createInProcessBus } from "@hil/platform/events/in-process-bus.ts";
import { startListener } from "@hil/platform/http/listener.ts";
import { createOriginGuard } from "@hil/platform/http/origin-guard.ts";
import { noRateLimits, type RateLimits } from "@hil/platform/limits/rate-limits.ts";
import { localTransport } from "@hil/platform/rpc/local-transport.ts";
import type { Authenticate, Service } from "@hil/platform/rpc/service.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { openSigningKey } from "@hil/platform/signing/signing-key.ts";
import { type Log, silentLog } from "@hil/platform/telemetry/log.ts";
import { fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { readSessionSettings } from "@hil/session/config.ts";
import { openSessionService } from "@hil/session/service.ts";
import type { Mode } from "../config.ts";
import { createGateway, type GatewaySettings, type McpHttp } from "../service.ts";

/** What the vendor does with a message. PENDING stays so. */
export type Vendor = { state: "SENT" | "FAILED" | "SUPPRESSED" | "PENDING"; reason?: string };

export interface RunningGateway extends AsyncDisposable {
  readonly url: string;
  /** The access service that it asks. */
  readonly access: RunningAccess;
  readonly ownerKey: string;
  /** The session service, called as one of ours. */
  readonly sessions: Client<typeof SessionService>;
  /** What was ordered from the delivery service, oldest first. */
  readonly ordered: Session[];
  /** What reached the vendors' face: path, and whether a key was shown. */
  readonly vendorCalls: { path: string; principal: string | undefined }[];
  /** A cookie of the owner's signed-in console. */
  cookie(): Promise<string>;
  /** Takes the session service away, as while it starts, drains or has no database. */
  loseSessions(): Promise<void>;
}

export async function startGateway({
  vendor = () => ({ state: "SENT" }),
  needsChat = true,
  allowKeyless = true,
  mode = "relay",
  relays = () => [],
  robotRunsOn,
  environment = {},
  limits = noRateLimits,
  mcpHttp,
  tokens,
  log = silentLog,
}: {
  vendor?: (session: Session) => Vendor;
  needsChat?: boolean;
  allowKeyless?: boolean;
  mode?: Mode;
  /** The names of the relays that are attached, asked for one tenant. Default: none are. */
  relays?: (tenantId: string) => readonly string[] | Promise<readonly string[]>;
  /** The robot runs on relays, and these are attached. Default: it runs on none. */
  robotRunsOn?: readonly string[];
  environment?: NodeJS.ProcessEnv;
  limits?: RateLimits;
  /** What serves MCP. Default: nothing does. */
  mcpHttp?: (authenticate: Authenticate) => McpHttp;
  /** Whose tokens are taken. Default: nobody's. */
  tokens?: GatewaySettings["tokens"];
  log?: Log;
} = {}): Promise<RunningGateway> {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-gateway-"));
  const now = () => new Date();
  const access = await startAccess({ now });
  const { ownerKey, authenticate, serviceKey, keylessKey } = access;
  const services: Service[] = [access.access.service];
  const asService = createClient(
    SessionService,
    localTransport(() => services, serviceKey),
  );
  const ordered: Session[] = [];
  const robot = {
    id: "wecom-robot",
    kind: Channel_Kind.WECOM_ROBOT,
    state: Channel_State.READY,
    capabilities: { needsChat },
    ...(robotRunsOn && { runsOnRelays: true, attachedRelays: [...robotRunsOn] }),
  };
  const delivery = createClient(
    DeliveryService,
    createRouterTransport((router) => {
      router.service(DeliveryService, {
        async deliver({ orders }) {
          for (const { session, target, deliveryId } of orders) {
            ordered.push(session!);
            const { state, reason = "" } = vendor(session!);
            await asService.reportDeliveries(
              {
                reports: [
                  {
                    sessionId: session!.id,
                    delivery: { deliveryId, target, state: DeliverySummary_State[state], reason },
                  },
                ],
              },
              { headers: { [TENANT_HEADER]: session!.tenantId } },
            );
          }
          return { deliveries: orders.map(({ deliveryId }) => ({ id: deliveryId })) };
        },
        updateDelivered: () => ({}),
        listChannels: () => ({ channels: [robot] }),
        getChannel: () => ({ channel: robot }),
        async listRelays({ tenantId, attachedOnly, pageToken }, { requestHeader }) {
          if (requestHeader.get("authorization") !== `Bearer ${serviceKey}` || !attachedOnly) return {};
          const [name, ...rest] = (await relays(tenantId)).filter((each) => each > pageToken);
          return { relays: name ? [{ name }] : [], nextPageToken: rest.length > 0 ? name : "" };
        },
      });
    }),
  );
  const bus = createInProcessBus({ log });
  const sessionService = await openSessionService({
    storage: { kind: "sqlite", dataDir },
    log,
    now,
    bus,
    authenticate,
    limits,
    delivery,
    settings: readSessionSettings(environment),
    tenants: fixedTenants(),
    vault: openVault({ dataDir, environment: {} }),
    signingKey: openSigningKey({ dataDir }),
  });
  services.push(sessionService.service);

  const vendorCalls: RunningGateway["vendorCalls"] = [];
  let url = "";
  const asCaller = localTransport(() => services);
  const gateway = createGateway({
    authenticate,
    serviceKey,
    keylessKey: allowKeyless ? keylessKey : undefined,
    sessions: createClient(SessionService, asCaller),
    access: createClient(AccessService, asCaller),
    delivery,
    limits,
    vendorHttp: {
      matches: (path) => path === "/callback" || path === "/api/callback",
      handle(request, response, caller) {
        vendorCalls.push({ path: request.url!, principal: caller?.principal?.id });
        response.end('{"errcode":0,"errmsg":"ok"}');
      },
    },
    ...(mcpHttp ? { mcpHttp: mcpHttp(authenticate) } : {}),
    console: {
      matches: (method, path) => method === "GET" && (path === "/" || path === "/inbox"),
      handle(_request, response) {
        response.setHeader("content-type", "text/html");
        response.end("<!doctype html>console");
      },
    },
    log,
    now,
    settings: { mode, locale: "en", tokens, publicUrl: () => url },
  });
  const listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services,
    fallback: gateway,
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log,
  });
  url = `http://127.0.0.1:${listener.port}`;
  return {
    url,
    access,
    ownerKey,
    sessions: asService,
    ordered,
    vendorCalls,
    cookie: () => access.cookie(),
    loseSessions: () => sessionService.close(),
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      await sessionService.close();
      await bus.close();
      await access[Symbol.asyncDispose]();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
