// Makes the checkout ready and runs one of its programs on the Node that comes with it:
//   node scripts/run.mjs [--build console,mcp] PROGRAM [ARGUMENT…]

import { NODE, runOpenly } from "./process.mjs";
import { ensureReady, fail } from "./setup.mjs";

const args = process.argv.slice(2);
const build = args[0] === "--build" ? (args.splice(0, 2)[1]?.split(",") ?? []) : [];
try {
  await ensureReady({ build });
  process.exitCode = await runOpenly(NODE, args);
} catch (error) {
  fail(error);
}
