// npm run generate: generates gen/es from proto/. Commit both together.

import { NODE, runOpenly } from "./process.mjs";
import { ensureReady, fail } from "./setup.mjs";

try {
  await ensureReady({ build: [] });
  process.exitCode = await runOpenly(NODE, ["node_modules/@bufbuild/buf/bin/buf", "generate"]);
} catch (error) {
  fail(error);
}
