// Real clients are measured: of both SDKs, over both transports, with limits that the test sets.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ADAPTER, type Era } from "../testing/adapter-process.ts";
import { negotiation } from "../testing/http-client.ts";
import { startMeasuringHttp } from "./measuring-http.ts";
import type { Trial } from "./trial.ts";
import { openTrialLog } from "./trial-log.ts";

/** A second is held by every client here, and five by none without progress. */
const LADDER = [1, 5];
const LIMIT_MS = 3_000;
const run = promisify(execFile);

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-doctor-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Measured {
  call(receipt: string | undefined): Promise<{ structuredContent?: unknown }>;
  close(): Promise<void>;
}

/** Calls as the description tells an agent to: on and on, with the last receipt where there is one. */
async function callUntilDone({ call, close }: Measured): Promise<void> {
  let receipt: string | undefined;
  for (;;) {
    const result = await call(receipt).catch(() => undefined);
    const { status, receipt: shown } = (result?.structuredContent ?? {}) as Record<
      string,
      string | undefined
    >;
    if (status === "done") break;
    receipt = shown;
  }
  await close();
}

const environment = (log: string) => ({
  PATH: process.env.PATH ?? "",
  HIL_MCP_DOCTOR_SECONDS: LADDER.join(","),
  HIL_MCP_DOCTOR_FILE: log,
});
const stdio = (log: string) => ({
  command: process.execPath,
  args: [ADAPTER, "--doctor"],
  env: environment(log),
});

async function today(
  transport: StdioClientTransport | StreamableHTTPClientTransport,
  era: Era,
  listens: boolean,
) {
  const client = new Client({ name: `today-${era}`, version: "1" }, negotiation(era));
  await client.connect(transport);
  const progress = listens ? { onprogress() {}, resetTimeoutOnProgress: true } : {};
  return {
    call: (receipt?: string) =>
      client.callTool(
        { name: "measure_limit", arguments: receipt === undefined ? {} : { receipt } },
        { timeout: LIMIT_MS, ...progress },
      ),
    close: () => client.close(),
  };
}

async function older(transport: OldStdio | OldHttp) {
  const client = new OldClient({ name: "older", version: "1" });
  await client.connect(transport);
  const options = { timeout: LIMIT_MS, onprogress() {}, resetTimeoutOnProgress: true };
  return {
    async call(receipt?: string) {
      const input = receipt === undefined ? {} : { receipt };
      const { structuredContent } = await client.callTool(
        { name: "measure_limit", arguments: input },
        undefined,
        options,
      );
      return { structuredContent };
    },
    close: () => client.close(),
  };
}

const told = ({ heldS, withProgress, end }: Trial) =>
  `${heldS} ${withProgress ? "with" : "without"} ${end.kind}`;
const WITH_PROGRESS = ["1 without received", "5 without given-up", "5 with received"];

describe("a client is measured: without progress it gives up, with progress it waits", () => {
  test.concurrent.each<[string, (log: string) => Promise<Measured>]>([
    [
      "of today's SDK, modern, over stdio",
      (log) => today(new StdioClientTransport(stdio(log)), "modern", true),
    ],
    ["of the older SDK, over stdio", (log) => older(new OldStdio(stdio(log)))],
  ])("%s", async (_, connect) => {
    const log = join(mkdtempSync(join(folder, "stdio-")), "trials.jsonl");
    await callUntilDone(await connect(log));
    const trials = openTrialLog(log, () => new Date()).trials();
    expect(trials.map(told)).toEqual(WITH_PROGRESS);
    expect(trials.every(({ hasToken, way }) => hasToken && way === "stdio")).toBe(true);
    expect(trials[1]!.end).toMatchObject({ kind: "given-up", afterS: expect.closeTo(LIMIT_MS / 1000, -1) });
  });

  test.concurrent.each<[string, (url: URL) => Promise<Measured>]>([
    ["today-modern", (url) => today(new StreamableHTTPClientTransport(url), "modern", true)],
    ["older", (url) => older(new OldHttp(url))],
  ])("%s, over HTTP", async (name, connect) => {
    const log = openTrialLog(join(mkdtempSync(join(folder, "http-")), "trials.jsonl"), () => new Date());
    const { url, close } = await startMeasuringHttp({ log, ladder: LADDER });
    try {
      await callUntilDone(await connect(new URL(url)));
    } finally {
      await close();
    }
    expect(log.trials().map(told)).toEqual(WITH_PROGRESS);
    expect(log.trials().every(({ client, way }) => client.startsWith(name) && way === "http")).toBe(true);
    expect(log.finished()).toEqual([log.trials().at(-1)!.id]);
  });

  test.concurrent("one that listens for no progress is measured without", async () => {
    const log = join(mkdtempSync(join(folder, "deaf-")), "trials.jsonl");
    await callUntilDone(await today(new StdioClientTransport(stdio(log)), "legacy", false));
    const trials = openTrialLog(log, () => new Date()).trials();
    expect(trials.map(told)).toEqual(["1 without received", "5 without given-up"]);
    expect(trials.some(({ hasToken }) => hasToken)).toBe(false);
  });
});

describe("the results", () => {
  beforeEach(() => {
    file = join(mkdtempSync(join(folder, "log-")), "below", "trials.jsonl");
  });
  afterEach(() => rmSync(file, { force: true }));
  const open = () => openTrialLog(file, () => new Date());

  test("D2: a server that is killed leaves what it held, and its next start goes on from there", async () => {
    const { call, close } = await today(new StdioClientTransport(stdio(file)), "legacy", true);
    const first = (await call(undefined)).structuredContent as { receipt: string };
    const transport = new StdioClientTransport(stdio(file));
    await close();
    const client = new Client({ name: "today-legacy", version: "1" });
    await client.connect(transport);
    const held = client
      .callTool({ name: "measure_limit", arguments: { receipt: first.receipt } })
      .catch(() => {});
    while (open().trials().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(transport.pid!, "SIGKILL");
    await held;
    await client.close();
    expect(open().trials().map(told)).toEqual(["1 without received", "5 without open"]);
  });

  test("are this user's alone, and a line that was half written is left out", () => {
    open().write({
      kind: "held",
      id: "1",
      client: "c",
      way: "stdio",
      heldS: 1,
      withProgress: false,
      hasToken: false,
    });
    expect(statSync(file).mode & 0o077).toBe(0);
    writeFileSync(file, `${readFileSync(file, "utf8")}{"kind":"rec`);
    expect(open().trials().map(told)).toEqual(["1 without open"]);
  });

  test("are printed by the adapter, which is where an installed package has no other", async () => {
    open().write({
      kind: "held",
      id: "1",
      client: "codex-mcp-client 0.169.0",
      way: "stdio",
      heldS: 65,
      withProgress: false,
      hasToken: false,
    });
    open().write({ kind: "received", id: "1" });
    const { stdout } = await run(process.execPath, [ADAPTER, "--doctor-results"], { env: environment(file) });
    expect(stdout).toContain("codex-mcp-client 0.169.0 over stdio; it asks for no progress");
    expect(stdout).toContain('HIL_MCP_SLICE_SECONDS = "58"');
  });
});

test("a ladder that does not rise is refused", async () => {
  const wrong = { ...environment("x"), HIL_MCP_DOCTOR_SECONDS: "5,4" };
  const failure = await run(process.execPath, [ADAPTER, "--doctor"], { env: wrong }).catch((error) => error);
  expect(failure).toMatchObject({ code: 2, stderr: expect.stringContaining("HIL_MCP_DOCTOR_SECONDS") });
});
