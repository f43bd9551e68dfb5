// An agent as a process of its own, for tests that kill it: makes one call of a tool, and prints what it got.
// Its argument is JSON: { url, key, dataDir, way, kind, entry, tool, input }.

import { readResult } from "./adapter-process.ts";
import { startAgent } from "./agents.ts";
import type { HilProcess } from "./hil-process.ts";

const { url, key, dataDir, way, kind, entry, tool, input } = JSON.parse(process.argv[2]!);
const hil = { url, dataDir, key: () => key } as HilProcess;
await using agent = await startAgent(hil, way, kind, entry);
process.stdout.write(`${JSON.stringify({ adapterPid: agent.adapterPid })}\n`);
const result = await agent.call(tool, input);
process.stdout.write(`${JSON.stringify(readResult(result))}\n`);
