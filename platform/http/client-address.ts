import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP } from "node:net";

/** The proxies whose word about who calls is taken. */
export interface TrustedProxies {
  trusts(address: string): boolean;
}

/** Hops in one X-Forwarded-For that are looked at, from the last: more is somebody's game. */
const MAX_HOPS = 20;

/** Reads "10.0.0.1" and "10.0.0.0/8". Throws with a sentence for what is neither. */
export function createTrustedProxies(entries: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const entry of entries) {
    const [address, prefix, more] = entry.split("/");
    const family = isIP(address!);
    const bits = prefix === undefined ? undefined : numberOf(prefix);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || more !== undefined || (bits !== undefined && !(bits <= most))) {
      throw new Error(`${JSON.stringify(entry)} is neither an address nor a network such as 10.0.0.0/8`);
    }
    const type = family === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address!, type);
    else list.addSubnet(address!, bits, type);
  }
  if (entries.length === 0) return { trusts: () => false };
  return { trusts: (address) => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4") };
}

/**
 * Where a call comes from: the connection's own address or, from a trusted proxy, the last one in X-Forwarded-For that
 * is not a trusted proxy itself. What stands before that one was written by the caller and says nothing.
 */
export function clientAddress(
  remote: string,
  forwardedFor: IncomingHttpHeaders[string],
  proxies: TrustedProxies,
): string {
  let address = plainAddress(remote);
  if (forwardedFor === undefined || !proxies.trusts(address)) return address;
  const hops = String(forwardedFor).split(",").slice(-MAX_HOPS);
  for (const hop of hops.reverse()) {
    const next = plainAddress(hop.trim());
    if (isIP(next) === 0) break;
    address = next;
    if (!proxies.trusts(address)) break;
  }
  return address;
}

/**
 * By what callers are told apart in limits: an IPv4 address, or the /64 that one customer of IPv6 has to himself.
 */
export function limitedAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head, tail] = address.split("%", 1)[0]!.split("::", 2);
  const groups = head === "" ? [] : head!.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? 0 : tail.split(":").length + (tail.includes(".") ? 1 : 0);
    while (groups.length < 8 - after) groups.push("0");
    groups.push(...tail.split(":"));
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group || "0", 16).toString(16))
    .join(":");
}

/** An IPv4 address that a listener on "::" writes as IPv6, as itself. */
function plainAddress(address: string): string {
  return /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1] ?? address;
}

/** NaN for what is no plain number: "10.0.0.1/" must not become 10.0.0.1/0, which is everybody. */
function numberOf(text: string): number {
  return /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
}
