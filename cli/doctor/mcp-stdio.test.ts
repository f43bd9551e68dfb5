import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readServiceUrl } from "@hil/platform/client/service-url.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { version } from "../version.ts";
import type { Finding } from "./finding.ts";
import { checkMcpStdio } from "./mcp-stdio.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-doctor-mcp-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A server that answers what it is told to, by method, and first prints `noise`. */
async function look(
  answers: Record<string, object>,
  { noise = "", isCalled = true } = {},
): Promise<Finding[]> {
  const program = join(folder, `${Math.random()}.mjs`);
  writeFileSync(
    program,
    `import { createInterface } from "node:readline";
     const answers = ${JSON.stringify(answers)};
     process.stdout.write(${JSON.stringify(noise)});
     createInterface({ input: process.stdin }).on("line", (line) => {
       const { id, method } = JSON.parse(line);
       const given = answers[method];
       if (given) process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, ...given }) + "\\n");
     });`,
  );
  const service = readServiceUrl("http://127.0.0.1:9")!;
  const terminal = { environment: { PATH: process.env.PATH }, t: (en: string) => en };
  return checkMcpStdio({ service, keys: () => [] }, terminal, { isCalled, program });
}

const RIGHT = {
  initialize: { result: { serverInfo: { name: "wecom-hil", version: version() } } },
  "tools/list": { result: { tools: [{}, {}] } },
  "tools/call": { result: { structuredContent: { status: "success" } } },
};
const problems = (findings: Finding[]) => findings.flatMap((each) => (each.kind === "problem" ? [each] : []));

test("a server that does as it should is told with its tools", async () => {
  const findings = await look(RIGHT);
  expect(findings).toMatchObject([
    { kind: "ok", what: expect.stringMatching(/^the MCP server answers \(\d+ ms\)$/) },
    { kind: "ok", what: "2 tools over stdio" },
    { kind: "ok", what: "a tool was called over stdio" },
  ]);
  expect(await look(RIGHT, { isCalled: false })).toHaveLength(2);
});

test("noise on stdout is a problem, shown as it came", async () => {
  const [noise] = problems(await look(RIGHT, { noise: "Server started!\n" }));
  expect(noise!.what).toContain('"Server started!"');
  expect(noise!.remedy).toContain("stderr");
});

test("a server of another version is a problem", async () => {
  const old = { ...RIGHT, initialize: { result: { serverInfo: { name: "wecom-hil", version: "0.0.1" } } } };
  expect(problems(await look(old))).toMatchObject([{ what: expect.stringContaining("is version 0.0.1") }]);
});

test("what a tool says of the key or the address is the remedy", async () => {
  const failing = {
    result: { isError: true, structuredContent: { message: "HIL does not know this key." } },
  };
  expect(problems(await look({ ...RIGHT, "tools/call": failing }))).toMatchObject([
    { what: "a tool does not work over stdio", remedy: "HIL does not know this key." },
  ]);
});

test("a program that ends at once is a problem, with what it said", async () => {
  const program = join(folder, "ends.mjs");
  writeFileSync(program, 'process.stderr.write("no such module"); process.exit(1);');
  const service = readServiceUrl("http://127.0.0.1:9")!;
  const terminal = { environment: {}, t: (en: string) => en };
  const findings = await checkMcpStdio({ service, keys: () => [] }, terminal, { isCalled: true, program });
  expect(problems(findings)).toMatchObject([{ what: "the MCP server does not answer: no such module" }]);
});
