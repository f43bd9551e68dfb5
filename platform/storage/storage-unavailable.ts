import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import { storageErrors } from "../telemetry/metrics.ts";

/** The error of every call while the database cannot be written or read. `message` says why, without a stop. */
export function storageUnavailable(message: string, cause?: unknown) {
  storageErrors.inc();
  return hilError(
    Code.Unavailable,
    ErrorReason.STORAGE_UNAVAILABLE,
    `${message}; nothing was accepted, try again`,
    { retry_after_ms: "1000" },
    [],
    cause,
  );
}
