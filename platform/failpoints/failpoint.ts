// Places in production code at which a test breaks the process: HIL_FAIL="name:action@count,…".
//
//   inbox.after_add:exit@3             the third time it is reached, the process dies as by kill -9
//   outbox.before_take:throw           the first time, an error is thrown there
//   sqlite.before_commit:delay=500@2   the second time, the whole process stands still for 500 ms
//
// K1. Unless it is armed, a failpoint is one comparison.
// K2. It is armed only where HIL_TESTING=1 says that this is a test: nobody breaks a deployment by a variable.
// K3. Each entry acts once, and says so in a line on stderr, so that a test knows that the place was reached.

import { writeSync } from "node:fs";
import { ConfigurationError } from "../config/environment.ts";
import { FAILPOINTS, type FailpointName } from "./failpoints.ts";

type Action =
  | { readonly kind: "exit" }
  | { readonly kind: "throw" }
  | { readonly kind: "delay"; readonly delayMs: number };

/** What happens the `count`-th time that a place is reached. */
interface Plan {
  readonly action: Action;
  readonly count: number;
}

const ENTRY = /^([a-z_.]+):(?:(exit|throw)|delay=(\d{1,5}))(?:@(\d{1,6}))?$/;

let armed: ReadonlyMap<FailpointName, Plan[]> | undefined;
const reachedCounts = new Map<FailpointName, number>();

/** An error that a failpoint threw. */
export class FailpointError extends Error {
  override readonly name = "FailpointError";
}

/** Marks a place. May end the process, throw, or hold it still where a test says so. */
export function failpoint(name: FailpointName): void {
  if (armed !== undefined) reach(name);
}

/** Arms what HIL_FAIL names, and disarms the rest. Throws a ConfigurationError where it cannot be. */
export function armFailpoints({ HIL_FAIL, HIL_TESTING }: NodeJS.ProcessEnv): void {
  armed = undefined;
  reachedCounts.clear();
  if (!HIL_FAIL) return;
  if (HIL_TESTING !== "1") {
    throw new ConfigurationError(
      "HIL_FAIL breaks this process on purpose and is for tests: unset it, or set HIL_TESTING=1 as well",
    );
  }
  const plans = new Map<FailpointName, Plan[]>();
  for (const entry of HIL_FAIL.split(",")) {
    const { name, plan } = read(entry.trim());
    plans.set(name, [...(plans.get(name) ?? []), plan]);
  }
  armed = plans;
}

function read(entry: string): { name: FailpointName; plan: Plan } {
  const [, name, simple, delayMs, count] = ENTRY.exec(entry) ?? [];
  if (name === undefined || !Object.hasOwn(FAILPOINTS, name)) {
    throw new ConfigurationError(
      `HIL_FAIL: ${JSON.stringify(entry)} is not of the form name:exit|throw|delay=ms@count, or the name is none of ${Object.keys(FAILPOINTS).join(", ")}`,
    );
  }
  const action: Action = simple
    ? { kind: simple as "exit" | "throw" }
    : { kind: "delay", delayMs: Number(delayMs) };
  return { name: name as FailpointName, plan: { action, count: Number(count ?? 1) } };
}

function reach(name: FailpointName): void {
  const plans = armed?.get(name);
  if (!plans) return;
  const count = (reachedCounts.get(name) ?? 0) + 1;
  reachedCounts.set(name, count);
  for (const plan of plans) if (plan.count === count) act(name, plan.action);
}

function act(name: FailpointName, action: Action): void {
  writeSync(2, `failpoint ${name}: ${action.kind}\n`);
  switch (action.kind) {
    case "exit":
      process.kill(process.pid, "SIGKILL");
      standStill(60_000); // not one instruction of ours more
      return;
    case "throw":
      throw new FailpointError(`the failpoint ${name} was reached`);
    case "delay":
      standStill(action.delayMs);
      return;
  }
}

/** Holds the whole process, as a slow disk or a frozen machine does. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
