// HIL as the MCP Inspector sees it: the official client that people look at servers with. scripts/inspector.mjs installs it.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedProcess } from "../processes/start-process.ts";

const PROGRAM = join(import.meta.dirname, "node_modules", ".bin", "mcp-inspector");
const ADAPTER = join(import.meta.dirname, "..", "..", "services", "mcp-adapter", "main.ts");
const OWNER_KEY = "hil_owner_test_0123456789abcdef0123456789";

const folder = mkdtempSync(join(tmpdir(), "hil-inspector-"));
let server: Awaited<ReturnType<typeof startEmbeddedProcess>>;
beforeAll(async () => {
  server = await startEmbeddedProcess({ HIL_DATA_DIR: join(folder, "data"), HIL_OWNER_KEY: OWNER_KEY });
});
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Inspected {
  readonly code: number;
  readonly said: {
    readonly result?: { readonly tools?: { readonly name: string }[]; readonly structuredContent?: object };
  };
  readonly complaints: string;
}

/** Runs it once. It keeps a folder in the home of whoever runs it, so it is given one. */
function inspect(...args: string[]): Promise<Inspected> {
  const options = { env: { PATH: process.env.PATH, HOME: folder, HIL_API_KEY: OWNER_KEY } };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [PROGRAM, "--cli", ...args, "--format", "json", "-q"],
      options,
      (error, stdout, complaints) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ code, said: stdout === "" ? {} : JSON.parse(stdout), complaints });
      },
    );
  });
}

const overHttp = () => [
  `http://127.0.0.1:${server.port}/mcp`,
  "--header",
  `Authorization: Bearer ${OWNER_KEY}`,
];
const overStdio = () => [
  process.execPath,
  ADAPTER,
  "--service-url",
  `http://127.0.0.1:${server.port}`,
  "-e",
  `HIL_API_KEY=${OWNER_KEY}`,
];

describe.each([
  ["http", "legacy", overHttp],
  ["http", "modern", overHttp],
  ["stdio", "legacy", overStdio],
  ["stdio", "modern", overStdio],
] as const)("over %s, era %s", (_way, era, target) => {
  const look = (...args: string[]) => inspect(...target(), "--protocol-era", era, ...args);

  test("the tools are listed, and their schemas have no fault that another client could stumble over", async () => {
    const { code, said, complaints } = await look("--method", "tools/list", "--strict");
    expect({ code, complaints }).toEqual({ code: 0, complaints: "" });
    expect(said.result?.tools?.map(({ name }) => name)).toContain("send_and_wait_reply");
  });

  test("questions are listed as resources, and there is a prompt", async () => {
    const resources = await look("--method", "resources/list");
    expect(resources).toMatchObject({ code: 0, said: { result: { resources: [] } } });
    const prompts = await look("--method", "prompts/list");
    expect(prompts).toMatchObject({ code: 0, said: { result: { prompts: [{ name: "ask_people" }] } } });
  });

  test("a tool is called", async () => {
    const { code, said } = await look("--method", "tools/call", "--tool-name", "list_pending");
    expect(code).toBe(0);
    expect(said.result?.structuredContent).toMatchObject({ status: "success", pending: [] });
  });
});

test("a schema with a fault is found, so that the check above can fail", async () => {
  const program = join(folder, "faulty.mjs");
  const tools = [{ name: "faulty", inputSchema: { type: "object", properties: { anything: true } } }];
  const answers = {
    initialize: {
      protocolVersion: "2025-06-18",
      capabilities: { tools: {} },
      serverInfo: { name: "faulty", version: "1" },
    },
    "tools/list": { tools },
  };
  writeFileSync(
    program,
    `import { createInterface } from "node:readline";
     const answers = ${JSON.stringify(answers)};
     createInterface({ input: process.stdin }).on("line", (line) => {
       const { id, method } = JSON.parse(line);
       if (answers[method]) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: answers[method] }));
     });`,
  );
  const { code } = await inspect(process.execPath, program, "--method", "tools/list", "--strict");
  expect(code).toBe(6);
});

test("a wrong key is told as one", async () => {
  const [url] = overHttp() as [string];
  const wrong = await inspect(url, "--header", "Authorization: Bearer wrong", "--method", "tools/list");
  expect(wrong).toMatchObject({ code: 3, complaints: expect.stringContaining("auth_required") });
});
