import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { createKeyProvider, NONCE_BYTES, SealError, versionOf } from "./key-provider.ts";
import { rotateMasterKey } from "./master-key.ts";
import { createVault, openVault, type SealContext } from "./vault.ts";

const folders: string[] = [];

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hil-vault-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const HERE: SealContext = { tenantId: "a", kind: "channel", id: "robot" };
const WRAPPED_NONCE = 11;

function vaultOf(...keys: Uint8Array[]) {
  return createVault(createKeyProvider(keys), Buffer.alloc(32, 7));
}

test("what is sealed opens in its own row, byte for byte, and shows nothing of what is in it", () => {
  const vault = vaultOf(randomBytes(32));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (plain) => {
      const sealed = vault.seal(plain, HERE);
      expect(Buffer.from(vault.open(sealed, HERE)).equals(plain)).toBe(true);
      if (plain.length >= 8) expect(Buffer.from(sealed).includes(Buffer.from(plain))).toBe(false);
    }),
  );
});

test("I6: a row that is copied to another tenant, kind or id does not open there", () => {
  const vault = vaultOf(randomBytes(32));
  const sealed = vault.seal(Buffer.from("bot key"), HERE);
  const elsewhere: SealContext[] = [
    { ...HERE, tenantId: "b" },
    { ...HERE, tenantId: "" },
    { ...HERE, kind: "session" },
    { ...HERE, id: "robot2" },
    { tenantId: "ac", kind: "hannel", id: "robot" },
    { tenantId: "a", kind: "channelr", id: "obot" },
  ];
  for (const context of elsewhere) {
    expect(() => vault.open(sealed, context)).toThrow(SealError);
    expect(() => vault.rewrap(sealed, context)).toThrow(SealError);
  }
});

test("a value that was cut anywhere does not open: a short tag is no tag", () => {
  const vault = vaultOf(randomBytes(32));
  const sealed = vault.seal(Buffer.from("bot key"), HERE);
  for (let length = 0; length < sealed.length; length += 1) {
    expect(() => vault.open(sealed.subarray(0, length), HERE)).toThrow(SealError);
  }
});

test("a value of which one bit was changed does not open", () => {
  const vault = vaultOf(randomBytes(32));
  const sealed = vault.seal(Buffer.from("bot key"), HERE);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => vault.open(changed, HERE)).toThrow(SealError);
  }
});

test("a million wrappings with one master key have a million nonces", () => {
  const provider = createKeyProvider([randomBytes(32)]);
  const key = randomBytes(32);
  const context = Buffer.from("row");
  const nonces = new Set<string>();
  for (let count = 0; count < 1_000_000; count += 1) {
    nonces.add((provider.wrap(key, context) as Buffer).toString("latin1", 0, NONCE_BYTES));
  }
  expect(nonces.size).toBe(1_000_000);
}, 180_000);

test("each secret has a key and nonces of its own: the same text twice has nothing in common", () => {
  const vault = vaultOf(randomBytes(32));
  const [one, other] = [vault.seal(Buffer.alloc(64), HERE), vault.seal(Buffer.alloc(64), HERE)];
  const blocks = (sealed: Uint8Array) => {
    const found = new Set<string>();
    for (let at = WRAPPED_NONCE; at + 8 <= sealed.length; at += 1) {
      found.add(Buffer.from(sealed.subarray(at, at + 8)).toString("hex"));
    }
    return found;
  };
  expect([...blocks(one)].filter((block) => blocks(other).has(block))).toEqual([]);
});

test("F32: after a rotation old values open, new ones have the new key, and rewrap moves the old ones over", () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)];
  const before = vaultOf(older);
  const sealed = before.seal(Buffer.from("bot key"), HERE);
  const during = vaultOf(newer, older);
  expect(Buffer.from(during.open(sealed, HERE)).toString()).toBe("bot key");
  expect(Buffer.from(sealed).subarray(0, 9).equals(during.newestPrefix)).toBe(false);

  const again = during.rewrap(sealed, HERE);
  expect(Buffer.from(again).subarray(0, 9).equals(during.newestPrefix)).toBe(true);
  const after = vaultOf(newer);
  expect(Buffer.from(after.open(again, HERE)).toString()).toBe("bot key");
  expect(() => after.open(sealed, HERE)).toThrow(
    new SealError(
      `this was sealed with the master key ${versionOf(older)}, which is not here (known: ${versionOf(newer)}); give that key too, after the newest one`,
    ),
  );
});

