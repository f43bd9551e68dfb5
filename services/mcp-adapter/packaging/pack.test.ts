// What is published, as those who install it get it.

import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error: plain JavaScript without types, because it runs before anything is installed
import { npmCommand, ROOT } from "../../../scripts/process.mjs";
import { readCommand, SETTINGS } from "../config.ts";
import { startHil } from "../testing/hil-process.ts";
import { initialize, startRaw } from "../testing/raw-adapter.ts";
import { mcpbManifest } from "./mcpb-manifest.ts";
import { admitsNode } from "./node-range.ts";
import { npmManifest } from "./npm-manifest.ts";
import { type Packed, pack } from "./pack.ts";
import { serverJson } from "./server-json.ts";
import { registryRules } from "./testing/registry-rules.ts";
import { USER_SETTINGS } from "./user-settings.ts";

const run = promisify(execFile);
/** The oldest Node at hand that the package allows: the system's own, where that is one. */
const NODE = isAllowed("/usr/bin/node") ? "/usr/bin/node" : process.execPath;
const MCPB = join(ROOT, "node_modules", "@anthropic-ai", "mcpb", "dist", "cli", "cli.js");
const VARIABLES = Object.values(SETTINGS).flatMap(({ variables }) => variables as readonly string[]);

let folder: string;
let packed: Packed;
/** Where npm installed the tarball, and nothing else. */
let installed: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hil-mcp-packed-"));
  const bundle = join(folder, "bundle");
  await run(process.execPath, [join(import.meta.dirname, "..", "build.mjs"), bundle]);
  packed = await pack({ bundle, into: join(folder, "packed") });
  installed = join(folder, "installed");
  await mkdir(installed);
  await writeFile(join(installed, "package.json"), "{}");
  const [npm, ...first] = npmCommand() as [string, ...string[]];
  const cache = ["--cache", join(folder, "npm-cache")];
  const quiet = ["--offline", "--no-audit", "--no-fund", ...cache];
  await run(npm, [...first, "install", packed.tarball, ...quiet], { cwd: installed });
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function isAllowed(node: string): boolean {
  if (!existsSync(node)) return false;
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1);
  return admitsNode(npmManifest().engines.node, version);
}

const read = async (path: string) => JSON.parse(await readFile(path, "utf8"));
const start = (environment: Record<string, string> = {}, args: readonly string[] = []) =>
  startRaw(NODE, [join(installed, "node_modules", ".bin", "hil-mcp"), ...args], {
    environment,
    cwd: installed,
  });

test("the installed package asks a person and brings the answer, with nothing but JSON-RPC on stdout", async () => {
  await using hil = await startHil();
  const raw = start({ HIL_SERVICE_URL: hil.url, HIL_API_KEY: hil.key() });
  const welcome = await initialize(raw, "claude-code");
  expect(welcome.serverInfo.version).toBe(serverJson().version);
  const asking = raw.request<{ structuredContent: object }>("tools/call", {
    name: "send_and_wait_reply",
    arguments: { message: "Publish?", project_name: "shop" },
    _meta: { progressToken: 1 },
  });
  await hil.answer("Publish?", "yes, do");
  expect((await asking).structuredContent).toMatchObject({
    status: "success",
    replies: [{ content: "yes, do" }],
  });
  expect(await raw.close()).toBe(0);
  expect(raw.lines.length).toBeGreaterThan(2);
  for (const line of raw.lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: "2.0" });
});

test("one version, in package.json, is that of the workspace, the package, the registry's entry and the bundle", async () => {
  const { version } = await read(join(import.meta.dirname, "..", "package.json"));
  const archive = join(folder, "mcpb");
  await run(process.execPath, [MCPB, "unpack", packed.mcpb, archive]);
  const registry = await read(packed.serverJson);
  const { stdout } = await run(NODE, [join(installed, "node_modules", ".bin", "hil-mcp"), "--version"]);
  expect({
    workspace: (await read(join(ROOT, "package.json"))).version,
    npm: (await read(join(installed, "node_modules", "hil-mcp", "package.json"))).version,
    mcpb: (await read(join(archive, "manifest.json"))).version,
    registry: registry.version,
    registryPackage: registry.packages[0].version,
    program: stdout.trim(),
    document: /hil-mcp-([\d.]+)\.tgz/.exec(await readFile(join(ROOT, "docs", "mcp.md"), "utf8"))?.[1],
  }).toEqual({
    workspace: version,
    npm: version,
    mcpb: version,
    registry: version,
    registryPackage: version,
    program: version,
    document: version,
  });
});

test("the npm package names itself as the registry does, needs nothing else, and brings the licences", async () => {
  const home = join(installed, "node_modules", "hil-mcp");
  const manifest = await read(join(home, "package.json"));
  expect(manifest).toMatchObject({ mcpName: serverJson().name, license: "MIT", type: "module" });
  expect(manifest).not.toHaveProperty("dependencies");
  expect(manifest).not.toHaveProperty("private");
  expect(manifest).not.toHaveProperty("scripts");
  expect(await readFile(join(home, "LICENSE"), "utf8")).toContain("The HIL authors");
  const notices = await readFile(join(home, "dist", "THIRD-PARTY-NOTICES.txt"), "utf8");
  for (const name of ["@modelcontextprotocol/server", "@connectrpc/connect", "zod", "undici", "ajv"]) {
    expect(notices).toMatch(new RegExp(`^${name} \\d`, "m"));
  }
});

test("server.json keeps the rules of the registry, and asks for settings that there are", async () => {
  const entry = await read(packed.serverJson);
  expect(registryRules.parse(entry)).toEqual(entry);
  const { environmentVariables } = serverJson().packages[0]!;
  expect(entry.packages[0].environmentVariables).toEqual(environmentVariables);
  expect(VARIABLES).toEqual(expect.arrayContaining(environmentVariables.map(({ name }) => name)));
  const secret = environmentVariables.filter(({ isSecret }) => isSecret).map(({ name }) => name);
  expect(secret).toEqual(["HIL_API_KEY"]);
});

test("server.json with a mistake is found out", () => {
  const entry = serverJson();
  const [npm] = entry.packages;
  const isRight = (changed: object) => registryRules.safeParse({ ...entry, ...changed }).success;
  expect(isRight({})).toBe(true);
  expect(isRight({ name: "hil-mcp" })).toBe(false);
  expect(isRight({ description: "x".repeat(101) })).toBe(false);
  expect(isRight({ version: "^1.0.0" })).toBe(false);
  expect(isRight({ packages: [{ ...npm, version: "latest" }] })).toBe(false);
  expect(isRight({ packages: [{ ...npm, transport: { type: "streamable-http" } }] })).toBe(false);
  expect(isRight({ remotes: [{ type: "streamable-http", url: "hil.example.com/mcp" }] })).toBe(false);
});

test("the MCPB bundle is one that Claude Desktop takes: the key is kept secret, and it starts with nothing filled in", async () => {
  const { stdout } = await run(process.execPath, [MCPB, "info", packed.mcpb]);
  expect(stdout).toContain("hil-mcp");
  const manifest = mcpbManifest([]);
  expect(manifest.user_config.api_key).toMatchObject({ sensitive: true, required: false, default: "" });
  const filledIn = Object.fromEntries(
    USER_SETTINGS.map(({ variable, field }) => [variable, manifest.user_config[field]!.default]),
  );
  expect(readCommand([], filledIn, "")).toMatchObject({ kind: "serve", config: { apiKey: undefined } });
});
