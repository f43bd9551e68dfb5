import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";

/** What may wait for a database at a time: some seconds of its work, and some ten megabytes. */
export const MAX_PENDING = 10_000;

/** The error of what comes while too much waits for the database. It was not begun. */
export function storageOverloaded(limit: number) {
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.OVERLOADED,
    `${limit} changes wait for the database already; nothing was accepted, try again in a second`,
    { limit: String(limit), retry_after_ms: "1000" },
  );
}
