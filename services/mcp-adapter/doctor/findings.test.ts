import { expect, test } from "vitest";
import { PUBLISHED } from "../clients/client-entry.ts";
import { findingsOf, measuredEntry } from "./findings.ts";
import { findingsText } from "./findings-text.ts";
import type { Trial } from "./trial.ts";

const trial = (heldS: number, end: Trial["end"], more: Partial<Trial> = {}): Trial => ({
  id: String(heldS),
  client: "claude-code 2.1.328",
  way: "stdio",
  heldS,
  withProgress: false,
  hasToken: true,
  end,
  ...more,
});
const RECEIVED = { kind: "received" } as const;
const GIVEN_UP = { kind: "given-up", afterS: 60, why: "timed out" } as const;
const text = (trials: Trial[]) =>
  findingsText(
    trials,
    (en) => en,
    (kind) => (kind === "stdio" ? PUBLISHED : { kind: "http", url: "http://127.0.0.1:8080/mcp" }),
  ).join("\n");

const MEASURED = [
  trial(45, RECEIVED),
  trial(65, GIVEN_UP),
  trial(65, RECEIVED, { withProgress: true }),
  trial(130, RECEIVED, { withProgress: true }),
];

test("a call waits for most of what the client held", () => {
  const [findings] = findingsOf(MEASURED);
  expect(findings).toMatchObject({ heldS: 45, heldWithProgressS: 130, sliceS: 117 });
  expect(findingsOf([trial(45, GIVEN_UP)])).toMatchObject([{ heldS: 0, sliceS: 10 }]);
  expect(findingsOf([trial(7200, RECEIVED)])).toMatchObject([{ sliceS: 3600 }]);
});

test("clients and ways are told apart, the last that was measured first", () => {
  const trials = [
    ...MEASURED,
    trial(45, RECEIVED, { way: "http" }),
    trial(45, RECEIVED, { client: "codex 1" }),
  ];
  expect(findingsOf(trials).map(({ client, way }) => `${client} ${way}`)).toEqual([
    "codex 1 stdio",
    "claude-code 2.1.328 http",
    "claude-code 2.1.328 stdio",
  ]);
});

test("the table says how each call ended, and the entry of the client has what was measured", () => {
  expect(text(MEASURED)).toBe(`claude-code 2.1.328 over stdio; it asks for progress
   45 s  without        held: the client has the answer
   65 s  without        given up after 60 s (timed out)
   65 s  with progress  held: the client has the answer
  130 s  with progress  held: the client has the answer

→ Progress keeps its calls alive.
→ Let one call wait 117 s: HIL_MCP_SLICE_SECONDS=117 in "env" of its entry.

For .mcp.json:
${measuredEntry(findingsOf(MEASURED)[0]!, PUBLISHED)!.text}`);
  expect(text(MEASURED)).toContain('"HIL_MCP_SLICE_SECONDS": "117"');
});

test("over HTTP the address says how long a call waits", () => {
  const over = text([
    trial(45, RECEIVED, { way: "http", hasToken: false }),
    trial(65, GIVEN_UP, { way: "http" }),
  ]);
  expect(over).toContain('"url": "http://127.0.0.1:8080/mcp?slice_seconds=40"');
});

test("a client that holds nothing is told to raise its own limit, and one that is not known gets no entry", () => {
  const nothing = text([trial(45, { kind: "open", aliveS: 30 }, { client: "homemade 1" })]);
  expect(nothing).toContain("ended with its process after 30 s");
  expect(nothing).toContain("raise its own limit");
  expect(nothing).not.toContain("mcpServers");
  expect(text([])).toBe("Nothing has been measured yet.");
});
