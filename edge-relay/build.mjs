// Makes the relay one executable file, dist/hil-relay: Node with the program in it (a single executable application), so
// that a host needs nothing else; beside it, the licences of what went in. Run: node edge-relay/build.mjs [folder]

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { inject } from "postject";
import { build } from "vite";
import { bundledPackages, noticesOf } from "../services/mcp-adapter/packaging/notices.ts";

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, "dist"));
const program = join(folder, process.platform === "win32" ? "hil-relay.exe" : "hil-relay");
const work = join(folder, "work");
const bundle = join(work, "hil-relay.cjs");
/** Where Node looks for the program in its own file; by Node's documentation of single executable applications. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const NOTICES = "THIRD-PARTY-NOTICES.txt";

mkdirSync(work, { recursive: true });
await build({
  root: import.meta.dirname,
  configFile: false,
  logLevel: "warn",
  ssr: { noExternal: true, target: "node" },
  plugins: [notices()],
  build: {
    ssr: "main.ts",
    target: "node24",
    outDir: work,
    emptyOutDir: true,
    minify: true,
    rolldownOptions: {
      output: { entryFileNames: "hil-relay.cjs", format: "cjs", codeSplitting: false },
    },
  },
});
const blob = join(work, "hil-relay.blob");
const config = join(work, "sea.json");
writeFileSync(
  config,
  JSON.stringify({
    main: bundle,
    output: blob,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: true,
    execArgvExtension: "none",
  }),
);
execFileSync(process.execPath, ["--experimental-sea-config", config], {
  stdio: ["ignore", "ignore", "inherit"],
});
rmSync(program, { force: true }); // one that runs keeps its file
copyFileSync(process.execPath, program);
chmodSync(program, 0o755);
if (process.platform === "darwin") execFileSync("codesign", ["--remove-signature", program]);
await inject(program, "NODE_SEA_BLOB", readFileSync(blob), {
  sentinelFuse: FUSE,
  ...(process.platform === "darwin" ? { machoSegmentName: "NODE_SEA" } : {}),
});
if (process.platform === "darwin") execFileSync("codesign", ["--sign", "-", program]);
copyFileSync(join(work, NOTICES), join(folder, NOTICES));
rmSync(work, { recursive: true });
process.stderr.write(`${program}\n`);

/** The licences of what went in, as a file beside the program. */
function notices() {
  return {
    name: "notices",
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap(({ moduleIds }) => moduleIds ?? []);
      this.emitFile({ type: "asset", fileName: NOTICES, source: noticesOf(bundledPackages(modules)) });
    },
  };
}
