import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundledPackages, noticesOf } from "./notices.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-notices-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Makes a package with one module and returns the module's path. */
function installed(name: string, manifest: object, source: string, files: Record<string, string> = {}) {
  const home = join(folder, "node_modules", name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ name, version: "1.2.3", ...manifest }));
  writeFileSync(join(home, "index.js"), source);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(home, file), text);
  return join(home, "index.js");
}

test("the licence and the notice of each package are repeated, and our own sources are none", () => {
  const files = { LICENSE: "MIT License\nCopyright Ann", NOTICE: "Made by Ann" };
  const module = installed("ann", { license: "MIT" }, "export {}", files);
  const text = noticesOf(bundledPackages([module, join(import.meta.dirname, "notices.ts"), "\0helper"]));
  expect(text).toContain("ann 1.2.3 (MIT)\n\nMIT License\nCopyright Ann\n\nMade by Ann\n");
  expect(text.match(/^\w.* \d+\.\d+\.\d+ \(/gm)).toHaveLength(1);
});

test("of a package without a licence file the heads of its sources are kept, and the Apache License is added", () => {
  const head = "// Copyright 2026 Bob\n//\n// Licensed under the Apache License, Version 2.0\n";
  const module = installed("bob", { license: "Apache-2.0" }, `${head}/** Not this. */\nexport {}`);
  const text = noticesOf(bundledPackages([module]));
  expect(text).toContain("Copyright 2026 Bob\n\nLicensed under the Apache License, Version 2.0");
  expect(text).not.toContain("Not this");
  expect(text).toContain("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION");
});

test("a package that is itself a bundle brings the licences of its parts", () => {
  installed("@eve/part", { license: "MIT" }, "", { LICENSE: "MIT License\nCopyright Eve" });
  const mark =
    "//#region ../node_modules/.pnpm/@eve+part@4.5.6_x@1.0.0/node_modules/@eve/part/lib/index.js\n";
  const module = installed("whole", { license: "MIT" }, mark, { LICENSE: "MIT License\nCopyright Whole" });
  expect(noticesOf(bundledPackages([module]))).toContain(
    "@eve/part 4.5.6 (MIT)\n\nMIT License\nCopyright Eve",
  );
});

test("a package whose terms are not known stops the build", () => {
  const module = installed("nameless", { license: "MIT" }, "export {}");
  expect(() => noticesOf(bundledPackages([module]))).toThrow("nameless");
  const lost = "//#region /.pnpm/lost@1.0.0/node_modules/lost/index.js\n";
  const around = installed("around", { license: "MIT" }, lost, { LICENSE: "MIT License" });
  expect(() => bundledPackages([around])).toThrow("lost is bundled as a part of");
});
