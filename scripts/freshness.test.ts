import { mkdirSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
// @ts-expect-error: plain JavaScript without types, because it runs before anything is installed
import { isInstalled, isStale, markInstalled } from "./freshness.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hil-setup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Writes a file that was last changed so many seconds after the epoch. */
function file(path: string, seconds: number, text = ""): string {
  const name = join(root, path);
  mkdirSync(join(name, ".."), { recursive: true });
  writeFileSync(name, text);
  utimesSync(name, seconds, seconds);
  return name;
}

/** Sets when a folder was last changed. */
function folder(path: string, seconds: number): string {
  const name = join(root, path);
  utimesSync(name, seconds, seconds);
  return name;
}

describe("a build", () => {
  test("is stale where it is missing, or a source is newer", () => {
    file("source/a.ts", 10);
    const source = folder("source", 10);
    expect(isStale(join(root, "out.js"), [source])).toBe(true);
    const out = file("out.js", 20);
    expect(isStale(out, [source])).toBe(false);
    file("source/deep/b.ts", 30);
    expect(isStale(out, [source])).toBe(true);
  });

  test("is stale where a source was deleted", () => {
    const gone = file("source/a.ts", 10);
    const source = folder("source", 10);
    const out = file("out.js", 20);
    unlinkSync(gone);
    expect(isStale(out, [source])).toBe(true);
  });

  test("is not made stale by its own output, by what is installed or by a test", () => {
    file("source/a.ts", 10);
    for (const name of ["dist/a.js", "node_modules/x/a.js", "a.test.ts", "a.test.tsx"]) {
      file(`source/${name}`, 30);
    }
    const source = folder("source", 10);
    expect(isStale(file("out.js", 20), [source])).toBe(false);
  });
});

describe("the dependencies", () => {
  test("are missing in a fresh clone", () => {
    file("package-lock.json", 10, "{}");
    expect(isInstalled(root)).toBe(false);
  });

  test("are there once installed, whatever happens to the times of files", () => {
    file("package-lock.json", 10, "{}");
    mkdirSync(join(root, "node_modules"));
    markInstalled(root);
    file("package-lock.json", 99, "{}");
    expect(isInstalled(root)).toBe(true);
  });

  test("are installed again once the lock file asks for others", () => {
    file("package-lock.json", 10, "{}");
    file("node_modules/.package-lock.json", 11);
    expect(isInstalled(root)).toBe(true);
    file("package-lock.json", 20, '{"changed":true}');
    expect(isInstalled(root)).toBe(false);
  });

  test("of another kind of machine do not count", () => {
    file("package-lock.json", 10, "{}");
    file("node_modules/.package-lock.json", 11);
    file("node_modules/.hil-installed", 12, "0000 plan9-mips");
    expect(isInstalled(root)).toBe(false);
  });
});
