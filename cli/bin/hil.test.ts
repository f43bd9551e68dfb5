import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const LAUNCHER = join(import.meta.dirname, "hil.mjs");
const OLDER = "/usr/bin/node";
const run = promisify(execFile);

async function launch(node: string, ...args: string[]) {
  const environment = { PATH: process.env.PATH, HIL_SERVICE_URL: "http://127.0.0.1:9", HIL_LANG: "en" };
  try {
    const { stdout, stderr } = await run(node, [LAUNCHER, ...args], { env: environment });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test("the launcher runs the command line on this Node", async () => {
  expect(await launch(process.execPath, "version")).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
});

test.skipIf(!existsSync(OLDER))(
  "the launcher starts from the system's own Node, and the exit code is kept",
  async () => {
    expect(await launch(OLDER, "version")).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
    expect((await launch(OLDER, "ask")).code).toBe(64);
  },
);

test("a wrong command line exits with 64", async () => {
  expect((await launch(process.execPath, "ask", "Go on?", "--timeout", "soon")).code).toBe(64);
  expect((await launch(process.execPath, "nonsense")).code).toBe(64);
});

test("every command has help with an example", async () => {
  const commands = [
    "serve",
    "ask",
    "wait",
    "sessions",
    "show",
    "answer",
    "cancel",
    "sign-in",
    "doctor",
    "version",
  ];
  for (const command of commands) {
    const { code, stdout } = await launch(process.execPath, command, "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Examples?:\\n  hil ${command}`));
  }
});

test("without a key nothing is sent, and the exit code is 77", async () => {
  const { code, stderr } = await launch(process.execPath, "sessions", "--service-url", "https://hil.example");
  expect(code).toBe(77);
  expect(stderr).toContain("HIL_API_KEY");
});
