// Addresses that a tenant might choose to reach what is inside (S2). Each is written for one port; the names among them
// resolve, by `recordsOf`, to what a hostile name server would say.

import { networkInterfaces } from "node:os";

const INSIDE_V4 = [
  "127.0.0.1",
  "127.0.0.2",
  "127.1.2.3",
  "127.255.255.254",
  "0.0.0.0",
  "0.1.2.3",
  "10.0.0.1",
  "10.255.255.255",
  "172.16.0.1",
  "172.31.255.254",
  "192.168.0.1",
  "192.168.255.254",
  "169.254.169.254",
  "169.254.170.2",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "198.18.0.1",
  "198.51.100.7",
  "203.0.113.9",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
] as const;

const INSIDE_V6 = [
  "::",
  "::1",
  "0:0:0:0:0:0:0:1",
  "0000:0000:0000:0000:0000:0000:0000:0001",
  "::7f00:1",
  "::127.0.0.1",
  "::ffff:0:127.0.0.1",
  "fe80::1",
  "febf::1",
  "fec0::1",
  "fc00::1",
  "fd00::1",
  "fdff:ffff::1",
  "fd00:ec2::254",
  "fd20:ce::254",
  "ff02::1",
  "ff0e::1",
  "100::1",
  "64:ff9b:1::7f00:1",
  "2001:db8::1",
  "2001:2::1",
  "2001:10::1",
  "2001:20::1",
  "3fff::1",
  "5f00::1",
  "4000::1",
  "2001:4860:0:1:0:5efe:7f00:1",
  "2001:4860:0:1:200:5efe:a00:1",
] as const;

const NAMES = [
  "localhost",
  "LOCALHOST",
  "LocalHost",
  "a.localhost",
  "a.b.localhost",
  "localhost.localdomain",
  "localhost6",
  "ip6-localhost",
  "ip6-loopback",
  "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
  "ｌｏｃａｌｈｏｓｔ",
  "local\u00adhost",
  "loc%61lhost",
  "metadata",
  "metadata.google.internal",
  "METADATA.GOOGLE.INTERNAL",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
  "metadata.tencentyun.com",
  "localhost.",
  "metadata.google.internal.",
] as const;

/** Services whose names carry the address that they resolve to. */
const NAMING = ["nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "1u.ms"];

/** This machine's addresses, as other machines see it. */
export function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);
}

/** The corpus: hosts of every hostile form, as URLs of one port. */
export function hostileUrls(port: number): string[] {
  const own = interfaceAddresses().map((address) => (address.includes(":") ? `[${address}]` : address));
  const hosts = [
    ...INSIDE_V4.flatMap(formsOfV4),
    ...INSIDE_V6.map((address) => `[${address}]`),
    ...[
      "[::1%25lo]",
      "[::1%lo]",
      "[fe80::1%25eth0]",
      "[fe80::1%eth0]",
      "[fe80::1%1]",
      "[::1",
      "::1",
      "[[::1]]",
      "[::1].",
    ],
    ...NAMES,
    ...INSIDE_V4.flatMap((address) => NAMING.map((domain) => `${address.replaceAll(".", "-")}.${domain}`)),
    ...own,
  ];
  const urls = hosts.flatMap((host) => [`http://${host}:${port}/in`]);
  for (const host of ["127.0.0.1", "[::1]", "localhost"]) urls.push(...spellings(host, port));
  return urls;
}

/** What a hostile name server says of a host of the corpus. */
export function recordsOf(host: string): { address: string; family: number }[] {
  const named = /^(\d+)-(\d+)-(\d+)-(\d+)[.]/.exec(host);
  return [{ address: named ? named.slice(1).join(".") : "127.0.0.1", family: 4 }];
}

function formsOfV4(address: string): string[] {
  const octets = address.split(".").map(Number) as [number, number, number, number];
  const [a, b, c, d] = octets;
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = whole.toString(16).padStart(8, "0");
  const [high, low] = [hex.slice(0, 4), hex.slice(4)];
  const turned = (~whole >>> 0).toString(16).padStart(8, "0");
  return [
    address,
    String(whole),
    `0x${hex}`,
    `0X${hex.toUpperCase()}`,
    `0${whole.toString(8)}`,
    octets.map((each) => `0${each.toString(8)}`).join("."),
    octets.map((each) => `0x${each.toString(16)}`).join("."),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `0x${a.toString(16)}.0${b.toString(8)}.${c}.${d}`,
    `${address}.`,
    octets.join("。"),
    octets.join("．"),
    octets.join("｡"),
    octets
      .map((each) => [...String(each)].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join(""))
      .join("."),
    octets
      .map((each) => [...String(each)].map((digit) => String.fromCodePoint(0x1d7d8 + Number(digit))).join(""))
      .join("."),
    octets.map((each) => [...String(each)].map((digit) => `%3${digit}`).join("")).join("."),
    `[::ffff:${address}]`,
    `[::ffff:${high}:${low}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b::${high}:${low}]`,
    `[2002:${high}:${low}::]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:${high}:${low}::1]`,
    `[2001:0:4136:e378:8000:63bf:${turned.slice(0, 4)}:${turned.slice(4)}]`,
    `[::${address}]`,
  ];
}

/** The same host in a URL that readers understand differently. */
function spellings(host: string, port: number): string[] {
  const at = `${host}:${port}`;
  return [
    `http:${at}/in`,
    `http:/${at}/in`,
    `http:///${at}/in`,
    `http:\\\\${at}\\in`,
    `http://${at}\\@good.example/`,
    `http://good.example@${at}/in`,
    `http://good.example:pass@${at}/in`,
    `http://@${at}/in`,
    `http://good.example%2f@${at}/in`,
    `http://good.example#@${at}/in`,
    `http://good.example\\@${at}/in`,
    `http://${at}#good.example`,
    `http://${at}/in#`,
    `http://${at}?good.example`,
    `http://\t${at}/in`,
    `ht\ntp://${at}/in`,
    `http://${host}\r\n:${port}/in`,
    `http://${at}/in\r\nHost: good.example`,
    ` http://${at}/in`,
    `http://${at}/in `,
    `http://good.example@@${at}/in`,
    `http://good.example:80@${at}/in`,
    `HTTP://${at}/in`,
    `ftp://${at}/in`,
    `ws://${at}/in`,
    `gopher://${at}/in`,
    `file://${host}/etc/passwd`,
    `//${at}/in`,
    `${at}/in`,
    `javascript:fetch("http://${at}")`,
    `data:text/plain,${at}`,
  ];
}
