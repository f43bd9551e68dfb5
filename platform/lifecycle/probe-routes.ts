// The addresses that platforms ask about a process: /healthz, whether it lives, and /readyz, whether it serves.
//
// They are for everybody who reaches the port, and so tell the names of parts and nothing about them.

import type { HttpHandler, HttpResponse } from "../http/listener.ts";
import type { ProcessReadiness } from "./readiness.ts";

/** Puts the addresses in front of a handler. */
export function withProbes(
  handler: HttpHandler,
  { service, readiness }: { service: string; readiness: ProcessReadiness },
): HttpHandler {
  return async (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && path === "/healthz") {
      sendJson(response, 200, { status: "alive", service });
    } else if (isRead && path === "/readyz") {
      const { missing, impaired } = await readiness.report();
      const isReady = missing.length === 0;
      sendJson(response, isReady ? 200 : 503, {
        status: isReady ? "ready" : "not ready",
        service,
        missing,
        impaired,
      });
    } else {
      await handler(request, response);
    }
  };
}

/** For a process that serves nothing but RPCs. */
export const nothingElse: HttpHandler = (_request, response) => {
  sendJson(response, 404, { error: "there is nothing at this path" });
};

function sendJson(response: HttpResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(text)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}
