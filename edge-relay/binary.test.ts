// The program as hosts run it: one file, without Node, without the checkout, without a PATH.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ServerCredentials } from "@grpc/grpc-js";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthority } from "../testing/certificates/certificates.ts";
import { startFakeWecom } from "../testing/fake-wecom/fake-wecom.ts";
import manifest from "./package.json" with { type: "json" };
import { startFakeServer } from "./testing/fake-server.ts";

const run = promisify(execFile);
const PATIENCE = { timeout: 30_000, interval: 50 };

let folder: string;
let program: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-binary-"));
  await run(process.execPath, [join(import.meta.dirname, "build.mjs"), join(folder, "built")]);
  expect(readdirSync(join(folder, "built")).sort()).toEqual(["THIRD-PARTY-NOTICES.txt", "hil-relay"]);
  program = join(folder, "relay");
  renameSync(join(folder, "built", "hil-relay"), program);
  mkdirSync(join(folder, "elsewhere"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (args: string[], env: Record<string, string> = {}) =>
  run(program, args, { cwd: join(folder, "elsewhere"), env: { PATH: "", ...env } }).catch((error) => error);

test("it says its version, and its help in the language of the person", async () => {
  expect((await start(["--version"])).stdout).toBe(`${manifest.version}\n`);
  expect((await start(["--help"])).stdout).toContain("runs robots on an intranet host");
  expect((await start(["--help"], { LANG: "zh_CN.UTF-8" })).stdout).toContain("在内网主机上运行机器人");
});

test("it ends with 78 where its settings are wrong, and with 1 where a check finds something", async () => {
  expect(await start([])).toMatchObject({ code: 78, stderr: expect.stringContaining("HIL_TOKEN") });
  const environment = { HIL_TOKEN: "t", BOT_KEY: "k", HIL_URL: "grpc://127.0.0.1:1" };
  expect(await start(["--check"], environment)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("✗ TCP: nothing listens at 127.0.0.1:1"),
  });
});

test("it trusts whom the host trusts", async () => {
  const authority = await createAuthority(join(folder, "authority"));
  const { cert, key } = await authority.issue();
  const keys = [{ private_key: key, cert_chain: cert }];
  await using server = await startFakeServer({
    credentials: ServerCredentials.createSsl(null, keys, false),
  });
  const environment = { HIL_TOKEN: "t", BOT_KEY: "k", HIL_URL: `https://localhost:${server.port}` };
  expect((await start(["--check"], environment)).stdout).toContain("✗ TLS");
  const trusting = await start(["--check"], { ...environment, SSL_CERT_FILE: authority.certFile });
  expect(trusting.stdout).toContain("✓ TLS");
});

test("NODE_OPTIONS of the surroundings change nothing", async () => {
  const { stdout } = await start(["--version"], { NODE_OPTIONS: "--require /nowhere.js" });
  expect(stdout).toBe(`${manifest.version}\n`);
});

test("it carries a question to the robot and the reply back, and ends with 0 when it is told to", async () => {
  await using server = await startFakeServer();
  await using wecom = await startFakeWecom({ key: "robot-key", perMinute: 0 });
  const child = spawn(program, ["--callback-port", "0"], {
    cwd: join(folder, "elsewhere"),
    env: {
      PATH: "",
      HIL_URL: `grpc://127.0.0.1:${server.port}`,
      HIL_TOKEN: "token",
      BOT_KEY: "robot-key",
      WECOM_API_URL: wecom.url,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const [, port] = /^listening (\d+)$/.exec((await lines.next()).value ?? "") ?? [];
    wecom.callbackUrl = `http://127.0.0.1:${port}/callback`;
    await expect.poll(() => server.streams.length, PATIENCE).toBe(1);
    server.streams[0]!.send({
      commandId: "c-1",
      channelId: "wecom-robot",
      chatId: "chat-1",
      chatType: ChatType.GROUP,
      message: { case: "markdown", value: { text: "Shall I?" } },
    });
    await expect.poll(() => server.results.length, PATIENCE).toBe(1);
    expect(server.results[0]!.outcome).toBe(Attempt_Outcome.DELIVERED);
    const reply = await wecom.person.reply({ chatid: "chat-1", text: "yes", quote: wecom.messages[0]! });
    expect(reply.taken).toBe(true);
    await expect.poll(() => server.inbounds.length, PATIENCE).toBe(1);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(readdirSync(join(folder, "elsewhere"))).toEqual(["relay-data"]);
  } finally {
    child.kill("SIGKILL");
  }
});
