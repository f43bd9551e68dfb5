// Which IP addresses are called on behalf of tenants.
//
// An address is judged by where a packet to it ends: IPv4 inside IPv6 (mapped, NAT64, 6to4, Teredo, ISATAP) is taken
// out first. What is left must be public. The operator may open more; services that hand out a machine's credentials
// stay closed all the same, and this machine itself is opened only address by address.

import ipaddr from "ipaddr.js";
import type { OpenedNet } from "./config.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Where clouds serve the credentials of the machine. Some of these addresses are public ones. */
const METADATA = new Set(
  [
    "169.254.169.254", // AWS, Google, Azure, OpenStack and others
    "169.254.169.253",
    "169.254.170.2", // AWS, containers
    "169.254.170.23",
    "169.254.0.23", // Tencent
    "100.100.100.200", // Alibaba
    "100.100.100.100",
    "168.63.129.16", // Azure, the host's agent
    "192.0.0.192", // Oracle
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:ec2::253",
    "fd20:ce::254",
    "fd00:42::42",
  ].map((address) => ipaddr.parse(address).toNormalizedString()),
);

const GLOBAL_UNICAST = ipaddr.IPv6.parse("2000::");

export interface AddressRules {
  /** What the operator opened. */
  readonly nets: readonly OpenedNet[];
  /** This machine's addresses. */
  readonly own: readonly string[];
  /** The operator opened the name that the address belongs to. */
  readonly isNamed: boolean;
}

/** Why an address is not called, for the log; undefined where it may be. */
export function addressProblem(address: string, { nets, own, isNamed }: AddressRules): string | undefined {
  if (!ipaddr.isValid(address)) return "it is no address";
  const given = ipaddr.parse(address);
  const ownAddresses = new Set(own.filter(ipaddr.isValid).map((each) => plain(ipaddr.parse(each))));
  for (const each of endsOf(given)) {
    const problem = problemOf(each);
    if (problem) return `${problem} (${each.toString()})`;
  }
  return undefined;

  function problemOf(end: Address): string | undefined {
    if (METADATA.has(plain(end))) return "it hands out a machine's credentials";
    if (isNamed) return undefined;
    const range = end.range();
    const matching = nets.filter((net) => isIn(end, net));
    if (range === "loopback" || range === "unspecified" || ownAddresses.has(plain(end))) {
      // 10.0.0.0/8 is meant for other machines, not for what listens on this one.
      const isMeant = matching.some((net) => net.isOne || net.address.range() === "loopback");
      return isMeant ? undefined : "it is this machine";
    }
    if (matching.length > 0) return undefined;
    if (range !== "unicast") return `it is not public: ${range}`;
    return end.kind() === "ipv6" && !(end as ipaddr.IPv6).match(GLOBAL_UNICAST, 3)
      ? "it is not public: outside 2000::/3"
      : undefined;
  }
}

/** Where packets to an address end: itself, or the IPv4 addresses inside it. */
function endsOf(address: Address): Address[] {
  if (address.kind() === "ipv4") return [address];
  const { parts } = address as ipaddr.IPv6;
  const v4 = (high: number, low: number) => new ipaddr.IPv4([high >> 8, high & 255, low >> 8, low & 255]);
  const [p0, p1, p2, p3, p4, p5, p6, p7] = parts as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  switch (address.range()) {
    case "ipv4Mapped":
      return [v4(p6, p7)];
    case "6to4":
      return [v4(p1, p2)];
    case "teredo":
      // The server's address, and the client's with its bits turned.
      return [v4(p2, p3), v4(p6 ^ 0xffff, p7 ^ 0xffff)];
    default:
      if (p0 === 0x64 && p1 === 0xff9b && p2 === 0 && p3 === 0 && p4 === 0 && p5 === 0) return [v4(p6, p7)];
      if (p5 === 0x5efe && (p4 & 0xfdff) === 0) return [address, v4(p6, p7)]; // ISATAP
      return [address];
  }
}

function isIn(address: Address, { address: net, prefixLength }: OpenedNet): boolean {
  return address.kind() === net.kind() && address.match(net as ipaddr.IPv4 & ipaddr.IPv6, prefixLength);
}

/** One form for every way to write an address; without its zone. */
function plain(address: Address): string {
  return address.kind() === "ipv4"
    ? address.toString()
    : new ipaddr.IPv6((address as ipaddr.IPv6).parts).toNormalizedString();
}
