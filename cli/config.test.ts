import { expect, test } from "vitest";
import { readEmbeddedConfig } from "./config.ts";

test("without any variable it listens on loopback, and the earlier endpoints serve without a key", () => {
  expect(readEmbeddedConfig({})).toMatchObject({
    host: "127.0.0.1",
    port: 8080,
    dataDir: "./data",
    allowedHosts: [],
    publicUrl: undefined,
    allowKeyless: true,
  });
});

test("nothing serves without a key beyond loopback, or once an owner key is preset", () => {
  expect(readEmbeddedConfig({ HIL_HOST: "0.0.0.0" }).allowKeyless).toBe(false);
  expect(readEmbeddedConfig({ HIL_OWNER_KEY: "x".repeat(32) }).allowKeyless).toBe(false);
});

test("the host of the public address is served", () => {
  const { allowedHosts, publicUrl } = readEmbeddedConfig({
    HIL_PUBLIC_URL: "https://hil.example.com:8443/",
    HIL_ALLOWED_HOSTS: "a.example, b.example",
  });
  expect(allowedHosts).toEqual(["a.example", "b.example", "hil.example.com:8443"]);
  expect(publicUrl?.origin).toBe("https://hil.example.com:8443");
});

test("proxies are trusted only where they are named, and one that cannot be read stops the start", () => {
  expect(readEmbeddedConfig({}).trustedProxies.trusts("127.0.0.1")).toBe(false);
  const { trustedProxies } = readEmbeddedConfig({ HIL_TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8" });
  expect(trustedProxies.trusts("10.9.9.9")).toBe(true);
  expect(trustedProxies.trusts("192.0.2.1")).toBe(false);
  expect(() => readEmbeddedConfig({ HIL_TRUSTED_PROXIES: "10.0.0.1/" })).toThrow("HIL_TRUSTED_PROXIES");
});

test("every variable that is wrong is named at once, and no value is shown", () => {
  const read = () =>
    readEmbeddedConfig({
      HIL_PORT: "http",
      HIL_OWNER_KEY: "short-secret",
      HIL_PUBLIC_URL: "ftp://x",
      HIL_LOG_LEVEL: "loud",
    });
  for (const name of ["HIL_PORT", "HIL_OWNER_KEY", "HIL_PUBLIC_URL", "HIL_LOG_LEVEL"])
    expect(read).toThrow(name);
  expect(read).not.toThrow("short-secret");
});
