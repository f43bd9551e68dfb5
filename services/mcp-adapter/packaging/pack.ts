// Makes what is published of the adapter: the npm package, the MCPB bundle and server.json.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
// @ts-expect-error: plain JavaScript without types, because it runs before anything is installed
import { npmCommand, ROOT } from "../../../scripts/process.mjs";
import { identity } from "./identity.ts";
import { mcpbManifest } from "./mcpb-manifest.ts";
import { npmManifest } from "./npm-manifest.ts";
import { serverJson } from "./server-json.ts";

const ADAPTER = resolve(import.meta.dirname, "..");
const MCPB = join(ROOT, "node_modules", "@anthropic-ai", "mcpb", "dist", "cli", "cli.js");
const run = promisify(execFile);

/** The paths of what was made. */
export interface Packed {
  /** For npm and npx: hil-mcp-0.1.0.tgz. */
  readonly tarball: string;
  /** For Claude Desktop: hil-mcp-0.1.0.mcpb. */
  readonly mcpb: string;
  /** For mcp-publisher. */
  readonly serverJson: string;
}

/**
 * Packs what build.mjs left in `bundle` and puts it all into `into`. Rejects where the bundle does not start, or where
 * npm or the checker of MCPB manifests finds something wrong.
 */
export async function pack({ bundle, into }: { bundle: string; into: string }): Promise<Packed> {
  const stage = await mkdtemp(join(tmpdir(), "hil-mcp-pack-"));
  try {
    await mkdir(into, { recursive: true });
    const base = `${identity.name}-${identity.version}`;
    const packed: Packed = {
      tarball: join(into, `${base}.tgz`),
      mcpb: join(into, `${base}.mcpb`),
      serverJson: join(into, "server.json"),
    };
    await writeFile(packed.serverJson, json(serverJson()));

    const npmFolder = await stageFiles(join(stage, "npm"), bundle);
    await cp(join(ADAPTER, "bin"), join(npmFolder, "bin"), { recursive: true });
    await writeFile(join(npmFolder, "package.json"), json(npmManifest()));
    const [npm, ...first] = npmCommand() as [string, ...string[]];
    await run(npm, [...first, "pack", "--pack-destination", resolve(into)], { cwd: npmFolder });

    const mcpbFolder = await stageFiles(join(stage, "mcpb"), bundle);
    const tools = await listTools(join(mcpbFolder, "dist", "hil-mcp.mjs"));
    await writeFile(join(mcpbFolder, "manifest.json"), json(mcpbManifest(tools)));
    await run(process.execPath, [MCPB, "pack", mcpbFolder, packed.mcpb]);
    return packed;
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** What goes into every package. */
async function stageFiles(folder: string, bundle: string): Promise<string> {
  await cp(bundle, join(folder, "dist"), { recursive: true });
  await cp(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  await cp(join(ADAPTER, "README.md"), join(folder, "README.md"));
  return folder;
}

/** The tools as the bundle itself lists them. */
async function listTools(program: string): Promise<{ name: string; description: string }[]> {
  const client = new Client({ name: "hil-pack", version: identity.version });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [program], env: {} }));
  try {
    const { tools } = await client.listTools();
    return tools.map(({ name, description = "" }) => ({ name, description }));
  } finally {
    await client.close();
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
