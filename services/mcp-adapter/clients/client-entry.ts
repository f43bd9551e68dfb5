// The entries that MCP clients are configured with.
//
// No entry holds a key: each takes it from where its client keeps secrets, or from a variable.

import { type ClientName, isRaised, RAISED_S, RAISED_SLICE_S, STARTUP_S } from "./client-limits.ts";

/** The name that the earlier system's entries have: users' permission rules carry it. */
export const ENTRY_NAME = "wecom-hil";
const KEY_VARIABLE = "HIL_API_KEY";
/** Says in the address of an entry how long one call waits. */
export const SLICE_PARAMETER = "slice_seconds";

/** How a client reaches HIL. */
export type Way =
  /** It starts the adapter. */
  | {
      readonly kind: "stdio";
      readonly command: string;
      readonly args: readonly string[];
      /** Without a key, as on the machine that runs HIL. */
      readonly isKeyless?: boolean;
      /** Variables of the adapter beside those that the client's limits ask for. */
      readonly environment?: Readonly<Record<string, string>>;
    }
  /** It calls HIL itself. */
  | { readonly kind: "http"; readonly url: string };

/** The adapter as npx fetches and starts it. */
export const PUBLISHED: Way = { kind: "stdio", command: "npx", args: ["-y", "hil-mcp"] };

/** An entry, and where it belongs. */
export interface ClientEntry {
  /** The file, or the program that takes it. */
  readonly place: string;
  readonly language: "json" | "toml";
  readonly text: string;
}

/** Undefined where the client cannot be configured that way in a file. */
export function clientEntry(client: ClientName, way: Way): ClientEntry | undefined {
  switch (client) {
    case "claude-code":
      return jsonEntry(".mcp.json", "mcpServers", {
        ...(way.kind === "stdio"
          ? { type: "stdio", ...stdioPart(client, way, `\${${KEY_VARIABLE}:-}`) }
          : { type: "http", ...httpPart(client, way, `\${${KEY_VARIABLE}}`) }),
        timeout: RAISED_S * 1000,
      });
    case "claude-desktop":
      if (way.kind === "http") return undefined;
      return jsonEntry(
        "claude_desktop_config.json",
        "mcpServers",
        stdioPart(client, way, "your-key"), // this client knows no other place for it
      );
    case "cursor":
      return jsonEntry("~/.cursor/mcp.json", "mcpServers", {
        ...(way.kind === "stdio"
          ? stdioPart(client, way, `\${env:${KEY_VARIABLE}}`)
          : httpPart(client, way, `\${env:${KEY_VARIABLE}}`)),
        timeout: RAISED_S * 1000,
      });
    case "vscode":
      return vscodeEntry(way);
    case "codex":
      return { place: "~/.codex/config.toml", language: "toml", text: codexText(way) };
  }
}

/** What VS Code asks for once and stores safely. */
export const VSCODE_INPUT = { id: "hil-key", type: "promptString", description: "HIL key", password: true };

/** The server's part of an entry for VS Code, as its install link carries it too. */
export function vscodeServer(way: Way): object {
  const key = `\${input:${VSCODE_INPUT.id}}`;
  return way.kind === "stdio"
    ? { type: "stdio", ...stdioPart("vscode", way, key) }
    : { type: "http", ...httpPart("vscode", way, key) };
}

function vscodeEntry(way: Way): ClientEntry {
  const isKeyless = way.kind === "stdio" && way.isKeyless;
  const text = json({
    ...(isKeyless ? {} : { inputs: [VSCODE_INPUT] }),
    servers: { [ENTRY_NAME]: vscodeServer(way) },
  });
  return { place: ".vscode/mcp.json", language: "json", text };
}

function codexText(way: Way): string {
  const lines = [`[mcp_servers.${ENTRY_NAME}]`];
  if (way.kind === "stdio") {
    lines.push(`command = ${JSON.stringify(way.command)}`, `args = ${list(way.args)}`);
    if (!way.isKeyless) lines.push(`env_vars = ${list([KEY_VARIABLE])}`);
    const pairs = Object.entries(environmentOf("codex", way)).map(
      ([name, value]) => `${name} = ${JSON.stringify(value)}`,
    );
    if (pairs.length > 0) lines.push(`env = { ${pairs.join(", ")} }`);
  } else {
    lines.push(
      `url = ${JSON.stringify(addressOf("codex", way))}`,
      `bearer_token_env_var = ${JSON.stringify(KEY_VARIABLE)}`,
    );
  }
  lines.push(`startup_timeout_sec = ${STARTUP_S}`, `tool_timeout_sec = ${RAISED_S}`);
  return lines.join("\n");
}

function jsonEntry(place: string, group: string, server: object): ClientEntry {
  return { place, language: "json", text: json({ [group]: { [ENTRY_NAME]: server } }) };
}

function stdioPart(client: ClientName, way: Extract<Way, { kind: "stdio" }>, key: string): object {
  const environment = { ...(way.isKeyless ? {} : { [KEY_VARIABLE]: key }), ...environmentOf(client, way) };
  return {
    command: way.command,
    args: way.args,
    ...(Object.keys(environment).length > 0 ? { env: environment } : {}),
  };
}

function environmentOf(
  client: ClientName,
  { environment = {} }: Extract<Way, { kind: "stdio" }>,
): Record<string, string> {
  return { ...(isRaised(client) ? { HIL_MCP_SLICE_SECONDS: String(RAISED_SLICE_S) } : {}), ...environment };
}

function httpPart(client: ClientName, way: Extract<Way, { kind: "http" }>, key: string): object {
  return { url: addressOf(client, way), headers: { Authorization: `Bearer ${key}` } };
}

function addressOf(client: ClientName, { url }: Extract<Way, { kind: "http" }>): string {
  const address = new URL(url);
  if (isRaised(client) && !address.searchParams.has(SLICE_PARAMETER)) {
    address.searchParams.set(SLICE_PARAMETER, String(RAISED_SLICE_S));
  }
  return address.href;
}

function list(items: readonly string[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
}

/** Lists of plain values stay on one line, as people write them. */
function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /\[\s+("[^"\n]*"(?:,\s+"[^"\n]*")*)\s+\]/g,
    (_all, items: string) => `[${items.replace(/,\s+/g, ", ")}]`,
  );
}
