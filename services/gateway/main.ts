// What people and their programs reach of a deployment: RPCs for all services, REST, the console, vendors' callbacks.
// Any number of replicas.

import { createClient } from "@connectrpc/connect";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { type PeerName, readPublicUrl } from "@hil/platform/lifecycle/service-config.ts";
import { drainableTransport } from "@hil/platform/rpc/drainable-transport.ts";
import { forwardedService } from "@hil/platform/rpc/forwarded-service.ts";
import { admitForwarded } from "./admit-forwarded.ts";
import { createMcpProxy } from "./mcp-proxy.ts";
import { prepareGateway } from "./prepare-gateway.ts";
import { createVendorProxy } from "./vendor-proxy.ts";

await runService({
  name: "gateway",
  needs: { storage: false, bus: false, peers: ["access", "session", "delivery", "callback", "mcp-adapter"] },
  requires: ["access", "session"],
  isEntrance: true,
  prepare(environment) {
    const createGateway = prepareGateway(environment, readPublicUrl(environment));
    return async (parts) => {
      const { config, authenticate, limits, log, now, drain } = parts;
      const to = (peer: PeerName) => drainableTransport(parts.asCaller(peer), drain);
      const vendorHttp = createVendorProxy({ url: config.peers.callback!, log });
      const mcpUrl = config.peers["mcp-adapter"];
      const mcpHttp =
        mcpUrl === undefined
          ? undefined
          : createMcpProxy({ url: mcpUrl, serviceKey: config.serviceKey, log });
      const admit = admitForwarded({ authenticate, limits });
      const listening = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${config.port}`;
      return {
        services: [
          forwardedService(SessionService, to("session"), { admit }),
          forwardedService(DeliveryService, to("delivery"), { admit }),
          forwardedService(CallbackService, to("callback"), { admit }),
          forwardedService(AccessService, to("access"), { admit }),
        ],
        fallback: createGateway({
          ...parts,
          serviceKey: config.serviceKey,
          sessions: createClient(SessionService, to("session")),
          access: createClient(AccessService, to("access")),
          delivery: createClient(DeliveryService, to("delivery")),
          accessAsService: parts.access,
          limits,
          vendorHttp,
          ...(mcpHttp ? { mcpHttp } : {}),
          publicUrl: () => config.publicUrl?.origin ?? listening,
          log,
          now,
        }),
        drain: () => void mcpHttp?.drain(),
        close() {
          vendorHttp.close();
          mcpHttp?.close();
        },
      };
    };
  },
});
