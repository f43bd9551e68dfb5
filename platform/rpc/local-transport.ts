import { Code, createRouterTransport, type Transport } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import { currentTracing } from "../telemetry/tracing.ts";
import { connectRoutes } from "./connect-routes.ts";
import type { Service } from "./service.ts";

/**
 * Calls services of the same process through the same checks as a call from outside. `credential` goes
 * with every call that does not bring one of its own, as `Authorization: Bearer`.
 *
 * `services` gives undefined until all of them are open: services call each other, and one that finds work of
 * the last run calls before the others are there. Until then a call fails with NOT_READY, which is tried again.
 */
export function localTransport(
  services: () => readonly Service[] | undefined,
  credential?: string,
): Transport {
  let transport: Transport | undefined;
  const open = () => {
    const ready = services();
    if (!ready) throw notReady();
    transport ??= createRouterTransport(connectRoutes(ready), {
      transport: {
        interceptors: [
          (next) => (request) => {
            if (credential !== undefined && !request.header.has("authorization")) {
              request.header.set("authorization", `Bearer ${credential}`);
            }
            currentTracing()?.inject(request.header);
            return next(request);
          },
        ],
      },
    });
    return transport;
  };
  return {
    unary: async (...args) => open().unary(...args),
    stream: async (...args) => open().stream(...args),
  };
}

function notReady() {
  return hilError(Code.Unavailable, ErrorReason.NOT_READY, "the services are still starting; try again", {
    retry_after_ms: "100",
  });
}
