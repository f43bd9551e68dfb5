// The entries of docs/mcp.md, made by the code that hil doctor mcp prints them with.
// Run as a program it puts them where the document marks their place.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { clientEntry, type Way } from "hil-mcp/clients/client-entry.ts";
import { CLIENTS, type ClientName, LIMITS, limitsTable } from "hil-mcp/clients/client-limits.ts";
import { cursorLink, vscodeLink, vscodeWebLink } from "hil-mcp/clients/install-links.ts";

export const DOCUMENT = resolve(import.meta.dirname, "..", "..", "docs", "mcp.md");

const STDIO: Way = {
  kind: "stdio",
  command: "node",
  args: ["/path/to/hil/services/mcp-adapter/bin/hil-mcp.mjs", "--project-name", "shop"],
};
const HTTP: Way = { kind: "http", url: "http://127.0.0.1:8080/mcp" };

/** What stands between the marks of each name. */
const PARTS: Readonly<Record<string, () => string>> = {
  limits: limitsTable,
  entries: () => CLIENTS.map(entriesOf).join("\n\n"),
  links: () =>
    [
      `- Cursor: \`${cursorLink(HTTP)}\``,
      `- VS Code: \`${vscodeLink(HTTP)}\``,
      `- VS Code, from a page: [install](${vscodeWebLink(HTTP)})`,
    ].join("\n"),
};

function entriesOf(client: ClientName): string {
  const [stdio, http] = [clientEntry(client, STDIO), clientEntry(client, HTTP)];
  const block = ({ language, text }: { language: string; text: string }) =>
    `\`\`\`${language}\n${text}\n\`\`\``;
  return [
    `### ${LIMITS[client].title}`,
    `In \`${stdio!.place}\`:`,
    block(stdio!),
    http
      ? "or, over HTTP:"
      : "Over HTTP it reaches only servers on the internet that sign people in; use the program.",
    ...(http ? [block(http)] : []),
  ].join("\n\n");
}

/** The document with each part in its place. Throws where a place is not marked. */
export function withMcpEntries(text: string): string {
  let result = text;
  for (const [name, make] of Object.entries(PARTS)) {
    const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
    const [from, to] = [result.indexOf(begin), result.indexOf(end)];
    if (from < 0 || to < from)
      throw new Error(`${DOCUMENT} does not mark the place with ${begin} and ${end}`);
    result = `${result.slice(0, from + begin.length)}\n\n${make()}\n\n${result.slice(to)}`;
  }
  return result;
}

if (process.argv[1] === join(import.meta.dirname, "mcp-entries.ts")) {
  writeFileSync(DOCUMENT, withMcpEntries(readFileSync(DOCUMENT, "utf8")));
}
