import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import manifest from "./package.json" with { type: "json" };

const run = promisify(execFile);

/** A folder with nothing but the program and its bundle, as an installed package has them. */
let installed: string;
beforeAll(async () => {
  installed = await mkdtemp(join(tmpdir(), "hil-mcp-bundle-"));
  await mkdir(join(installed, "bin"));
  await copyFile(join(import.meta.dirname, "bin", "hil-mcp.mjs"), join(installed, "bin", "hil-mcp.mjs"));
});
afterAll(() => rm(installed, { recursive: true }));

test("the launcher asks for the Node that package.json promises", async () => {
  const launcher = await readFile(join(import.meta.dirname, "bin", "hil-mcp.mjs"), "utf8");
  const [, least] = /LEAST_NODE = \[(.*)\]/.exec(launcher)!;
  expect(`>=${least!.replaceAll(", ", ".")}`).toBe(manifest.engines.node);
});

test("before the bundle is built, the program says what to run and ends with code 1", async () => {
  const failure = await run(process.execPath, [join(installed, "bin", "hil-mcp.mjs")]).catch(
    (error) => error,
  );
  expect(failure).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/npm start.*npm run build/),
  });
});

test("the bundle is one file that serves without node_modules", async () => {
  await run(process.execPath, [join(import.meta.dirname, "build.mjs"), join(installed, "dist")]);
  expect(await readdir(join(installed, "dist"))).toEqual(["THIRD-PARTY-NOTICES.txt", "hil-mcp.mjs"]);
  const child = spawn(process.execPath, [join(installed, "bin", "hil-mcp.mjs")], {
    cwd: installed,
    env: { PATH: process.env.PATH, HIL_API_KEY: "any", SERVICE_URL: "http://127.0.0.1:9" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const exchange = async (message: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    return JSON.parse((await lines.next()).value!);
  };
  const clientInfo = { name: "raw", version: "1" };
  const initialized = await exchange({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo },
  });
  expect(initialized.result).toMatchObject({
    protocolVersion: "2025-06-18",
    serverInfo: { name: "wecom-hil" },
  });
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
  const params = { name: "list_pending", arguments: {} };
  const unreachable = await exchange({ id: 2, method: "tools/call", params });
  expect(unreachable.result).toMatchObject({
    isError: true,
    structuredContent: { status: "error", message: expect.stringContaining("npm start") },
  });
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
});
