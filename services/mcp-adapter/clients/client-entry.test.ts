import { expect, test } from "vitest";
import { readCommand } from "../config.ts";
import { clientEntry, type Way } from "./client-entry.ts";
import { CLIENTS, isRaised, RAISED_S, RAISED_SLICE_S } from "./client-limits.ts";
import { cursorLink, vscodeLink, vscodeWebLink } from "./install-links.ts";

const stdio: Way = { kind: "stdio", command: "npx", args: ["-y", "hil-mcp", "--project-name", "shop"] };
const http: Way = { kind: "http", url: "https://hil.example.com/mcp" };

test.each(CLIENTS)("the entry of %s starts the adapter, and its limits leave room for a slice", (client) => {
  const { language, text } = clientEntry(client, stdio)!;
  if (language === "toml") {
    expect(text).toContain('args = ["-y", "hil-mcp", "--project-name", "shop"]');
    expect(text).toContain(`tool_timeout_sec = ${RAISED_S}`);
    expect(text).toContain(`HIL_MCP_SLICE_SECONDS = "${RAISED_SLICE_S}"`);
    return;
  }
  const { servers, mcpServers } = JSON.parse(text);
  const { command, args, env, timeout } = (servers ?? mcpServers)["wecom-hil"];
  expect({ command, args }).toEqual({ command: "npx", args: stdio.kind === "stdio" && stdio.args });
  expect(env.HIL_MCP_SLICE_SECONDS).toBe(isRaised(client) ? String(RAISED_SLICE_S) : undefined);
  if (timeout !== undefined) expect(timeout).toBe(RAISED_S * 1000);
  expect(readCommand(args.slice(2), env, "")).toMatchObject({ kind: "serve" });
});

test.each(CLIENTS)("no entry of %s holds a key, and a keyless one asks for none", (client) => {
  for (const way of [stdio, http]) {
    const text = clientEntry(client, way)?.text ?? "";
    const keys = [...text.matchAll(/(?:HIL_API_KEY"?[:=] ?|Bearer )"?([^"]*)"/g)].map(([, key]) => key!);
    expect(keys.every((key) => /^\$\{.*\}$/.test(key) || key === "your-key")).toBe(true);
  }
  expect(clientEntry(client, { ...stdio, isKeyless: true } as Way)!.text).not.toMatch(/KEY|hil-key/);
});

test("over HTTP every client but Claude Desktop is told the address and how to show its key", () => {
  expect(clientEntry("claude-desktop", http)).toBeUndefined();
  expect(JSON.parse(clientEntry("claude-code", http)!.text).mcpServers["wecom-hil"]).toEqual({
    type: "http", // without it an entry with an address is read as stdio and skipped
    url: "https://hil.example.com/mcp?slice_seconds=1500",
    headers: { Authorization: `Bearer \${HIL_API_KEY}` },
    timeout: RAISED_S * 1000,
  });
  expect(clientEntry("codex", http)!.text).toContain('bearer_token_env_var = "HIL_API_KEY"');
  expect(clientEntry("cursor", http)!.text).toContain('"url": "https://hil.example.com/mcp"');
  const measured: Way = { kind: "http", url: "https://hil.example.com/mcp?slice_seconds=40" };
  expect(clientEntry("codex", measured)!.text).toContain("slice_seconds=40");
});

test("an install link carries the entry, and neither a key nor a variable that may hold one", () => {
  for (const way of [stdio, http]) {
    const config = new URL(cursorLink(way)).searchParams.get("config")!;
    const decoded = Buffer.from(config, "base64").toString("utf8");
    expect(decoded).not.toMatch(/key|bearer|authorization/i);
    expect(JSON.parse(decoded)).toMatchObject(
      way.kind === "stdio" ? { command: "npx", args: way.args } : { url: way.url },
    );
    const direct = JSON.parse(decodeURIComponent(vscodeLink(way).split("?")[1]!));
    const web = new URL(vscodeWebLink(way)).searchParams;
    const { name, inputs, ...server } = direct;
    expect(name).toBe("wecom-hil");
    expect(inputs).toEqual([{ id: "hil-key", type: "promptString", description: "HIL key", password: true }]);
    expect(JSON.parse(web.get("config")!)).toEqual(server);
    expect(JSON.parse(web.get("inputs")!)).toEqual(inputs);
    const shown = way.kind === "stdio" ? server.env.HIL_API_KEY : server.headers.Authorization;
    expect(shown).toMatch(/^(Bearer )?\$\{input:hil-key\}$/);
  }
});
