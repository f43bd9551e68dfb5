// The command line against the real server, each as a process of its own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedProcess } from "@hil/testing/processes/start-process.ts";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Running, startCli } from "./testing/run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "hil-cli-"));
const dataDir = join(folder, "data");
let server: Awaited<ReturnType<typeof startEmbeddedProcess>>;

beforeAll(async () => {
  server = await startEmbeddedProcess({ HIL_DATA_DIR: dataDir });
});
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], environment: Record<string, string> = {}): Running {
  const own = { HIL_PORT: String(server.port), HIL_DATA_DIR: dataDir };
  return startCli(args, { folder, environment: { ...own, ...environment } });
}

const hil = (...args: string[]) => start(args).ended;

async function asked(running: Running): Promise<string> {
  return (await running.says(/\[#([0-9a-f]{8})\] waits/))[1]!;
}

test("an answer given by hil answer is all that hil ask prints to stdout, and it exits with 0", async () => {
  const asking = start(["ask", "Deploy?", "--confirm", "--project", "shop"]);
  const id = await asked(asking);
  expect((await hil("answer", id, "y", "--note", "after 18:00")).code).toBe(0);
  const { code, stdout, stderr } = await asking.ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: "yes\n" });
  expect(stderr).toContain("Note: after 18:00");
});

test("a refusal exits with 1", async () => {
  const asking = start(["ask", "Deploy?", "--confirm"]);
  await hil("answer", await asked(asking), "no");
  expect(await asking.ended).toMatchObject({ code: 1, stdout: "no\n" });
});

test("several choices are printed one on each line", async () => {
  const asking = start(["ask", "Where?", "--choice", "eu", "--choice", "us", "--choice", "cn", "--multiple"]);
  await hil("answer", await asked(asking), "3,1");
  expect(await asking.ended).toMatchObject({ code: 0, stdout: "eu\ncn\n" });
});

test("nobody in time exits with 3, and prints the default answer where one was declared", async () => {
  expect(await hil("ask", "Deploy?", "--timeout", "1s")).toMatchObject({ code: 3, stdout: "" });
  expect(await hil("ask", "Deploy?", "--confirm", "--timeout", "1s", "--default", "no")).toMatchObject({
    code: 3,
    stdout: "no\n",
  });
});

test("a question that is taken back exits with 4", async () => {
  const asking = start(["ask", "Deploy?"]);
  await hil("cancel", await asked(asking), "--reason", "found it");
  const { code, stderr } = await asking.ended;
  expect(code).toBe(4);
  expect(stderr).toContain("found it");
});

test("Ctrl-C leaves the question open and says how to go on; hil wait takes the answer (I5)", async () => {
  const asking = start(["ask", "Deploy?"]);
  const id = await asked(asking);
  asking.child.kill("SIGINT");
  const { code, stderr } = await asking.ended;
  expect(code).toBe(130);
  expect(stderr).toContain(`hil wait ${id}`);
  expect((await hil("sessions")).stdout).toContain(id);
  await hil("answer", id, "go on");
  expect(await hil("wait", id)).toMatchObject({ code: 0, stdout: "go on\n" });
});

test("a question survives the server's end while hil ask waits for it, and nothing is asked anew", async () => {
  const asking = start(["ask", "Deploy?", "--timeout", "none"]);
  const id = await asked(asking);
  const { port } = server;
  await server.kill("SIGKILL");
  await asking.says(/lost the server/);
  server = await startEmbeddedProcess({ HIL_DATA_DIR: dataDir, HIL_PORT: String(port) });
  await asking.says(/there again/);
  await hil("answer", id, "still here");
  expect(await asking.ended).toMatchObject({ code: 0, stdout: "still here\n" });
});

test("the same --request-id asks once (I8)", async () => {
  const first = await hil("ask", "Once?", "--request-id", "cli-once", "--no-wait");
  const second = await hil("ask", "Once?", "--request-id", "cli-once", "--no-wait");
  expect(second.stdout).toBe(first.stdout);
});

test("the loser of a race is told who was faster, and exits with 65", async () => {
  const { stdout } = await hil("ask", "Race?", "--confirm", "--no-wait");
  const id = stdout.trim();
  await hil("answer", id, "yes");
  const { code, stderr } = await hil("answer", id, "no");
  expect(code).toBe(65);
  expect(stderr).toContain("has ended before");
});

test("what is no answer is refused with the options, and changes nothing", async () => {
  const id = (await hil("ask", "Go?", "--confirm", "--no-wait")).stdout.trim();
  const { code, stderr } = await hil("answer", id, "perhaps");
  expect(code).toBe(65);
  expect(stderr).toMatch(/1\. .*yes/);
  expect((await hil("show", id)).stdout).toContain("waiting");
});

test("an unknown session exits with 66, a wrong key with 77, no server with 69", async () => {
  expect((await hil("show", "00000000")).code).toBe(66);
  expect((await start(["sessions"], { HIL_API_KEY: "wrong" }).ended).code).toBe(77);
  const gone = await hil("ask", "Anybody?", "--service-url", "http://127.0.0.1:9");
  expect(gone).toMatchObject({ code: 69, stdout: "" });
});

test("hil doctor finds nothing wrong with a server that works, and a problem where there is none", async () => {
  const { stdout } = await hil("doctor");
  expect(stdout).toContain("the credential works");
  const { code, stdout: alone } = await hil("doctor", "--service-url", "http://127.0.0.1:9");
  expect(code).toBe(1);
  expect(alone).toContain("PROBLEM");
});

test("hil doctor mcp looks at MCP over both ways, and says in words what is wrong", async () => {
  const { code, stdout } = await hil("doctor", "mcp");
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("a tool was called over HTTP"),
  });
  expect(stdout).toContain("a tool was called over stdio");
  const wrong = await start(["doctor", "mcp"], { HIL_API_KEY: "wrong" }).ended;
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toMatch(/does not know this key[\s\S]*the key is not known/);
});

