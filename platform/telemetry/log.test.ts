import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "./log.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const logTo = (file: string, { maxBytes = 1_000_000, files = 3 } = {}) =>
  createLog("info", { base: { service: "session", version: "1.2.3" }, config: { file, maxBytes, files } });
const read = (file: string) => readFileSync(join(folder, file), "utf8");

test("a line says when, how grave, which service of which version, and whose", () => {
  logTo(join(folder, "hil.log")).warn({ tenant_id: "shop", session_id: "s1" }, "it is late");
  const { time, ...line } = JSON.parse(read("hil.log"));
  expect(Date.parse(time)).toBeGreaterThan(0);
  expect(line).toEqual({
    level: "warn",
    service: "session",
    version: "1.2.3",
    tenant_id: "shop",
    session_id: "s1",
    msg: "it is late",
  });
});

test("I12: what people wrote is told by its length and digest", () => {
  const log = logTo(join(folder, "hil.log"));
  log.info({ body: "fire the missiles?", text: "yes", title: ["x"] }, "asked");
  expect(read("hil.log")).not.toMatch(/missiles|yes/);
  expect(JSON.parse(read("hil.log"))).toMatchObject({
    body: { length: 18, sha256: expect.stringMatching(/^[0-9a-f]{16}$/) },
    title: "[left out]",
  });
});

test("no value breaks out of its line, moves the cursor or turns the text around", () => {
  const value = "a\nb\u001b[2J\u0085\u2028\u009b31m\u202egnol\u2066";
  logTo(join(folder, "hil.log")).info({ sender: value }, value);
  const text = read("hil.log");
  expect(text.trimEnd()).toMatch(/^[\x20-\x7e]+$/);
  expect(JSON.parse(text)).toMatchObject({ sender: value, msg: value });
});

test("a full file is put aside, whole lines in each, and the oldest goes", () => {
  const log = logTo(join(folder, "logs", "hil.log"), { maxBytes: 1_000, files: 3 });
  for (let each = 0; each < 60; each++) log.info({ each }, "counted");
  const names = readdirSync(join(folder, "logs")).sort();
  expect(names).toEqual(["hil.log", "hil.log.1", "hil.log.2"]);
  const numbers = ["hil.log.2", "hil.log.1", "hil.log"].flatMap((name) =>
    read(join("logs", name))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).each as number),
  );
  expect(numbers.at(-1)).toBe(59);
  expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
  expect(numbers.length).toBeLessThan(60);
});

test("what was there before the start is gone on with", () => {
  logTo(join(folder, "hil.log")).info("first run");
  logTo(join(folder, "hil.log")).info("second run");
  expect(read("hil.log").trimEnd().split("\n")).toHaveLength(2);
});
