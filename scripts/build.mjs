// npm run build: builds the console and the MCP server, whether or not they are up to date.

import { ensureReady, fail } from "./setup.mjs";

try {
  await ensureReady({ force: true });
} catch (error) {
  fail(error);
}
