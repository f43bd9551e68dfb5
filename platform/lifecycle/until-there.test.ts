import { expect, test } from "vitest";
import { storageUnavailable } from "../storage/storage-unavailable.ts";
import { silentLog } from "../telemetry/log.ts";
import { untilThere } from "./until-there.ts";

const options = { signal: new AbortController().signal, log: silentLog, retry: { baseMs: 1, maxMs: 2 } };
const failing = (...errors: unknown[]) => {
  const left = [...errors];
  const open = async () => {
    if (left.length > 0) throw left.shift();
    return "open";
  };
  return { open, left };
};
const withCode = (code: string) => Object.assign(new Error(code), { code });

test("what is not there yet is tried again: no address, no listener, a server that starts", async () => {
  const { open, left } = failing(
    withCode("ENOTFOUND"),
    withCode("ECONNREFUSED"),
    withCode("57P03"),
    new Error("Connection terminated unexpectedly"),
    storageUnavailable("the database cannot be reached"),
  );
  expect(await untilThere(open, options)).toBe("open");
  expect(left).toEqual([]);
});

test("what no waiting mends is thrown at once: a wrong password, a newer database, a fault of ours", async () => {
  for (const error of [
    withCode("28P01"),
    new Error("the database was written by a newer HIL"),
    new TypeError("x"),
  ]) {
    const { open, left } = failing(error, withCode("ECONNREFUSED"));
    await expect(untilThere(open, options)).rejects.toBe(error);
    expect(left).toHaveLength(1);
  }
});

test("a process that is told to end does not go on trying", async () => {
  const signal = AbortSignal.abort();
  const { open } = failing(withCode("ECONNREFUSED"));
  await expect(untilThere(open, { ...options, signal })).rejects.toThrow("ECONNREFUSED");
});
