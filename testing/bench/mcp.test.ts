import { expect, test } from "vitest";
import { measureMcp } from "./mcp.ts";

test("G5: 300 agents wait through MCP at once, and each gets the answer to its own question", async () => {
  const [found] = await measureMcp(300, ["2026-07-28"]);
  expect(found!.answered).toBe(300);
  // The goal is 60 KB at 1,000 waits; at 300 what a process grows by anyway weighs more.
  expect(found!.adapterBytes).toBeLessThan(200_000);
}, 120_000);
