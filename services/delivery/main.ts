// DeliveryService in a process of its own. Any number of replicas.

import { createClient } from "@connectrpc/connect";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { readEgressConfig } from "@hil/platform/egress/config.ts";
import { createEgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { createChannels } from "./channels.ts";
import { readDeliveryConfig } from "./config.ts";
import { openDeliveryService } from "./service.ts";

await runService({
  name: "delivery",
  needs: { storage: true, bus: true, peers: ["access", "session", "callback"] },
  requires: ["access"],
  prepare(environment) {
    const settings = readDeliveryConfig(environment);
    const config = readEgressConfig(environment);
    return async (parts) => {
      const { log, now } = parts;
      const guard = createEgressGuard({ config, log });
      const sessions = createClient(SessionService, parts.asService("session"));
      const callbacks = createClient(CallbackService, parts.asService("callback"));
      const channels = createChannels(settings, { log, now });
      const { service, audit, drain, close } = await openDeliveryService({
        ...parts,
        sessions,
        callbacks,
        servesRelays: true,
        guard,
        channels,
        settings,
      });
      return {
        services: [service],
        audit,
        drain,
        async close() {
          await close();
          await guard.close();
        },
      };
    };
  },
});
