// Secrets at rest.
//
// V1. Each secret has a random key of its own, and that key is wrapped with the newest master key (AES-256-GCM both
//     times, 96-bit random nonces, 128-bit tags).
// V2. Both are bound to the tenant, the kind and the id of the row that they stand in, and the wrapping to the version
//     of the master key: a value that is copied to another row does not open.
// V3. A new master key needs no new encryption: `rewrap` changes the wrapping alone. What older keys wrapped opens as
//     long as they are known.
// V4. Without the key there is no start. A missing key is never replaced by a new one where something was sealed.
// V5. auditKey and keyPepper come from a root secret that is itself sealed in the data folder, so that they stay the
//     same over every rotation.
//
// A sealed value: format (1 byte), version of the master key (8), length of the wrapped key (2), the wrapped key,
// nonce (12), ciphertext, tag (16).

import { hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigurationError } from "../config/environment.ts";
import {
  createKeyProvider,
  damaged,
  decrypt,
  encrypt,
  type KeyProvider,
  SealError,
  VERSION_BYTES,
} from "./key-provider.ts";
import { makeMasterKey, masterKeyPath, readMasterKeys } from "./master-key.ts";
import { replaceFile, writeNewFile } from "./private-file.ts";

const FORMAT = 1;
const HEAD_BYTES = 1 + VERSION_BYTES + 2;
const ROOT: SealContext = { tenantId: "", kind: "root", id: "" };

const vaultFile = z.object({ root: z.string() });

/** Where a sealed value stands. It opens nowhere else. */
export interface SealContext {
  readonly tenantId: string;
  /** What it is: "channel", "session". */
  readonly kind: string;
  /** The row's id. */
  readonly id: string;
}

export interface Vault {
  seal(plain: Uint8Array, context: SealContext): Uint8Array;
  /** Throws a SealError for a value that was changed, cut or moved, and for one of a key that is not known. */
  open(sealed: Uint8Array, context: SealContext): Uint8Array;
  /** The value wrapped with the newest master key. Throws as `open` does. */
  rewrap(sealed: Uint8Array, context: SealContext): Uint8Array;
  /** What every value begins with that is wrapped with the newest key; others are due for `rewrap`. */
  readonly newestPrefix: Uint8Array;
  /** 32 bytes: seals the audit log. */
  readonly auditKey: Uint8Array;
  /** 32 bytes: what the hashes of API keys are keyed with. */
  readonly keyPepper: Uint8Array;
}

/**
 * Opens the vault of a data folder. The first time it makes what is missing; with `mayMake: false` (a look at a
 * folder from outside) it makes and changes nothing. Throws a ConfigurationError that says which key is needed.
 */
export function openVault({
  dataDir,
  environment,
  mayMake = true,
}: {
  dataDir: string;
  environment: NodeJS.ProcessEnv;
  mayMake?: boolean;
}): Vault {
  const path = join(dataDir, "credentials", "vault.json");
  let root = readRoot(path);
  let keys = readMasterKeys({ dataDir, environment });
  if (root === undefined && !mayMake) {
    throw new ConfigurationError(`there is no ${path}: nothing was sealed in this data folder yet`);
  }
  if (keys.length === 0) {
    if (root !== undefined) throw masterKeyMissing(dataDir);
    keys = makeMasterKey(dataDir);
  }
  const provider = createKeyProvider(keys);
  if (root === undefined) {
    writeNewFile(path, fileOf(seal(provider, randomBytes(32), ROOT)));
    root = readRoot(path)!;
  }
  const secret = openRoot(provider, root);
  if (mayMake && !root.subarray(0, 1 + VERSION_BYTES).equals(newestPrefix(provider))) {
    replaceFile(path, fileOf(rewrap(provider, root, ROOT)));
  }
  return createVault(provider, secret);
}

