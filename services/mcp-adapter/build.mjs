// Bundles the adapter and all it needs into one file, dist/hil-mcp.mjs, so that it starts fast and needs no
// node_modules; beside it, the licences of what went in. Run: node services/mcp-adapter/build.mjs [folder]

import { build } from "vite";
import manifest from "./package.json" with { type: "json" };
import { admitsNode } from "./packaging/node-range.ts";
import { bundledPackages, noticesOf } from "./packaging/notices.ts";

/** What package.json promises: ">=20.18.1". */
const leastNode = manifest.engines.node.replace(">=", "");

await build({
  root: import.meta.dirname,
  configFile: false,
  logLevel: "warn",
  ssr: { noExternal: true, target: "node" },
  plugins: [notices()],
  build: {
    ssr: "main.ts",
    target: `node${leastNode}`,
    outDir: process.argv[2] ?? "dist",
    emptyOutDir: true,
    minify: true,
    rolldownOptions: {
      output: { entryFileNames: "hil-mcp.mjs", format: "es", codeSplitting: false },
    },
  },
});

function notices() {
  return {
    name: "notices",
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap(({ moduleIds }) => moduleIds ?? []);
      const packages = bundledPackages(modules);
      const tooNew = packages.filter(({ node }) => node !== undefined && !admitsNode(node, leastNode));
      if (tooNew.length > 0) {
        const names = tooNew.map(({ name, node }) => `${name} (${node})`).join(", ");
        throw new Error(`package.json promises Node ${leastNode}, and these do not: ${names}`);
      }
      this.emitFile({ type: "asset", fileName: "THIRD-PARTY-NOTICES.txt", source: noticesOf(packages) });
    },
  };
}
