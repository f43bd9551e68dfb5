import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { isLoopback } from "./loopback.ts";

/** Says which Host and Origin headers a listener serves, so that a web page elsewhere cannot speak to it. */
export interface OriginGuard {
  /** Why a request is refused, or undefined. Both headers as they came; `origin` is undefined for programs. */
  refusal(
    host: string | undefined,
    origin: string | undefined,
  ): { header: "host" | "origin"; value: string } | undefined;
}

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/**
 * A page whose name an attacker points at us (DNS rebinding) sends its own name as Host, so names are
 * listed: loopback, this machine's addresses when it listens beyond loopback, and `allowedHosts`
 * ("hil.example.com", any port; "hil.example.com:8443", only that one). An Origin must be the origin that the
 * request itself was sent to, or one of an allowed host.
 */
export function createOriginGuard({
  listenHost,
  allowedHosts,
}: {
  listenHost: string;
  allowedHosts: readonly string[];
}): OriginGuard {
  const allowed = new Set(LOOPBACK_NAMES);
  for (const host of allowedHosts) allowed.add(host.toLowerCase());
  if (!isLoopback(listenHost)) {
    allowed.add(bracketed(listenHost));
    for (const each of Object.values(networkInterfaces()).flat()) {
      if (each) allowed.add(bracketed(each.address));
    }
  }
  const serves = (authority: string): boolean => {
    const name = authority.toLowerCase();
    return allowed.has(name) || allowed.has(name.replace(/:\d+$/, ""));
  };
  return {
    refusal(host, origin) {
      if (!host || !serves(host)) return { header: "host", value: host ?? "" };
      if (origin === undefined) return undefined;
      const match = /^https?:\/\/([^/\s]+)$/.exec(origin.toLowerCase());
      const from = match?.[1];
      // A page of another port of the same name is another origin.
      if (from && (from === host.toLowerCase() || allowedHosts.some((each) => each.toLowerCase() === from))) {
        return undefined;
      }
      return { header: "origin", value: origin };
    },
  };
}

function bracketed(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address.toLowerCase();
}
