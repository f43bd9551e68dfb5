import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Principal } from "../auth/principal.ts";
import { hilError } from "../errors/hil-error.ts";
import { type Listener, startListener } from "../http/listener.ts";
import { createOriginGuard } from "../http/origin-guard.ts";
import { silentLog } from "../telemetry/log.ts";
import { defineService, type Handlers } from "./service.ts";

const OWNER: Principal = { kind: "owner", id: "owner", tenantId: "_default", roles: [Role.OWNER] };
const REQUEST_IN_FULL_MS = 100;
let listener: Listener;

/** A service that learns who calls only after the whole request has come, as over a network. */
beforeEach(async () => {
  const authenticate = async () => {
    await new Promise((resolve) => setTimeout(resolve, REQUEST_IN_FULL_MS));
    return OWNER;
  };
  const refuse = () => {
    throw hilError(Code.Unimplemented, ErrorReason.INTERNAL, "not part of this test");
  };
  const handlers = Object.fromEntries(DeliveryService.methods.map(({ localName }) => [localName, refuse]));
  const service = defineService(
    DeliveryService,
    {
      ...handlers,
      listChannels: () => ({ channels: [{ id: "console" }] }),
      getChannel: ({ channelId }: { channelId: string }) => ({ channel: { id: channelId } }),
    } as unknown as Handlers<typeof DeliveryService>,
    { authenticate, log: silentLog },
  );
  listener = await startListener({
    host: "127.0.0.1",
    port: 0,
    services: [service],
    fallback: (_request, response) => void response.end(),
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    log: silentLog,
  });
});
afterEach(() => listener.close(0));

test.each([
  ["Connect over HTTP/2", () => createConnectTransport({ httpVersion: "2", baseUrl: base() })],
  ["Connect over HTTP/1.1", () => createConnectTransport({ httpVersion: "1.1", baseUrl: base() })],
  [
    "Connect with JSON",
    () => createConnectTransport({ httpVersion: "2", baseUrl: base(), useBinaryFormat: false }),
  ],
  ["gRPC", () => createGrpcTransport({ baseUrl: base() })],
])(
  "%s: a request that came in full before its caller is known is answered, an empty one too",
  async (_, open) => {
    const client = createClient(DeliveryService, open());
    const options = { timeoutMs: 10_000 };
    expect((await client.listChannels({}, options)).channels).toMatchObject([{ id: "console" }]);
    expect((await client.getChannel({ channelId: "a" }, options)).channel?.id).toBe("a");
  },
);

const base = () => `http://127.0.0.1:${listener.port}`;
