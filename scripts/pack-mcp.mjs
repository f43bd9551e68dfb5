// npm run pack:mcp: makes what is published of the MCP server, in dist/ or in the folder that is named.

import { join, relative } from "node:path";
import { pack } from "../services/mcp-adapter/packaging/pack.ts";
import { ROOT } from "./process.mjs";
import { fail, say } from "./setup.mjs";

const into = process.argv[2] ?? join(ROOT, "dist");
try {
  const packed = await pack({ bundle: join(ROOT, "services", "mcp-adapter", "dist"), into });
  say("Packed:");
  for (const path of Object.values(packed)) console.log(relative(process.cwd(), path));
} catch (error) {
  fail(error);
}
