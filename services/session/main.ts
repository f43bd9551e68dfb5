// SessionService in a process of its own. Any number of replicas.

import { createClient } from "@connectrpc/connect";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { readSessionSettings } from "./config.ts";
import { openSessionService } from "./service.ts";

await runService({
  name: "session",
  needs: { storage: true, bus: true, peers: ["access", "delivery"] },
  requires: ["access"],
  prepare(environment) {
    const settings = readSessionSettings(environment);
    return async (parts) => {
      const delivery = createClient(DeliveryService, parts.asService("delivery"));
      const { service, ...open } = await openSessionService({ ...parts, delivery, settings });
      return { ...open, services: [service] };
    };
  },
});
