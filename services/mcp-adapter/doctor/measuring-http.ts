// The measuring server over HTTP, on loopback: limits over HTTP are others than over stdio.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createOriginGuard } from "@hil/platform/http/origin-guard.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { clientNameOf } from "../http/legacy-sessions.ts";
import { createStreamableHttp } from "../http/streamable-http.ts";
import { createMeasuringServer, type MeasuringOptions } from "./measuring-server.ts";

const HOST = "127.0.0.1";
const ANYBODY = { kind: "keyless", id: "anybody", tenantId: "_default", roles: [] } as const;

/** Serves until it is closed. Rejects where the port is taken. */
export async function startMeasuringHttp(
  options: Omit<MeasuringOptions, "way" | "clientName">,
  port = 0,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const transport = createStreamableHttp({
    createServer: ({ authInfo }) => {
      const { clientName } = authInfo!.extra as { clientName: string | undefined };
      return createMeasuringServer({ ...options, way: "http", clientName });
    },
    log: silentLog,
  });
  const guard = createOriginGuard({ listenHost: HOST, allowedHosts: [] });
  const server = createServer((request, response) => {
    if (guard.refusal(request.headers.host, request.headers.origin)) {
      response.writeHead(403).end();
    } else if (request.url?.split("?", 1)[0] !== "/mcp") {
      response.writeHead(404).end();
    } else {
      const owner = { principal: ANYBODY, extra: { clientName: clientNameOf(request.headers) } };
      transport.handle(request, response, owner).catch((error: Error) => response.destroy(error));
    }
  });
  server.listen(port, HOST);
  await once(server, "listening");
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/mcp`,
    async close() {
      server.closeAllConnections();
      await transport.close();
      server.close();
    },
  };
}
