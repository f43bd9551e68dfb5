import { createHash, timingSafeEqual } from "node:crypto";

/** Compares a secret that was shown with the right one, in constant time; hashing first hides the length as well. */
export function isSameSecret(given: string | string[] | undefined, right: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(typeof given === "string" ? given : ""), hash(right)) && given !== undefined;
}
