import { expect, test } from "vitest";
import { isLoopback } from "../http/loopback.ts";
import { readServiceUrl } from "./service-url.ts";

test.each([
  ["http://localhost:8080", "http://localhost:8080", undefined],
  ["http://host:8080/", "http://host:8080", undefined],
  ["http://host/api", "http://host", undefined],
  ["https://host/api/", "https://host", undefined],
  ["http://key:SECRET@host", "http://host", "SECRET"],
  ["http://SECRET@host/api", "http://host", "SECRET"],
  ["http://key:S%2FT@host", "http://host", "S/T"],
  ["http://host/k/SECRET", "http://host", "SECRET"],
  ["http://host/k/SECRET/api", "http://host", "SECRET"],
  ["https://host/hil/k/SECRET/", "https://host/hil", "SECRET"],
  ["localhost:8080", "http://localhost:8080", undefined],
  ["https://host/hil", "https://host/hil", undefined],
])("%s is %s with the key %s", (address, baseUrl, key) => {
  expect(readServiceUrl(address)).toMatchObject({ baseUrl, key });
});

test.each(["ftp://host", "http://", "", "http://a b"])("%j is no address of HIL", (address) => {
  expect(readServiceUrl(address)).toBeUndefined();
});

test("only names and addresses of this machine are loopback", () => {
  expect(["localhost", "a.localhost", "127.0.0.1", "127.8.9.1", "[::1]"].map(isLoopback)).not.toContain(
    false,
  );
  expect(
    ["localhost.evil.com", "127.0.0.1.evil.com", "128.0.0.1", "host", "[::2]"].map(isLoopback),
  ).not.toContain(true);
});
