import type { Log } from "../telemetry/log.ts";

/** EX_SOFTWARE of sysexits.h: an internal error, which a supervisor answers with a new start. */
export const CRASHED = 70;

/**
 * Ends the process on what nobody caught (I17): what it was about to do is not known, so it must accept nothing more.
 * Node's own report would print all that hangs on the error, a client's headers among it (I12).
 */
export function exitOnCrash(log: Pick<Log, "fatal">): void {
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "HIL ends on a fault of its own; what it had accepted is on disk");
    process.exit(CRASHED);
  });
}
