import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import { BodyError, requestBody } from "@hil/platform/http/request-body.ts";

/** The most messages of one request. Only clients of 2025-03-26 send several, and few. */
const MOST_MESSAGES = 20;

/** What a request carries as JSON, undefined where that is nothing. Answers one that carries anything else. */
export async function readMessage(
  request: HttpRequest,
  response: HttpResponse,
): Promise<{ readonly value: unknown } | undefined> {
  try {
    const value = await requestBody(request).json();
    if (!Array.isArray(value) || value.length <= MOST_MESSAGES) return { value };
    sendError(response, 400, -32600, `a request may carry ${MOST_MESSAGES} messages`);
    return undefined;
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    if (error.kind === "too-large") sendError(response, 413, -32000, error.message);
    else sendError(response, 400, -32700, error.message);
    return undefined;
  }
}

/** Answers a request that no server has seen. */
export function sendError(
  response: HttpResponse,
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...headers,
  });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } }));
}
