// What an MCP server is asked, and what its answers say.

import { oneLine } from "../table.ts";
import type { Translate } from "../terminal.ts";
import { version } from "../version.ts";
import { type Finding, ok, problem } from "./finding.ts";

export interface Message {
  readonly id?: unknown;
  readonly result?: {
    readonly serverInfo?: { readonly name?: string; readonly version?: string };
    readonly tools?: readonly unknown[];
    readonly isError?: boolean;
    readonly structuredContent?: { readonly message?: string };
  };
  readonly error?: { readonly message?: string };
}

const request = (id: number, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params });

/** The revision before the handshake was dropped: every client and server speaks it. */
export const REVISION = "2025-11-25";
export const HELLO = request(1, "initialize", {
  protocolVersion: REVISION,
  capabilities: {},
  clientInfo: { name: "hil-doctor", version: version() },
});
export const INITIALIZED = { jsonrpc: "2.0", method: "notifications/initialized" };
export const LIST = request(2, "tools/list");
/** Changes nothing and shows no answers. */
export const LOOK = request(3, "tools/call", { name: "list_pending", arguments: {} });

export function toolsFinding(way: string, listed: Message | undefined, t: Translate): Finding {
  const tools = listed?.result?.tools?.length ?? 0;
  return tools > 0
    ? ok(t(`${tools} tools over ${way}`, `${way}：${tools} 个工具`))
    : problem(t(`no tools are listed over ${way}`, `${way} 未列出工具`), "npm run build");
}

/** A tool that fails says what is wrong in a sentence: the key, the address, the version. */
export function callFinding(way: string, looked: Message | undefined, t: Translate): Finding {
  const said = looked?.result?.structuredContent?.message;
  const failed = looked?.error?.message ?? (looked?.result?.isError ? said : undefined);
  if (looked && failed === undefined) {
    return ok(t(`a tool was called over ${way}`, `${way}：试调用成功`));
  }
  return problem(
    t(`a tool does not work over ${way}`, `通过 ${way} 调用工具失败`),
    oneLine(failed ?? t("it did not answer", "没有响应")),
  );
}
