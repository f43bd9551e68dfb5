// MCP over HTTP as a process of the distributed form, behind the gateways. Any number of replicas.

import { runService } from "@hil/platform/lifecycle/run-service.ts";
import { innerRoutes } from "./http/inner-routes.ts";
import { createMcpHttp } from "./http/mcp-http.ts";

await runService({
  name: "mcp-adapter",
  needs: { storage: false, bus: false, peers: ["access", "session"] },
  requires: ["access", "session"],
  prepare() {
    return async ({ asCaller, authenticate, log, now }) => {
      const mcp = createMcpHttp({ toSessions: asCaller("session"), authenticate, log, now });
      return {
        services: [],
        fallback: innerRoutes(mcp, authenticate),
        drain: () => mcp.drain(),
        close: () => mcp.close(),
      };
    };
  },
});
