// Where HIL is, from the forms of address that earlier clients were configured with.

import { isLoopback } from "../http/loopback.ts";

/** An address of HIL, taken apart. */
export interface ServiceUrl {
  /** What the RPC paths are appended to: no trailing slash, no userinfo, no key. Safe to print. */
  readonly baseUrl: string;
  /** The key that the address carried. Never print it. */
  readonly key: string | undefined;
  /** True for an address of this machine: never asked through a proxy, and a local key may be used. */
  readonly loopback: boolean;
}

/**
 * Reads `http://host:8080`, `http://host/api`, `http://key:SECRET@host` and `http://host/k/SECRET`, also in
 * combination. Undefined for what is no HTTP address.
 */
export function readServiceUrl(text: string): ServiceUrl | undefined {
  // "localhost:8080" would be read as an address with the scheme "localhost".
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const userinfo = decode(url.password) || decode(url.username);
  const keyed = /^(.*?)\/k\/([^/]+)(.*)$/.exec(url.pathname);
  const path = keyed ? `${keyed[1]}${keyed[3]}` : url.pathname;
  return {
    baseUrl: url.origin + path.replace(/\/+$/, "").replace(/\/api$/, ""),
    key: (keyed && decode(keyed[2]!)) || userinfo || undefined,
    loopback: isLoopback(url.hostname),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone "%" is part of the key as it stands
  }
}
