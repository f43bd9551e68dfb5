import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localKeyPath, readLocalKey } from "@hil/platform/auth/local-key.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OWNER, openDeploymentKeys } from "./deployment-keys.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-keys-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (isShared: boolean) =>
  openDeploymentKeys({ dataDir, ownerKey: undefined, keylessKey: undefined, isShared });

test("O1: the owner key is made once, and every later start knows it", () => {
  const { newOwnerKey } = open(false);
  const later = open(false);
  expect(later.newOwnerKey).toBeUndefined();
  expect(later.principalOf(newOwnerKey!)).toBe(OWNER);
});

test("O2: the local key is new at every start of a process that has its folder alone", () => {
  const first = open(false);
  const second = open(false);
  expect(second.principalOf(first.localKey)).toBeUndefined();
  expect(readLocalKey(dataDir)).toBe(second.localKey);
});

test("O2: replicas that share a folder know one local key, which only its user reads", () => {
  const replicas = [open(true), open(true), open(true)];
  const key = readLocalKey(dataDir)!;
  for (const replica of replicas) expect(replica.principalOf(key)?.kind).toBe("local");
  expect(statSync(localKeyPath(dataDir)).mode & 0o777).toBe(0o600);
});
