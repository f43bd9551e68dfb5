import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@hil/gen/grpc/health/v1/health_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "./embedded.ts";

let folder: string;
let embedded: Embedded;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-probes-"));
  embedded = await startEmbedded({ environment: { HIL_PORT: "0", HIL_DATA_DIR: folder }, log: silentLog });
});
afterEach(async () => {
  await embedded.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the embedded form answers the probes of platforms, over HTTP and over gRPC's health check", async () => {
  const alive = await fetch(`${embedded.url}/healthz`);
  expect([alive.status, await alive.json()]).toEqual([200, { status: "alive", service: "hil" }]);
  const ready = await fetch(`${embedded.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: "ready", service: "hil", missing: [], impaired: [] },
  ]);
  const health = createClient(Health, createConnectTransport({ baseUrl: embedded.url, httpVersion: "2" }));
  for (const service of ["", SessionService.typeName]) {
    expect((await health.check({ service })).status).toBe(Status.SERVING);
  }
  await expect(health.check({ service: "hil.session.v1.Nothing" })).rejects.toThrow("not_found");
});
