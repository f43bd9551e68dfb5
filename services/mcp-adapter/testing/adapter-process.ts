// The adapter as clients start it: a process that speaks over stdio, and a client of either SDK on it.

import { join } from "node:path";
import { type CallToolResult, Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { HilProcess } from "./hil-process.ts";
import { negotiation } from "./http-client.ts";

export const ADAPTER = join(import.meta.dirname, "..", "main.ts");

/** How to start the adapter for a HIL. Nothing of the surrounding environment gets in. */
export function adapterCommand(
  hil: HilProcess,
  environment: Record<string, string> = {},
  args: string[] = [],
) {
  return {
    command: process.execPath,
    args: [ADAPTER, "--service-url", hil.url, ...args],
    env: {
      PATH: process.env.PATH ?? "",
      ...(process.env.NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE } : {}),
      HIL_DATA_DIR: hil.dataDir,
      ...environment,
    },
    stderr: "inherit" as const,
  };
}

/** The era of the handshake, the one of 2026-07-28, or the one that suits both ends. */
export type Era = "legacy" | "auto" | "modern";

/** A client of today's SDK. */
export async function connectClient(
  hil: HilProcess,
  {
    era = "legacy",
    name = "test-client",
    environment = {},
    args = [],
  }: {
    era?: Era;
    name?: string;
    environment?: Record<string, string>;
    args?: string[];
  } = {},
) {
  const transport = new StdioClientTransport(adapterCommand(hil, environment, args));
  const client = new Client({ name, version: "1.0.0" }, negotiation(era));
  await client.connect(transport);
  return {
    client,
    pid: transport.pid!,
    call: (tool: string, input: Record<string, unknown> = {}, options = {}) =>
      client.callTool({ name: tool, arguments: input }, options),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** The result as an agent reads it, from the text and from the structured content alike. */
export function readResult(result: CallToolResult): Record<string, unknown> {
  const [content] = result.content;
  if (content?.type !== "text") throw new Error("the result has no text");
  const text = JSON.parse(content.text);
  if (JSON.stringify(text) !== JSON.stringify(result.structuredContent)) {
    throw new Error("text and structured content differ");
  }
  return text;
}
