import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

/** Builds the console to console/dist: hashed files only, nothing inline, so that its CSP can be strict. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [preact({ reactAliasesEnabled: false })],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/hil.": "http://127.0.0.1:8080", "/api": "http://127.0.0.1:8080" },
  },
});
