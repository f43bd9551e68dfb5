import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateJwkThumbprint, compactVerify, createLocalJWKSet } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigurationError } from "../config/environment.ts";
import { readPublicJwks, verifyCompact } from "./jws.ts";
import { openSigningKey, readPublicKeys } from "./signing-key.ts";

let dataDir: string;
const path = () => join(dataDir, "credentials", "signing.json");
const payload = Buffer.from('{"a":1}');
const TYP = "test+jws";

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-signing-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test("G1: a key is made once, for this user alone, and signs what it signed before a restart", () => {
  expect(readPublicKeys(dataDir)).toBeUndefined();
  const first = openSigningKey({ dataDir });
  expect(statSync(path()).mode & 0o777).toBe(0o600);
  const again = openSigningKey({ dataDir });
  expect(again.publicJwk).toEqual(first.publicJwk);
  expect(again.deploymentId).toBe(first.publicJwk.kid);
  expect(readPublicKeys(dataDir)).toEqual({ keys: [first.publicJwk] });
  expect(again.signJws(payload, TYP)).toBe(first.signJws(payload, TYP));
});

test("G2: after rotations old statements verify, the deployment keeps its name, and no old private key is left", () => {
  const key = openSigningKey({ dataDir });
  const statements = [key.signJws(payload, TYP)];
  const before = readFileSync(path(), "utf8");
  const secret = JSON.parse(before).current.d as string;
  const { deploymentId, publicJwk } = key;
  for (let times = 0; times < 2; times++) {
    key.rotate();
    statements.push(key.signJws(payload, TYP));
  }
  expect(key.publicJwk.kid).not.toBe(publicJwk.kid);
  expect(readFileSync(path(), "utf8")).not.toContain(secret);
  for (const each of [key, openSigningKey({ dataDir })]) {
    expect(each.deploymentId).toBe(deploymentId);
    expect(each.publicJwks.keys).toHaveLength(3);
    for (const jws of statements) expect(verifyCompact(jws, each.publicJwks, TYP).kind).toBe("valid");
  }
  expect(verifyCompact(statements[1]!, { keys: [publicJwk] }, TYP).kind).toBe("invalid");
});

test.each(["", "{", '{"past":[],"current":{"kty":"OKP","crv":"Ed25519","x":"AAAA","d":"secret-d"}}'])(
  "G3: the file %j is refused with a sentence, kept as it is, and not quoted",
  (text) => {
    openSigningKey({ dataDir });
    writeFileSync(path(), text);
    const open = () => openSigningKey({ dataDir });
    expect(open).toThrow(ConfigurationError);
    expect(open).not.toThrow("secret-d");
    expect(readFileSync(path(), "utf8")).toBe(text);
  },
);

test("G3: a public key that is not the private one's is refused", () => {
  openSigningKey({ dataDir });
  const file = JSON.parse(readFileSync(path(), "utf8"));
  const other = mkdtempSync(join(tmpdir(), "hil-signing-"));
  file.current.x = openSigningKey({ dataDir: other }).publicJwk.x;
  rmSync(other, { recursive: true });
  writeFileSync(path(), JSON.stringify(file));
  expect(() => openSigningKey({ dataDir })).toThrow(ConfigurationError);
});

test("jose verifies a statement with the published set, and names the deployment as we do", async () => {
  const key = openSigningKey({ dataDir });
  key.rotate();
  const published = JSON.parse(JSON.stringify(key.publicJwks));
  const verified = await compactVerify(key.signJws(payload, TYP), createLocalJWKSet(published));
  expect(Buffer.from(verified.payload)).toEqual(payload);
  expect(verified.protectedHeader).toEqual({ alg: "EdDSA", typ: TYP, kid: key.publicJwk.kid });
  expect(await calculateJwkThumbprint(published.keys[0])).toBe(key.deploymentId);
});

test("a statement of one kind is not taken for another", () => {
  const key = openSigningKey({ dataDir });
  const reading = verifyCompact(key.signJws(payload, "other+jws"), key.publicJwks, TYP);
  expect(reading).toMatchObject({ kind: "invalid", problem: expect.stringContaining("other+jws") });
});

test("keys are read from a single key and from a set, whatever else is in it", () => {
  const { publicJwk } = openSigningKey({ dataDir });
  const { kty, crv, x } = publicJwk;
  const rsa = { kty: "RSA", n: "AQAB", e: "AQAB" };
  expect(readPublicJwks(JSON.stringify(publicJwk))).toEqual({ keys: [publicJwk] });
  expect(readPublicJwks(JSON.stringify({ keys: [rsa, { kty, crv, x, kid: "mine" }] }))).toEqual({
    keys: [publicJwk],
  });
  for (const text of [
    "",
    "[]",
    "null",
    "{}",
    JSON.stringify({ keys: [rsa] }),
    '{"kty":"OKP","crv":"Ed25519","x":"AA"}',
  ]) {
    expect(readPublicJwks(text)).toBeUndefined();
  }
});
