import { expect, test } from "vitest";
import { clientAddress, createTrustedProxies, limitedAddress } from "./client-address.ts";

const proxies = createTrustedProxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);

test.each([
  ["nobody forwarded", "192.0.2.7", undefined, "192.0.2.7"],
  ["a stranger says that it forwards", "192.0.2.7", "198.51.100.1", "192.0.2.7"],
  ["a proxy forwards", "127.0.0.1", "198.51.100.1", "198.51.100.1"],
  ["a proxy on a listener for both families", "::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"],
  ["a chain of proxies", "127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"],
  ["the caller wrote one in front", "127.0.0.1", "203.0.113.9, 198.51.100.1, 10.1.2.3", "198.51.100.1"],
  ["the caller wrote nonsense in front", "127.0.0.1", "<script>, 198.51.100.1", "198.51.100.1"],
  ["nonsense in the middle ends it", "127.0.0.1", "198.51.100.1, unknown, 10.1.2.3", "10.1.2.3"],
  ["only proxies", "127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
  ["an empty header", "127.0.0.1", "", "127.0.0.1"],
  ["IPv6", "fd00::1", "2001:db8::5", "2001:db8::5"],
])("%s", (_, remote, forwardedFor, expected) => {
  expect(clientAddress(remote, forwardedFor, proxies)).toBe(expected);
});

test("without trusted proxies nobody speaks for another", () => {
  expect(clientAddress("127.0.0.1", "198.51.100.1", createTrustedProxies([]))).toBe("127.0.0.1");
});

test.each([["10.0.0.0/33"], ["proxy.example"], ["10.0.0.1/8/8"], ["10.0.0.1/"], ["fd00::/129"], [""]])(
  "%j is no proxy, and a start with it says so",
  (entry) => {
    expect(() => createTrustedProxies([entry])).toThrow("neither an address nor a network");
  },
);

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["2001:db8::9", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["2001:0DB8:0001:0002::", "2001:db8:1:2"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["64:ff9b::192.0.2.7", "64:ff9b:0:0"],
])("limits know %s as %s", (address, expected) => {
  expect(limitedAddress(address)).toBe(expected);
});