test("hil doctor mcp --measure serves until a client is measured, and prints what to set", async () => {
  const file = join(folder, "trials.jsonl");
  const measuring = start(["doctor", "mcp", "--measure", "--seconds", "1"], { HIL_MCP_DOCTOR_FILE: file });
  let printed = "";
  measuring.child.stdout!.on("data", (chunk: Buffer) => {
    printed += chunk.toString("utf8");
  });
  await measuring.says(/Ctrl-C/);
  const [, url] = /Over HTTP: (\S+)/.exec(printed)!;
  const client = new Client({ name: "codex-mcp-client", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url!)));
  const measure = async (receipt?: string) => {
    const input = receipt === undefined ? {} : { receipt };
    const { structuredContent } = await client.callTool({ name: "measure_limit", arguments: input });
    return structuredContent as { status: string; receipt: string };
  };
  const { receipt } = await measure();
  expect(await measure(receipt)).toMatchObject({ status: "done" });
  await client.close();
  const { code, stdout, stderr } = await measuring.ended;
  expect(code).toBe(0);
  expect(stderr).toMatch(/codex-mcp-client.*1 s: held: the client has the answer/);
  expect(stdout).toContain("slice_seconds=10");
  expect(stdout).toContain("tool_timeout_sec");
  const again = await start(["doctor", "mcp", "--results"], { HIL_MCP_DOCTOR_FILE: file }).ended;
  expect(stdout).toContain(again.stdout);
});

test("hil doctor mcp --measure ends with what there is when the person has had enough", async () => {
  const file = join(folder, "none.jsonl");
  const measuring = start(["doctor", "mcp", "--measure"], { HIL_MCP_DOCTOR_FILE: file });
  await measuring.says(/Ctrl-C/);
  measuring.child.kill("SIGINT");
  expect(await measuring.ended).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("Nothing has been measured yet."),
  });
  const wrong = await hil("doctor", "mcp", "--measure", "--seconds", "2,1");
  expect(wrong.code).toBe(64);
});

test("hil serve ends cleanly on SIGTERM and says the owner key once", async () => {
  const own = { HIL_PORT: "0", HIL_DATA_DIR: join(folder, "second") };
  for (const isFirst of [true, false]) {
    const serving = start(["serve"], own);
    let stdout = "";
    await new Promise<void>((ready) => {
      serving.child.stdout!.on("data", (chunk: Buffer) => {
        stdout += chunk.toString("utf8");
        if (stdout.includes("npx hil")) ready();
      });
    });
    expect(stdout.includes("hil_owner_")).toBe(isFirst);
    serving.child.kill("SIGTERM");
    expect((await serving.ended).code).toBe(0);
  }
});
