// npm start: makes the checkout ready and serves. Arguments go to `hil serve`.

import { ensureReady, fail } from "./setup.mjs";

const PARENT_LOOK_MS = 500;

try {
  await ensureReady({ build: ["console", "mcp"] });
} catch (error) {
  fail(error);
}
if (process.env.npm_lifecycle_event === "start") endWithParent();
process.argv.splice(2, 0, "serve");
await import("../cli/bin/hil.mjs");

/** A signal to npm ends the shell between npm and us and goes no further: without this, HIL would run on alone. */
function endWithParent() {
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_LOOK_MS);
  look.unref();
}
