import { createHash, createHmac, randomBytes } from "node:crypto";

/** What is hashed, so that the hash of one kind is worth nothing as another. */
type SecretKind = "api-key" | "console-session" | "sign-in-token" | "link-code";

/** Hashes secrets for the database. With the database alone none can be found out or checked (A1). */
export type HashSecret = (kind: SecretKind, secret: string) => Uint8Array;

/** `pepper` is kept elsewhere than the database. A slow hash would add nothing to 256 random bits. */
export function createHashSecret(pepper: Uint8Array): HashSecret {
  return (kind, secret) => createHmac("sha256", pepper).update(`${kind}:${secret}`).digest();
}

/** 256 random bits for a URL or a cookie. */
export function newSecret(prefix: string): string {
  return `${prefix}${randomBytes(32).toString("base64url")}`;
}

/** For the keys that are compared in memory only: hashing first hides the length as well. */
export function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
