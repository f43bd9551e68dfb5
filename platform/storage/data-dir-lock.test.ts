import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockDataDir } from "./data-dir-lock.ts";

test("a data folder is taken once, and again after it was given back", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "hil-lock-"));
  const release = lockDataDir(dataDir);
  expect(() => lockDataDir(dataDir)).toThrow(`process ${process.pid} already runs on ${dataDir}`);
  release();
  lockDataDir(dataDir)();
});
