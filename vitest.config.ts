import { defineConfig } from "vitest/config";

/** Tests that need the machine for themselves: many processes, kills, clients with short limits, browsers. */
const ALONE = ["testing/**", "edge-relay/**", "services/mcp-adapter/**", "console/browser/**"];
const NEVER = ["**/node_modules/**", "**/dist/**"];

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    setupFiles: ["testing/patient-waits.ts"],
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "together",
          include: ["**/*.test.{ts,tsx}"],
          exclude: [...NEVER, ...ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ALONE.map((folder) => `${folder}/*.test.{ts,tsx}`),
          exclude: NEVER,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
