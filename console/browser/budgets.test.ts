import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CONSOLE_DIST_DIR } from "@hil/gateway/console/console.ts";
import { expect, test } from "vitest";

const KB = 1024;
const page = () => readFileSync(join(CONSOLE_DIST_DIR, "index.html"), "utf8");
const assets = (extension: string) =>
  readdirSync(join(CONSOLE_DIST_DIR, "assets")).filter((name) => name.endsWith(extension));
const size = (name: string) =>
  gzipSync(readFileSync(join(CONSOLE_DIST_DIR, "assets", name)), { level: 9 }).length;
const sum = (names: readonly string[]) => names.reduce((total, name) => total + size(name), 0);

test("the inbox needs at most 90 KB of script, compressed, in either language", () => {
  const named = assets(".js").filter((name) => page().includes(name));
  const language = Math.max(
    ...assets(".js")
      .filter((name) => !named.includes(name))
      .map(size),
  );
  expect(named.length).toBeGreaterThan(0);
  expect(sum(named) + language).toBeLessThanOrEqual(90 * KB);
});

test("no part that is loaded later needs more than 40 KB of script, compressed", () => {
  for (const name of assets(".js").filter((each) => !page().includes(each))) {
    expect(size(name), name).toBeLessThanOrEqual(40 * KB);
  }
});

test("all styles together are at most 15 KB, compressed", () => {
  expect(sum(assets(".css"))).toBeLessThanOrEqual(15 * KB);
});

test("the page has no script and no style of its own, as its Content-Security-Policy demands", () => {
  expect(page()).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
});
