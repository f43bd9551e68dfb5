// CallbackService in a process of its own, with the addresses that vendors call. Any number of replicas. It is ready
// whoever else is away: what vendors send is kept (G10).

import { createClient } from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { nothingElse } from "@hil/platform/lifecycle/probe-routes.ts";
import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { readCallbackConfig } from "./config.ts";
import { openCallbackService } from "./service.ts";

await runService({
  name: "callback",
  needs: { storage: true, bus: false, peers: ["access", "session", "delivery"] },
  requires: [],
  servesWithoutStorage: true,
  prepare(environment) {
    const config = readCallbackConfig(environment);
    return async (parts) => {
      const { service, http, audit, close } = await openCallbackService({
        ...parts,
        sessions: createClient(SessionService, parts.asService("session")),
        delivery: createClient(DeliveryService, parts.asService("delivery")),
        settings: { ...config, allowKeyless: false },
      });
      return {
        services: [service],
        audit,
        close,
        fallback: (request, response) =>
          http.matches((request.url ?? "").split("?", 1)[0]!)
            ? http.handle(request, response)
            : nothingElse(request, response),
      };
    };
  },
});
