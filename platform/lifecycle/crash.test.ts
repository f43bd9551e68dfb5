import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CRASHED } from "./crash.ts";

/** Runs a program that crashes; its exit code and what it said. */
function crash(program: string) {
  const here = JSON.stringify(join(import.meta.dirname, "crash.ts"));
  const log = JSON.stringify(join(import.meta.dirname, "../telemetry/log.ts"));
  const source = `import { exitOnCrash } from ${here}; import { createLog } from ${log};
    exitOnCrash(createLog("info")); ${program}`;
  const ended = spawnSync(process.execPath, ["--input-type=module", "--eval", source], { encoding: "utf8" });
  return { status: ended.status, said: ended.stdout + ended.stderr };
}

test.each([
  ["an exception that nobody caught", `setImmediate(() => { throw error; });`],
  ["a rejection that nobody handled", `void Promise.reject(error);`],
])("I17, I12: %s ends the process, and says why without what hangs on it", (_, fails) => {
  const { status, said } = crash(`
    const error = Object.assign(new Error("the database went away"), { options: { password: "hunter2-hunter2" } });
    setTimeout(() => process.stdout.write("still here"), 5_000);
    ${fails}`);
  expect(status).toBe(CRASHED);
  expect(said).toContain("the database went away");
  expect(said).not.toContain("hunter2");
  expect(said).not.toContain("still here");
});
