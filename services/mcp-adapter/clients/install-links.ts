// Links that install the adapter with one click. A link is copied around, so that none ever holds a key.

import { ENTRY_NAME, VSCODE_INPUT, vscodeServer, type Way } from "./client-entry.ts";

/** For Cursor, which asks before it installs. The key is added in Cursor's settings afterwards. */
export function cursorLink(way: Way): string {
  const config =
    way.kind === "stdio" ? { command: way.command, args: way.args, env: way.environment } : { url: way.url };
  const query = new URLSearchParams({ name: ENTRY_NAME, config: base64(JSON.stringify(config)) });
  return `cursor://anysphere.cursor-deeplink/mcp/install?${query}`;
}

/** For VS Code, which asks for the key when it starts the server. */
export function vscodeLink(way: Way): string {
  return `vscode:mcp/install?${encodeURIComponent(JSON.stringify(vscodeConfig(way)))}`;
}

/** The same for pages that let only https links through. */
export function vscodeWebLink(way: Way): string {
  const { name, inputs, ...config } = vscodeConfig(way);
  const query = [
    ["name", name],
    ["inputs", JSON.stringify(inputs)],
    ["config", JSON.stringify(config)],
  ].map(([key, value]) => `${key}=${encodeURIComponent(value!)}`);
  return `https://insiders.vscode.dev/redirect/mcp/install?${query.join("&")}`;
}

function vscodeConfig(way: Way) {
  return { name: ENTRY_NAME, inputs: [VSCODE_INPUT], ...vscodeServer(way) };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
