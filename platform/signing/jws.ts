// Statements that a stranger verifies with the public key alone: JWS in compact form (RFC 7515), signed with Ed25519
// (RFC 8037). node:crypto does it synchronously, which a handler needs; jose and every other JWS library verify it.

import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";

/** A public Ed25519 key as a JSON Web Key. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** The key, base64url. */
  readonly x: string;
  /** Its thumbprint (RFC 7638). */
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

/** A JSON Web Key Set, oldest key first. */
export interface PublicJwks {
  readonly keys: readonly PublicJwk[];
}

export type JwsReading =
  | { readonly kind: "valid"; readonly payload: Uint8Array; readonly jwk: PublicJwk }
  | { readonly kind: "invalid"; readonly problem: string };

const givenJwk = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() });
const header = z.strictObject({ alg: z.literal("EdDSA"), kid: z.string(), typ: z.string() });

/** A public key with its thumbprint as its name, whatever name it came with. */
export function publicJwkOf(x: string): PublicJwk {
  return { kty: "OKP", crv: "Ed25519", x, kid: thumbprint(x), use: "sig", alg: "EdDSA" };
}

/** Reads a JSON Web Key, or a set of them, as text. Keys of other kinds are left out. Undefined where there is none. */
export function readPublicJwks(text: string): PublicJwks | undefined {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return undefined;
  }
  const set = z.object({ keys: z.array(z.unknown()) }).safeParse(given);
  const keys = (set.success ? set.data.keys : [given]).flatMap((each) => {
    const jwk = givenJwk.safeParse(each);
    return jwk.success && decodeStrictly(jwk.data.x)?.length === 32 ? [publicJwkOf(jwk.data.x)] : [];
  });
  return keys.length > 0 ? { keys } : undefined;
}

/** Signs a statement. `typ` says what it is, so that one kind is never taken for another. */
export function signCompact(
  payload: Uint8Array,
  { typ, kid, privateKey }: { typ: string; kid: string; privateKey: KeyObject },
): string {
  const head = Buffer.from(JSON.stringify({ alg: "EdDSA", kid, typ })).toString("base64url");
  const signed = `${head}.${Buffer.from(payload).toString("base64url")}`;
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
}

/**
 * Verifies a statement of a kind with the keys that are trusted. Strict: only the one way to write it that signCompact
 * has, so that no two texts are the same statement.
 */
export function verifyCompact(jws: string, { keys }: PublicJwks, typ: string): JwsReading {
  const invalid = (problem: string): JwsReading => ({ kind: "invalid", problem });
  const parts = jws.split(".");
  const [head, payload, signature] = parts.map(decodeStrictly);
  if (parts.length !== 3 || !head || !payload || !signature) {
    return invalid("this is not a signed statement (JWS in compact form)");
  }
  const protectedHeader = headerOf(head);
  if (!protectedHeader) return invalid("its header is not one that HIL writes");
  if (protectedHeader.typ !== typ) {
    return invalid(`it is a statement of the kind ${JSON.stringify(protectedHeader.typ)}, not ${typ}`);
  }
  const jwk = keys.find(({ kid }) => kid === protectedHeader.kid);
  if (!jwk) return invalid(`it is signed with a key that is not among those given: ${protectedHeader.kid}`);
  const signed = Buffer.from(jws.slice(0, jws.lastIndexOf(".")));
  if (!verify(null, signed, publicKeyOf(jwk), signature)) {
    return invalid("its signature is wrong: it was changed, or signed by somebody else");
  }
  return { kind: "valid", payload, jwk };
}

/** Reading a key costs as much as verifying with it. */
const publicKeys = new WeakMap<PublicJwk, KeyObject>();

function publicKeyOf(jwk: PublicJwk): KeyObject {
  const known = publicKeys.get(jwk);
  if (known) return known;
  const key = createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, format: "jwk" });
  publicKeys.set(jwk, key);
  return key;
}

function headerOf(bytes: Buffer): z.infer<typeof header> | undefined {
  try {
    return header.safeParse(JSON.parse(bytes.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** base64url without padding; undefined for any other way to write the same bytes. */
function decodeStrictly(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length > 0 && bytes.toString("base64url") === text ? bytes : undefined;
}

/** RFC 7638. */
function thumbprint(x: string): string {
  return createHash("sha256")
    .update(JSON.stringify({ crv: "Ed25519", kty: "OKP", x }))
    .digest("base64url");
}
