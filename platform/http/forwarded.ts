import type { IncomingHttpHeaders } from "node:http";

/**
 * True for a request that a reverse proxy passed on. One on the same machine connects from loopback whoever it
 * speaks for, so what is open to loopback only must not be open to it.
 */
export function wasForwarded(headers: IncomingHttpHeaders): boolean {
  return ["forwarded", "x-forwarded-for", "x-real-ip"].some((name) => headers[name] !== undefined);
}
