// What a process of the adapter answers behind the gateways of a deployment: their clients' requests, and a gateway that
// says that it goes.

import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { callHeaders } from "@hil/platform/http/entrance.ts";
import type { HttpHandler, HttpRequest } from "@hil/platform/http/listener.ts";
import { nothingElse } from "@hil/platform/lifecycle/probe-routes.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import type { McpHttp } from "./mcp-http.ts";

const DRAIN = /^\/gateways\/([0-9a-f-]{36})\/drain$/;

/** Only gateways reach these routes: they write who handed a request on, and whose it is. */
export function innerRoutes(mcp: McpHttp, authenticate: Authenticate): HttpHandler {
  return async (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0]!;
    if (mcp.matches(path)) {
      const way = { gateway: headerOf(request, "hil-gateway"), replica: headerOf(request, "hil-replica") };
      await mcp.handle(request, response, credentialOf(request), way);
      return;
    }
    const gateway = request.method === "POST" ? DRAIN.exec(path)?.[1] : undefined;
    if (gateway === undefined) {
      await nothingElse(request, response);
      return;
    }
    const isService = await isOfDeployment(request, authenticate);
    if (isService) mcp.drain(gateway);
    response.writeHead(isService ? 204 : 401);
    response.end();
  };
}

async function isOfDeployment(request: HttpRequest, authenticate: Authenticate): Promise<boolean> {
  try {
    return (await authenticate(callHeaders(request.headers))).kind === "service";
  } catch {
    return false; // whoever it is, it's no gateway
  }
}

function credentialOf(request: HttpRequest): Record<string, string> {
  const found = ["authorization", TENANT_HEADER].map((name) => [name, headerOf(request, name)] as const);
  return Object.fromEntries(found.filter((each): each is [string, string] => each[1] !== undefined));
}

function headerOf(request: HttpRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}
