// The licences of what is bundled, as a text that goes along with the bundle.
//
// Minifying takes the comments off, and with them what their authors ask to be kept. So the text of each package's
// licence is repeated; of one that brings no file, the heads of its sources and the licence that they name. A package
// that is itself a bundle names, in its comments, the packages that it was made of; those are listed too.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A package of which something is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** As its package.json says: "MIT". */
  readonly license: string;
  /** The Node versions that it is made for, as its package.json says. Undefined: it says nothing. */
  readonly node: string | undefined;
  /** Its LICENSE, and its NOTICE where it has one. Empty: it brings none. */
  readonly texts: readonly string[];
  /** What the bundled sources say at their heads about copyright, each once. */
  readonly heads: readonly string[];
}

const APACHE = readFileSync(join(import.meta.dirname, "apache-2.0.txt"), "utf8");
const RULE = `\n${"-".repeat(80)}\n`;

/**
 * The packages that modules come from, by the modules' paths. Our own are no foreign packages and are left out. Throws
 * where a package that is in another one cannot be found here, to read its licence.
 */
export function bundledPackages(modules: readonly string[]): BundledPackage[] {
  const byFolder = new Map<string, string[]>();
  for (const path of modules) {
    const folder = packageFolder(path);
    if (folder !== undefined) byFolder.set(folder, [...(byFolder.get(folder) ?? []), path]);
  }
  const packages = new Map<string, BundledPackage>();
  const add = (each: BundledPackage) => packages.set(`${each.name} ${each.version}`, each);
  for (const [folder, paths] of byFolder) {
    const sources = paths.map(readSource);
    add(readPackage(folder, sources));
    for (const { name, version } of sources.flatMap(inlinedIn)) {
      add({ ...readPackage(findPackage(name, folder), []), version });
    }
  }
  return [...packages.values()].toSorted((one, other) => one.name.localeCompare(other.name));
}

/** The text. Throws where it is not known under which terms a package is used. */
export function noticesOf(packages: readonly BundledPackage[]): string {
  const parts = packages.map((each) => `${titleOf(each)}\n\n${termsOf(each)}\n`);
  return [
    "dist/hil-mcp.mjs contains code of these packages. HIL itself is under the licence in LICENSE.\n",
    ...parts,
    ...(packages.some(isByReference) ? [APACHE] : []),
  ].join(RULE);
}

function titleOf(each: BundledPackage): string {
  const where = isByReference(each) ? "; the Apache License is at the end" : "";
  return `${each.name} ${each.version} (${each.license}${where})`;
}

function termsOf(each: BundledPackage): string {
  if (each.texts.length > 0) return each.texts.join("\n\n");
  if (isByReference(each)) return each.heads.join("\n\n");
  throw new Error(`${each.name} (${each.license}) is bundled and says nowhere under which terms`);
}

/** Whether a package brings no text, and says in its sources that it is under the Apache License. */
function isByReference({ texts, heads }: BundledPackage): boolean {
  return texts.length === 0 && heads.some((head) => head.includes("Apache License, Version 2.0"));
}

function packageFolder(path: string): string | undefined {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0];
}

function readPackage(folder: string, sources: readonly string[]): BundledPackage {
  const { name, version, license, engines } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .toSorted()
    .map((file) => readFileSync(join(folder, file), "utf8").trim());
  const heads = [...new Set(sources.flatMap(headOf))].toSorted();
  return { name, version, license, node: engines?.node, texts, heads };
}

/** The folder of a package as a module in `from` would find it. */
function findPackage(name: string, from: string): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return found;
  }
  throw new Error(`${name} is bundled as a part of ${from}: add it as a dev dependency, to read its licence`);
}

/** A bundler also names modules that no file has, such as its own helpers. */
function readSource(path: string): string {
  const file = path.split("?", 1)[0]!;
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

/** The block of line comments at the head of a source, without its slashes, where it is about copyright. */
function headOf(source: string): string[] {
  const head = /^(?:\/\/[^\n]*\n)+/.exec(source)?.[0];
  return head && /copyright/i.test(head) ? [head.replace(/^\/\/ ?/gm, "").trim()] : [];
}

/** What a bundle's comments say of where its parts come from: "//#region …/ajv@8.18.0/node_modules/ajv/…". */
function inlinedIn(source: string): { name: string; version: string }[] {
  const marks = source.matchAll(/#region \S*\/\.pnpm\/(@?[^@/\s]+)@([^@_(/\s]+)\S*\/node_modules\//g);
  return [...marks].map(([, name, version]) => ({ name: name!.replace("+", "/"), version: version! }));
}