test("the first start makes a key that only this user can read; the next one finds it", () => {
  const dataDir = dataFolder();
  const first = openVault({ dataDir, environment: {} });
  const sealed = first.seal(Buffer.from("bot key"), HERE);
  const second = openVault({ dataDir, environment: {} });
  expect(Buffer.from(second.open(sealed, HERE)).toString()).toBe("bot key");
  expect([second.auditKey, second.keyPepper]).toEqual([first.auditKey, first.keyPepper]);
  expect(first.auditKey).toHaveLength(32);
  expect(first.keyPepper).toHaveLength(32);
  expect(first.auditKey).not.toEqual(first.keyPepper);
  const files = readdirSync(join(dataDir, "credentials")).sort();
  expect(files).toEqual(["master.json", "vault.json"]);
  for (const file of files) expect(statSync(join(dataDir, "credentials", file)).mode & 0o777).toBe(0o600);
});

test("F32: audit key and pepper stay the same over rotations and moves; the old key can go afterwards", () => {
  const dataDir = dataFolder();
  const first = openVault({ dataDir, environment: {} });
  rotateMasterKey(dataDir);
  const second = openVault({ dataDir, environment: {} });
  expect(second.newestPrefix).not.toEqual(first.newestPrefix);
  expect(second.auditKey).toEqual(first.auditKey);

  const given = randomBytes(32).toString("base64");
  const third = openVault({ dataDir, environment: { HIL_MASTER_KEY: given } });
  expect(third.keyPepper).toEqual(first.keyPepper);
  rmSync(join(dataDir, "credentials", "master.json"));
  const fourth = openVault({ dataDir, environment: { HIL_MASTER_KEY: given } });
  expect(fourth.auditKey).toEqual(first.auditKey);
});

test("F32: without the key, or with a wrong one, it refuses to start and says which key it wants", () => {
  const dataDir = dataFolder();
  const key = randomBytes(32);
  openVault({ dataDir, environment: { HIL_MASTER_KEY: key.toString("hex") } });
  const vault = readFileSync(join(dataDir, "credentials", "vault.json"));
  expect(() => openVault({ dataDir, environment: {} })).toThrow(
    /their master key is not here: set HIL_MASTER_KEY/,
  );
  const wrong = randomBytes(32);
  expect(() => openVault({ dataDir, environment: { HIL_MASTER_KEY: wrong.toString("hex") } })).toThrow(
    `sealed with the master key ${versionOf(key)}, which is not here (known: ${versionOf(wrong)})`,
  );
  expect(readdirSync(join(dataDir, "credentials"))).toEqual(["vault.json"]);
  expect(readFileSync(join(dataDir, "credentials", "vault.json"))).toEqual(vault);
});

test("a look from outside makes nothing", () => {
  const dataDir = dataFolder();
  expect(() => openVault({ dataDir, environment: {}, mayMake: false })).toThrow(/nothing was sealed/);
  expect(readdirSync(dataDir)).toEqual([]);
  const { auditKey } = openVault({ dataDir, environment: {} });
  expect(openVault({ dataDir, environment: {}, mayMake: false }).auditKey).toEqual(auditKey);
});

test("keys come from a file or a command too, and I12: no error repeats what was given", () => {
  const dataDir = dataFolder();
  const key = randomBytes(32).toString("base64url");
  const file = join(dataDir, "key.txt");
  writeFileSync(file, `${key}\n`);
  const { auditKey } = openVault({ dataDir, environment: { HIL_MASTER_KEY_FILE: file } });
  const command = `"${process.execPath}" -e "process.stdout.write('${key}')"`;
  expect(openVault({ dataDir, environment: { HIL_MASTER_KEY_COMMAND: command } }).auditKey).toEqual(auditKey);

  const canary = "canary-not-a-key";
  const wrong: NodeJS.ProcessEnv[] = [
    { HIL_MASTER_KEY: canary },
    { HIL_MASTER_KEY: `${key},${canary}` },
    { HIL_MASTER_KEY_COMMAND: `"${process.execPath}" -e "console.log('${canary}')"` },
    { HIL_MASTER_KEY_COMMAND: `"${process.execPath}" -e "console.log('${canary}');process.exit(3)"` },
    { HIL_MASTER_KEY: key, HIL_MASTER_KEY_FILE: file },
    { HIL_MASTER_KEY_FILE: join(dataDir, "absent") },
  ];
  for (const environment of wrong) {
    const error = (() => {
      try {
        openVault({ dataDir, environment });
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error?.name).toBe("ConfigurationError");
    expect(error?.message).toContain("HIL_MASTER_KEY");
    expect(error?.message).not.toContain(canary);
    expect(error?.message).not.toContain(key);
  }
});

test("a damaged key file is not taken for an empty one", () => {
  const dataDir = dataFolder();
  openVault({ dataDir, environment: {} });
  const file = join(dataDir, "credentials", "master.json");
  for (const text of ["", "{}", '{"keys":[]}', '{"keys":["short"]}']) {
    writeFileSync(file, text);
    expect(() => openVault({ dataDir, environment: {} })).toThrow(/is damaged; restore it/);
  }
});
