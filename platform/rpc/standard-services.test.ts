// gRPC's standard services, as foreign tools use them.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@hil/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "@hil/gen/grpc/reflection/v1/reflection_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Listener, startListener } from "../http/listener.ts";
import { createOriginGuard } from "../http/origin-guard.ts";
import { silentLog } from "../telemetry/log.ts";
import { healthRoutes } from "./health.ts";
import { reflectionRoutes } from "./reflection.ts";

const BUF = join(import.meta.dirname, "..", "..", "node_modules", "@bufbuild", "buf", "bin", "buf");
let listener: Listener;
let obstacle: string | undefined;
const url = () => `http://127.0.0.1:${listener.port}`;

beforeAll(async () => {
  listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [],
    standardRoutes: [
      healthRoutes([SessionService.typeName], { obstacle: async () => obstacle }),
      reflectionRoutes([SessionService]),
    ],
    fallback: (_, response) => {
      response.writeHead(404).end();
    },
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log: silentLog,
  });
});
afterAll(() => listener.close(0));

const transport = () => createGrpcTransport({ baseUrl: url() });

test("health tells whether the process and its services serve", async () => {
  const health = createClient(Health, transport());
  expect((await health.check({})).status).toBe(Status.SERVING);
  expect((await health.check({ service: SessionService.typeName })).status).toBe(Status.SERVING);
  await expect(health.check({ service: "hil.none.v1.None" })).rejects.toThrow(/no such service/);
  obstacle = "the database is away";
  expect((await health.check({})).status).toBe(Status.NOT_SERVING);
  obstacle = undefined;
});

test("health can be watched, and tells each change", async () => {
  const seen: Status[] = [];
  for await (const { status } of createClient(Health, transport()).watch({})) {
    seen.push(status);
    if (seen.length === 1) obstacle = "the database is away";
    if (seen.length === 2) break;
  }
  obstacle = undefined;
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
});

test("buf curl lists and describes without the contracts at hand", async () => {
  const curl = (...args: string[]) =>
    promisify(execFile)(
      process.execPath,
      [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", ...args],
      {
        cwd: "/",
      },
    ).then(({ stdout }) => stdout);
  expect(await curl("--list-services", url())).toContain("hil.session.v1.SessionService");
  const methods = await curl("--list-methods", url());
  expect(methods).toContain("hil.session.v1.SessionService/CreateSession");
  expect(await curl("-d", "{}", `${url()}/grpc.health.v1.Health/Check`)).toContain("SERVING");
});

test("reflection answers by symbol and by extension, and says what it does not know", async () => {
  const reflection = createClient(ServerReflection, transport());
  const ask = async (
    messageRequest: Parameters<typeof reflection.serverReflectionInfo>[0] extends AsyncIterable<infer R>
      ? R
      : never,
  ) => {
    for await (const { messageResponse } of reflection.serverReflectionInfo(
      (async function* () {
        yield messageRequest;
      })(),
    )) {
      return messageResponse;
    }
    return undefined;
  };
  const bySymbol = await ask({
    messageRequest: { case: "fileContainingSymbol", value: "hil.session.v1.SessionService.CreateSession" },
  });
  expect(bySymbol?.case).toBe("fileDescriptorResponse");
  const numbers = await ask({
    messageRequest: { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
  });
  expect(numbers).toMatchObject({ value: { extensionNumber: [50771] } });
  const byExtension = await ask({
    messageRequest: {
      case: "fileContainingExtension",
      value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50771 },
    },
  });
  expect(byExtension?.case).toBe("fileDescriptorResponse");
  const unknown = await ask({ messageRequest: { case: "fileContainingSymbol", value: "no.Such" } });
  expect(unknown).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
});
