// Clients of MCP over HTTP: today's SDK in each era, the older one, and bare requests.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Era } from "./adapter-process.ts";

export interface HttpClientOptions {
  readonly era?: Era;
  readonly name?: string;
  /** "/mcp" with a query of its own. */
  readonly path?: string;
}

/** A client of today's SDK that shows a key. */
export async function connectOverHttp(
  hil: { readonly url: string },
  key: string,
  { era = "legacy", name = "test-client", path = "/mcp" }: HttpClientOptions = {},
) {
  const transport = new StreamableHTTPClientTransport(new URL(path, hil.url), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  });
  const client = new Client({ name, version: "1.0.0" }, negotiation(era));
  await client.connect(transport);
  return {
    client,
    call: (tool: string, input: Record<string, unknown> = {}, options = {}) =>
      client.callTool({ name: tool, arguments: input }, options),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** How a client finds out which era a server speaks. */
export function negotiation(era: Era): ConstructorParameters<typeof Client>[1] {
  switch (era) {
    case "legacy":
      return {};
    case "auto":
      return { versionNegotiation: { mode: "auto" } };
    case "modern":
      return { versionNegotiation: { mode: { pin: "2026-07-28" } } };
  }
}

/** A client of the older SDK. */
export async function connectOldOverHttp(url: string) {
  const client = new OldClient({ name: "older", version: "1.0.0" });
  await client.connect(new OldTransport(new URL(url)));
  return { client, [Symbol.asyncDispose]: () => client.close() };
}

/** One message of 2025-11-25, as any program could send it. */
export function post(
  url: string,
  message: object,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    ...(signal ? { signal } : {}),
  });
}
