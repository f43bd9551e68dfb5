import { randomInt } from "node:crypto";

/** Crockford's alphabet: without I, L, O and U, which look like others or make words. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH = 8;
const LOOK_ALIKES: Record<string, string> = { I: "1", L: "1", O: "0" };

/** How long a code works: 15 minutes. */
export const LINK_CODE_MS = 15 * 60_000;

/** Makes a code of 40 random bits. It lives short and works once, so that guessing has no chance. */
export function newLinkCode(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

/** A code as a person typed it, in the one form that is hashed; undefined for what cannot be one. */
export function readLinkCode(typed: string): string | undefined {
  const code = typed
    .normalize("NFKC")
    .toUpperCase()
    .replaceAll(/[\s-]/g, "")
    .replaceAll(/[ILO]/g, (letter) => LOOK_ALIKES[letter]!);
  return code.length === LENGTH && [...code].every((each) => ALPHABET.includes(each)) ? code : undefined;
}
