import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkSecretFiles } from "./secret-files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const t = (en: string) => en;
const look = (environment: NodeJS.ProcessEnv = {}) => checkSecretFiles(folder, environment, t);
function writeKey(name: string, mode: number): string {
  mkdirSync(join(folder, "credentials"), { recursive: true, mode: 0o700 });
  const path = join(folder, "credentials", name);
  writeFileSync(path, "x");
  chmodSync(path, mode);
  return path;
}

test("a folder that no server has used yet is not judged", () => {
  expect(look()).toEqual([]);
});

test("a key that others may read is a problem with its remedy", () => {
  writeKey("vault.json", 0o600);
  const path = writeKey("signing.json", 0o640);
  expect(look()).toEqual([
    { kind: "problem", what: `others may read ${path}`, remedy: `chmod go-rwx ${path}` },
  ]);
});

test("a mounted master key that others may read is a problem too", () => {
  writeKey("vault.json", 0o600);
  const mounted = join(folder, "master.key");
  writeFileSync(mounted, "x");
  chmodSync(mounted, 0o644);
  expect(look({ HIL_MASTER_KEY_FILE: mounted })).toMatchObject([{ kind: "problem" }]);
});

test("a master key beside what it encrypts is worth a hint, one that is given from outside is not", () => {
  writeKey("master.json", 0o600);
  expect(look().map(({ kind }) => kind)).toEqual(["ok", "hint"]);
  expect(look({ HIL_MASTER_KEY_COMMAND: "kms" }).map(({ kind }) => kind)).toEqual(["ok"]);
});
