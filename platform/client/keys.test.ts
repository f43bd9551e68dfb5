import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findKeys } from "./keys.ts";
import { readServiceUrl } from "./service-url.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-keys-"));
  mkdirSync(join(dataDir, "credentials"));
  writeFileSync(join(dataDir, "credentials", "local.key"), "LOCAL\n");
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const keysFor = (address: string, apiKey?: string) =>
  findKeys({ apiKey, service: readServiceUrl(address)!, dataDir });

test("HIL_API_KEY wins over the key in the address, and both over local keys", () => {
  expect(keysFor("http://key:URL@localhost:8080", "VARIABLE")).toEqual(["VARIABLE"]);
  expect(keysFor("http://key:URL@localhost:8080")).toEqual(["URL"]);
});

test("the local key is read for a HIL of this machine, and anew each time", () => {
  expect(keysFor("http://localhost:8080")[0]).toBe("LOCAL");
  writeFileSync(join(dataDir, "credentials", "local.key"), "NEW\n");
  expect(keysFor("http://localhost:8080")[0]).toBe("NEW");
});

test("a local key is never shown to another machine", () => {
  expect(keysFor("http://hil.example")).toEqual([]);
});
