// SessionService used from another language, with nothing of ours but the contracts: Debian's protoc and gRPC for Python.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEmbeddedProcess } from "./processes/start-process.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..");
const HERE = join(import.meta.dirname, "foreign-client");
const OWNER_KEY = "hil_owner_test_0123456789abcdef0123456789";
const PYTHON = process.env.HIL_TEST_PYTHON ?? "/usr/bin/python3";

let folder: string;
let saw: Record<string, unknown>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-foreign-"));
  const generated = join(folder, "generated");
  mkdirSync(generated);
  const protos = readdirSync(join(ROOT, "proto"), { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".proto"),
  );
  const { stdout } = await run("which", ["grpc_python_plugin"]);
  await run("protoc", [
    `--plugin=protoc-gen-grpc_python=${stdout.trim()}`,
    "-I",
    join(ROOT, "proto"),
    "-I",
    HERE,
    `--python_out=${generated}`,
    `--grpc_python_out=${generated}`,
    ...protos,
    "google/rpc/status.proto",
  ]);
  await using server = await startEmbeddedProcess({
    HIL_DATA_DIR: join(folder, "data"),
    HIL_OWNER_KEY: OWNER_KEY,
  });
  const program = [join(HERE, "client.py"), generated, `127.0.0.1:${server.port}`];
  const { stdout: said } = await run(PYTHON, program, {
    env: { PATH: process.env.PATH, HIL_API_KEY: OWNER_KEY },
    timeout: 120_000,
  });
  saw = JSON.parse(said);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("health says that the service serves", () => {
  expect(saw.health).toBe("SERVING");
});

test("I8: a question asked again by the same request id is the same question, and another is refused", () => {
  expect(saw.asked).toEqual({
    state: "STATE_OPEN",
    body: "要上线吗？ Deploy?",
    same: true,
    options: ["yes", "no"],
  });
  expect(saw.conflict).toMatchObject({ reason: "ERROR_REASON_REQUEST_ID_REUSED", domain: "hil" });
});

test("a wait ends with the answer, and a stream tells of it", () => {
  expect(saw.answer).toEqual({ state: "STATE_ANSWERED", value: "yes" });
  expect((saw.changes as string[]).at(-1)).toBe("STATE_ANSWERED");
  expect(saw.stream_ended).toBe("CANCELLED");
});

test("errors come with a code, a sentence, and a reason with its values", () => {
  expect(saw.late).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "ERROR_REASON_SESSION_ENDED",
    metadata: { state: "ANSWERED" },
  });
  expect(saw.unknown).toMatchObject({
    code: "NOT_FOUND",
    reason: "ERROR_REASON_SESSION_NOT_FOUND",
    metadata: { session_id: "01930000-0000-7000-8000-000000000001" },
  });
  expect(saw.malformed).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "ERROR_REASON_INVALID_REQUEST",
    metadata: { field: "session_id" },
  });
  expect(saw.no_key).toMatchObject({ code: "UNAUTHENTICATED", reason: "ERROR_REASON_CREDENTIAL_INVALID" });
});

test("I7: a call ends at its own deadline, and the question stays open", () => {
  expect(saw.deadline).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  expect(saw.after_deadline).toBe("STATE_OPEN");
});
