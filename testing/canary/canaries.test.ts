import { expect, test } from "vitest";
import { Canaries } from "./canaries.ts";

test.each([
  ["as it is", (value: string) => value],
  ["percent-encoded", (value: string) => encodeURIComponent(value)],
  ["in hex", (value: string) => Buffer.from(value).toString("hex")],
  ["in base64", (value: string) => Buffer.from(value).toString("base64")],
  ["in base64 behind one byte", (value: string) => Buffer.from(`:${value}:`).toString("base64")],
  ["in base64 behind two bytes", (value: string) => Buffer.from(`u:${value}@x`).toString("base64")],
  ["in base64url", (value: string) => Buffer.from(`{"k":"${value}"}`).toString("base64url")],
])("a canary %s is seen", (_, encode) => {
  const canaries = new Canaries();
  const value = canaries.make("a key", (random) => `pass/${random}?ÿ`);
  expect(canaries.sightings(`before ${encode(value)} after`, "here")).toEqual([
    { canary: "a key #1", where: "here" },
  ]);
  expect(canaries.sightings(`before ${encode(value).slice(0, -8)}`, "here")).toEqual([]);
});
