/** Addresses in the vendor's messages that carry the robot's key, or stand for it. Nothing of ours reads them. */
const CREDENTIALS = ["webhook_url", "get_chat_info_url"];

/**
 * The body of a callback without what in it is a credential, for a host that must not pass one on. Undefined for what is no
 * JSON object in UTF-8, which nobody could read either.
 */
export function withoutCredentials(body: Uint8Array): Uint8Array | undefined {
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
  if (typeof message !== "object" || message === null || Array.isArray(message)) return undefined;
  if (!CREDENTIALS.some((name) => Object.hasOwn(message, name))) return body;
  const kept = Object.entries(message).filter(([name]) => !CREDENTIALS.includes(name));
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries(kept)));
}
