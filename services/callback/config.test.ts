import { expect, test } from "vitest";
import { readCallbackConfig } from "./config.ts";

test("without any variable hints are Chinese and no header is asked for", () => {
  expect(readCallbackConfig({})).toEqual({
    authHeader: undefined,
    locale: "zh-CN",
    timeZone: undefined,
    retentionMs: 90 * 24 * 3_600_000,
  });
});

test("a value without a name is looked for in x-api-key", () => {
  expect(readCallbackConfig({ CALLBACK_AUTH_VALUE: "v" }).authHeader).toEqual({
    name: "x-api-key",
    value: "v",
  });
});

test("a name and a value set the header up", () => {
  const environment = { CALLBACK_AUTH_KEY: "X-Token", CALLBACK_AUTH_VALUE: "v" };
  expect(readCallbackConfig(environment).authHeader).toEqual({ name: "X-Token", value: "v" });
});

test.each([
  [{ CALLBACK_AUTH_KEY: "x-token" }, "CALLBACK_AUTH_VALUE"],
  [{ CALLBACK_AUTH_KEY: "x token", CALLBACK_AUTH_VALUE: "v" }, "CALLBACK_AUTH_KEY"],
  [{ HIL_LOCALE: "fr" }, "HIL_LOCALE"],
  [{ HIL_TIME_ZONE: "Mars/Olympus" }, "HIL_TIME_ZONE"],
])("%j is refused by naming %s", (environment, name) => {
  expect(() => readCallbackConfig(environment)).toThrow(name);
});
