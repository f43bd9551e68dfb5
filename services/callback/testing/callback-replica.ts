// One replica of the callback service as a process of its own, for tests that end it. SESSIONS_URL: the far side.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { DEFAULT_TENANT, servicePrincipal } from "@hil/platform/auth/principal.ts";
import { remoteTransport } from "@hil/platform/rpc/remote-transport.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { createLog } from "@hil/platform/telemetry/log.ts";
import { fixedTenants } from "@hil/platform/testing/fixed-tenants.ts";
import { readCallbackConfig } from "../config.ts";
import { openCallbackService } from "../service.ts";
import { createFakeAccess } from "./fake-access.ts";

const { DATA_DIR, POSTGRES_URL, SESSIONS_URL } = process.env as Record<string, string>;

const { http } = await openCallbackService({
  dataDir: DATA_DIR!,
  storage: { kind: "postgres", url: POSTGRES_URL! },
  // The database is there all the time. Where a busy machine makes it slow, order is still its to say.
  databasePatienceMs: 60_000,
  log: createLog("error"),
  now: () => new Date(),
  authenticate: () => servicePrincipal("test", DEFAULT_TENANT),
  sessions: createClient(SessionService, remoteTransport({ url: SESSIONS_URL! })),
  delivery: createClient(
    DeliveryService,
    createRouterTransport(({ service }) => service(DeliveryService, { sendNotice: () => ({}) })),
  ),
  access: createFakeAccess().client,
  tenants: fixedTenants(),
  vault: openVault({ dataDir: DATA_DIR!, environment: {} }),
  settings: { ...readCallbackConfig({}), allowKeyless: true },
});
const server = createServer((request, response) => void http.handle(request, response));
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
});
