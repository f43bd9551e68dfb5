// The key that a deployment signs its statements with: decision receipts and checkpoints of the audit log.
//
// G1. It is made on first use and stands in the data folder, readable by this user alone.
// G2. A rotation keeps the public keys of before, so that old statements verify for ever, and no private key of before.
// G3. A file that cannot be read is never replaced by a new key: statements would seem to come from another deployment.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigurationError } from "../config/environment.ts";
import { replaceFile, writeNewFile } from "../secrets/private-file.ts";
import { type PublicJwk, type PublicJwks, publicJwkOf, signCompact } from "./jws.ts";

const jwk = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() });
const signingFile = z.object({
  /** Oldest first; signed with before. */
  past: z.array(jwk),
  current: jwk.extend({ d: z.string() }),
});
type SigningFile = z.infer<typeof signingFile>;

export interface SigningKey {
  /** Signs a statement: a JWS in compact form, alg EdDSA. `typ` says what kind of statement it is. */
  signJws(payload: Uint8Array, typ: string): string;
  /** The key that signs now. */
  readonly publicJwk: PublicJwk;
  /** All keys that ever signed, oldest first. */
  readonly publicJwks: PublicJwks;
  /** Names the deployment: the thumbprint (RFC 7638) of its first key. */
  readonly deploymentId: string;
  /** Signs with a new key from now on (G2). For the process that holds the data folder. */
  rotate(): void;
}

/** Opens the signing key of a data folder, making it where there is none. */
export function openSigningKey({ dataDir }: { dataDir: string }): SigningKey {
  const path = join(dataDir, "credentials", "signing.json");
  let file = read(path);
  if (!file) {
    writeNewFile(path, textOf({ past: [], current: makeKey() }));
    file = read(path)!; // of two that make it at once, both use the one that was there first
  }
  chmodSync(path, 0o600); // a copy may have lost its mode
  let state = stateOf(file);
  return {
    signJws: (payload, typ) =>
      signCompact(payload, { typ, kid: state.publicJwk.kid, privateKey: state.privateKey }),
    get publicJwk() {
      return state.publicJwk;
    },
    get publicJwks() {
      return state.publicJwks;
    },
    get deploymentId() {
      return state.publicJwks.keys[0]!.kid;
    },
    rotate() {
      const { past, current } = read(path) ?? file;
      const { kty, crv, x } = current;
      const next = { past: [...past, { kty, crv, x }], current: makeKey() };
      replaceFile(path, textOf(next));
      state = stateOf(next);
    },
  };
}

/** The public keys of a data folder, without making any. Undefined where there are none. */
export function readPublicKeys(dataDir: string): PublicJwks | undefined {
  const file = read(join(dataDir, "credentials", "signing.json"));
  return file && stateOf(file).publicJwks;
}

function stateOf({ past, current }: SigningFile): {
  readonly publicJwk: PublicJwk;
  readonly publicJwks: PublicJwks;
  readonly privateKey: KeyObject;
} {
  const keys = [...past, current].map(({ x }) => publicJwkOf(x));
  const privateKey = createPrivateKey({ key: current as JsonWebKey, format: "jwk" });
  if (createPublicKey(privateKey).export({ format: "jwk" }).x !== current.x) throw new Error("not one pair");
  return { publicJwk: keys.at(-1)!, publicJwks: { keys }, privateKey };
}

function makeKey(): SigningFile["current"] {
  const { privateKey } = generateKeyPairSync("ed25519");
  return jwk.extend({ d: z.string() }).parse(privateKey.export({ format: "jwk" }));
}

function read(path: string): SigningFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
  try {
    const file = signingFile.parse(JSON.parse(text));
    stateOf(file); // a key that is none is found here and not by the first statement
    return file;
  } catch {
    throw unreadable(path); // without the cause: it may quote the key
  }
}

function unreadable(path: string, cause?: unknown): ConfigurationError {
  const error = new ConfigurationError(
    `the signing key ${path} cannot be read; put the file of your backup back, or move it away to sign with a new key as a new deployment`,
  );
  error.cause = cause;
  return error;
}

function textOf(file: SigningFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`;
}
