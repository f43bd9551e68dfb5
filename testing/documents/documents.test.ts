// What the documents say, held against the code: tables, variables, commands, links and reasons.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { ErrorReasonSchema } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import type { CommandContext } from "../../cli/context.ts";
import { createProgram } from "../../cli/program.ts";
import { DOCUMENT as MCP_DOCUMENT, withMcpEntries } from "./mcp-entries.ts";
import { DOCUMENT, rolesTable, withRolesTable } from "./roles-table.ts";

const ROOT = resolve(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const DOCUMENTS = [
  "README.md",
  "README.zh-CN.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

test("the table of roles is what the contracts say: node testing/documents/roles-table.ts writes it", () => {
  const text = readFileSync(DOCUMENT, "utf8");
  expect(rolesTable()).toContain("| `SessionService.AnswerSession` |");
  expect(withRolesTable(text)).toBe(text);
});

test("the entries of MCP clients are those that hil doctor mcp prints: node testing/documents/mcp-entries.ts writes them", () => {
  const text = readFileSync(MCP_DOCUMENT, "utf8");
  expect(text).toContain("[mcp_servers.wecom-hil]");
  expect(withMcpEntries(text)).toBe(text);
});

describe("settings", () => {
  /** Read from the environment by a schema: what a person can set. Those of the MCP server stand in its own help. */
  const settable = new Set(
    ["services", "platform", "channels", "cli"]
      .flatMap((folder) => sources(join(ROOT, folder)))
      .filter((path) => !path.includes("mcp-adapter"))
      .flatMap((path) => [...readFileSync(path, "utf8").matchAll(/^\s+([A-Z][A-Z0-9]*_[A-Z0-9_]+): /gm)])
      .map(([, name]) => name!)
      .filter((name) => /^(HIL|WECOM|BOT|CALLBACK)_/.test(name)),
  );

  test("there are settings to look for", () => {
    expect(settable).toContain("HIL_MASTER_KEY");
    expect(settable).toContain("BOT_KEY");
  });

  test.each(["docs/configure.md", "README.md", "README.zh-CN.md"])("%s names each of them", (path) => {
    const text = read(path);
    expect([...settable].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test.each(DOCUMENTS)("%s names none that nothing reads", (path) => {
    const code = ["services", "platform", "channels", "cli", "edge-relay", "scripts", "console"]
      .flatMap((folder) => sources(join(ROOT, folder)))
      .map((file) => readFileSync(file, "utf8"))
      .concat(read("docker-compose.yml"))
      .join("\n");
    const named = new Set([...read(path).matchAll(/\bHIL_[A-Z_]+[A-Z]\b/g)].map(([name]) => name));
    expect([...named].filter((name) => !code.includes(name))).toEqual([]);
  });
});

describe("commands", () => {
  const terminal = { t: (en: string) => en } as unknown as CommandContext["terminal"];
  const program = createProgram({ terminal } as CommandContext);

  test.each(DOCUMENTS)("every hil command of %s exists, with its flags", (path) => {
    const text = read(path);
    for (const line of [...commandLines(text), ...inlineCommands(text)]) {
      expect(problemOf(program, line), line).toBeUndefined();
    }
  });

  test("there are commands to look for", () => {
    expect(commandLines(read("docs/access.md")).length).toBeGreaterThan(30);
    expect(inlineCommands(read("docs/troubleshooting.md")).length).toBeGreaterThan(10);
  });

  test("what every command's own examples show exists too", () => {
    for (const command of everyCommand(program)) {
      let help = "";
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      const examples = help.replace(/^Usage: .*$/m, "");
      for (const line of commandLines(`\`\`\`sh\n${examples}\n\`\`\``)) {
        expect(problemOf(program, line), line).toBeUndefined();
      }
    }
  });

  test("a command or flag that does not exist is found", () => {
    expect(problemOf(program, "hil tenant destroy shop")).toContain("destroy");
    expect(problemOf(program, "hil key create ci --forever")).toContain("--forever");
  });
});

test.each(DOCUMENTS)("every link of %s leads somewhere", (path) => {
  const broken = [...read(path).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !leadsSomewhere(path, target));
  expect(broken).toEqual([]);
});

test("every reason of the troubleshooting page is one that errors carry", () => {
  const [, access] = read("docs/troubleshooting.md").split("## Access");
  const reasons = [...access!.split("\n## ")[0]!.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name!);
  expect(reasons.length).toBeGreaterThan(10);
  const known = new Set(ErrorReasonSchema.values.map(({ localName }) => localName));
  expect(reasons.filter((reason) => !known.has(reason))).toEqual([]);
});

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return ["node_modules", "dist", "testing", "migrations"].includes(entry.name) ? [] : sources(path);
    }
    return /\.(ts|tsx|mjs)$/.test(entry.name) && !entry.name.includes(".test.") ? [path] : [];
  });
}

/** The lines of shell blocks that run `hil`, from that word on; several on one line are several. */
function commandLines(text: string): string[] {
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    block!
      .replace(/\\\n\s*/g, " ")
      .split(/\n|&&|\||;|\$\(/)
      .map((part) => part.replace(/(^|\s)#.*$/, "").trim())
      .flatMap((part) => /(?:^|\s)(?:npx )?(hil [a-z-].*)$/.exec(part)?.[1] ?? [])
      .map((line) => line.replace(/\)?\s*(&&|>|<).*$/, "").replace(/\)$/, "")),
  );
}

/** Commands within sentences and tables. */
function inlineCommands(text: string): string[] {
  return [...text.matchAll(/`(?:npx )?(hil [a-z][^`]*)`/g)].map(([, line]) => line!);
}

/** What of a command line does not exist. */
function problemOf(program: Command, line: string): string | undefined {
  const words = (line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).slice(1);
  let command = program;
  for (const word of words) {
    const next = command.commands.find((each) => each.name() === word);
    if (!next) break;
    command = next;
  }
  const isGroupAlone = command.commands.length > 0 && words.at(-1) === command.name();
  if (command === program || (command.commands.length > 0 && !isGroupAlone)) {
    return `there is no command for ${line}`;
  }
  const flags = words.filter((word) => /^--?[a-z]/.test(word) && word !== "--help");
  const known = [...command.options, ...program.options].flatMap(({ long, short }) => [long, short]);
  const unknown = flags.find((flag) => !known.includes(flag.split("=")[0]));
  return unknown && `${command.name()} has no ${unknown}`;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function leadsSomewhere(path: string, target: string): boolean {
  const [file, anchor] = target.split("#") as [string, string | undefined];
  const wanted = file === "" ? join(ROOT, path) : resolve(ROOT, dirname(path), file);
  if (relative(ROOT, wanted).startsWith("..") || !existsSync(wanted)) return false;
  if (anchor === undefined) return true;
  const headings = [...readFileSync(wanted, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, words]) => slug(words!));
  return headings.includes(anchor);
}

/** As the forges make anchors of headings. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}