/** A vault over keys from anywhere. `root`: 32 bytes that stay the same for the life of a deployment. */
export function createVault(provider: KeyProvider, root: Uint8Array): Vault {
  const derive = (purpose: string) => new Uint8Array(hkdfSync("sha256", root, "", purpose, 32));
  return {
    seal: (plain, context) => seal(provider, plain, context),
    open: (sealed, context) => open(provider, sealed, context),
    rewrap: (sealed, context) => rewrap(provider, sealed, context),
    newestPrefix: newestPrefix(provider),
    auditKey: derive("hil audit key"),
    keyPepper: derive("hil key pepper"),
  };
}

function seal(provider: KeyProvider, plain: Uint8Array, context: SealContext): Buffer {
  const where = bytesOf(context);
  const key = randomBytes(32);
  const value = encrypt(key, plain, where);
  const wrapped = provider.wrap(key, where);
  key.fill(0);
  return assemble(provider, wrapped, value);
}

function open(provider: KeyProvider, sealed: Uint8Array, context: SealContext): Buffer {
  const where = bytesOf(context);
  const { version, wrapped, value } = partsOf(sealed);
  const key = provider.unwrap(version, wrapped, where);
  const plain = decrypt(key, value, where);
  key.fill(0);
  return plain;
}

function rewrap(provider: KeyProvider, sealed: Uint8Array, context: SealContext): Buffer {
  const where = bytesOf(context);
  const { version, wrapped, value } = partsOf(sealed);
  const key = provider.unwrap(version, wrapped, where);
  const again = provider.wrap(key, where);
  key.fill(0);
  return assemble(provider, again, value);
}

function newestPrefix(provider: KeyProvider): Buffer {
  return Buffer.concat([Buffer.from([FORMAT]), Buffer.from(provider.newest, "hex")]);
}

function assemble(provider: KeyProvider, wrapped: Uint8Array, value: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(wrapped.length);
  return Buffer.concat([newestPrefix(provider), length, wrapped, value]);
}

function partsOf(sealed: Uint8Array): { version: string; wrapped: Buffer; value: Buffer } {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORMAT) throw damaged();
  const end = HEAD_BYTES + bytes.readUInt16BE(HEAD_BYTES - 2);
  if (bytes.length < end) throw damaged();
  return {
    version: bytes.toString("hex", 1, 1 + VERSION_BYTES),
    wrapped: bytes.subarray(HEAD_BYTES, end),
    value: bytes.subarray(end),
  };
}

/** Each part with its length before it, so that no two contexts read the same. */
function bytesOf({ tenantId, kind, id }: SealContext): Buffer {
  return Buffer.concat(
    [tenantId, kind, id].flatMap((part) => {
      const bytes = Buffer.from(part, "utf8");
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

function readRoot(path: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new ConfigurationError(`${path} cannot be read (${code})`);
  }
  try {
    return Buffer.from(vaultFile.parse(JSON.parse(text)).root, "base64");
  } catch {
    throw rootDamaged(path); // not the JSON that we wrote
  }
}

function openRoot(provider: KeyProvider, root: Buffer): Buffer {
  try {
    return open(provider, root, ROOT);
  } catch (error) {
    if (error instanceof SealError) throw new ConfigurationError(`the data folder's vault: ${error.message}`);
    throw error;
  }
}

function masterKeyMissing(dataDir: string) {
  return new ConfigurationError(
    `this data folder holds sealed secrets, and their master key is not here: set HIL_MASTER_KEY, HIL_MASTER_KEY_FILE or HIL_MASTER_KEY_COMMAND as before, or bring ${masterKeyPath(dataDir)} back from a backup`,
  );
}

function rootDamaged(path: string) {
  return new ConfigurationError(
    `${path} is damaged; restore it from a backup: without it API keys and the audit log cannot be checked`,
  );
}

function fileOf(root: Uint8Array): string {
  return `${JSON.stringify({ root: Buffer.from(root).toString("base64") })}\n`;
}
