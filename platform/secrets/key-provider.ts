// The keys that wrap the key of each secret. This is what a key management service does for us; the keys never leave
// it. The one here keeps them in memory, from wherever they were read (master-key.ts).
//
// K1. A key is named by its version: 8 bytes that are derived from it, so that nobody has to keep count and a wrong
//     key is noticed before it is used.
// K2. The newest key wraps; every key that is known unwraps.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

export const VERSION_BYTES = 8;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** Wraps and unwraps 32-byte keys. */
export interface KeyProvider {
  /** The version of the key that wraps now, 16 hex digits. */
  readonly newest: string;
  /** Wraps with the newest key. `context` is authenticated with it, and so is the version. */
  wrap(key: Uint8Array, context: Uint8Array): Uint8Array;
  /** Undoes wrap. Throws a SealError for a version that is not known, and for anything that was changed. */
  unwrap(version: string, wrapped: Uint8Array, context: Uint8Array): Uint8Array;
}

/** A sealed value that cannot be opened. Says why in words, and nothing of what is in it. */
export class SealError extends Error {
  override readonly name = "SealError";
}

/** `keys`: 32 bytes each, the newest first; at least one. */
export function createKeyProvider(keys: readonly Uint8Array[]): KeyProvider {
  const byVersion = new Map(keys.map((key) => [versionOf(key), key]));
  const newest = versionOf(keys[0]!);
  return {
    newest,
    wrap: (key, context) => encrypt(byVersion.get(newest)!, key, boundTo(newest, context)),
    unwrap(version, wrapped, context) {
      const key = byVersion.get(version);
      if (key) return decrypt(key, wrapped, boundTo(version, context));
      throw new SealError(
        `this was sealed with the master key ${version}, which is not here (known: ${[...byVersion.keys()].join(", ")}); give that key too, after the newest one`,
      );
    },
  };
}

/** Names a key without giving anything of it away. 16 hex digits. */
export function versionOf(key: Uint8Array): string {
  return Buffer.from(hkdfSync("sha256", key, "", "hil key version", VERSION_BYTES)).toString("hex");
}

/** Nonce, ciphertext and tag. */
export function encrypt(key: Uint8Array, plain: Uint8Array, context: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(context);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undoes `encrypt`. Throws a SealError for anything that was changed, cut or moved. */
export function decrypt(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw damaged();
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
  } catch {
    throw damaged(); // what node says tells nothing more
  }
}

export function damaged(): SealError {
  return new SealError("this sealed value was changed, or was moved here from another place; it is not used");
}

function boundTo(version: string, context: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(version, "hex"), context]);
}
