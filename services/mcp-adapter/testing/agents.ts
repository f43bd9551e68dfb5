// Agents of every kind that there is: the older SDK and today's in both eras, over stdio and over HTTP.

import { type CallToolResult, Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdioTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttpTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { adapterCommand } from "./adapter-process.ts";
import type { HilProcess } from "./hil-process.ts";
import { negotiation } from "./http-client.ts";

export type Kind = "the older SDK" | "today's SDK, 2025-11-25" | "today's SDK, 2026-07-28";
export const KINDS: readonly Kind[] = ["the older SDK", "today's SDK, 2025-11-25", "today's SDK, 2026-07-28"];
export type Way = "stdio" | "HTTP";

/** How a client waits for one call; the names are the SDKs' own. */
export interface CallOptions {
  readonly timeout?: number;
  readonly maxTotalTimeout?: number;
  readonly resetTimeoutOnProgress?: boolean;
  readonly onprogress?: (progress: { progress: number }) => void;
}

export interface Agent extends AsyncDisposable {
  /** The adapter's process, over stdio. */
  readonly adapterPid: number | undefined;
  call(tool: string, input: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>;
  /** Kills its adapter over stdio, and cuts its connections over HTTP: nobody says goodbye. */
  kill(): Promise<void>;
}

/** What an entry of an agent says. */
export interface Entry {
  readonly chatId?: string;
  readonly sliceS?: number;
  readonly progressS?: number;
}

export async function startAgent(hil: HilProcess, way: Way, kind: Kind, entry: Entry = {}): Promise<Agent> {
  const isOld = kind === "the older SDK";
  const transport = way === "stdio" ? stdioTransport(hil, isOld, entry) : httpTransport(hil, isOld, entry);
  const info = { name: "agent", version: "1.0.0" };
  if (isOld) {
    const client = new OldClient(info);
    await client.connect(transport as OldHttpTransport);
    return {
      adapterPid: pidOf(transport),
      call: (name, input, options) =>
        client.callTool({ name, arguments: input }, undefined, options) as Promise<CallToolResult>,
      kill: () => kill(transport),
      [Symbol.asyncDispose]: () => client.close(),
    };
  }
  const client = new Client(info, negotiation(kind === "today's SDK, 2026-07-28" ? "modern" : "legacy"));
  await client.connect(transport as StreamableHTTPClientTransport);
  return {
    adapterPid: pidOf(transport),
    call: (name, input, options) => client.callTool({ name, arguments: input }, options),
    kill: () => kill(transport),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function stdioTransport(hil: HilProcess, isOld: boolean, { chatId, sliceS, progressS }: Entry) {
  const command = adapterCommand(hil, {
    ...(chatId === undefined ? {} : { DEFAULT_CHAT_ID: chatId }),
    ...(sliceS === undefined ? {} : { HIL_MCP_SLICE_SECONDS: String(sliceS) }),
    ...(progressS === undefined ? {} : { HIL_MCP_PROGRESS_SECONDS: String(progressS) }),
  });
  return isOld ? new OldStdioTransport(command) : new StdioClientTransport(command);
}

function httpTransport(hil: HilProcess, isOld: boolean, { chatId, sliceS, progressS }: Entry) {
  const url = new URL("/mcp", hil.url);
  if (chatId !== undefined) url.searchParams.set("chat_id", chatId);
  if (sliceS !== undefined) url.searchParams.set("slice_seconds", String(sliceS));
  if (progressS !== undefined) url.searchParams.set("progress_seconds", String(progressS));
  const options = { requestInit: { headers: { authorization: `Bearer ${hil.key()}` } } };
  return isOld ? new OldHttpTransport(url, options) : new StreamableHTTPClientTransport(url, options);
}

function pidOf(transport: object): number | undefined {
  return (transport as { pid?: number | null }).pid ?? undefined;
}

async function kill(transport: { close(): Promise<void> }): Promise<void> {
  const pid = pidOf(transport);
  if (pid !== undefined) process.kill(pid, "SIGKILL");
  else await transport.close(); // cuts the connections
}
