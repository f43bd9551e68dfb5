import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";

/** Whether it is the database that is not there, and not the work that was wrong. */
export function isStorageUnavailable(error: unknown): boolean {
  return reasonOf(error) === ErrorReason.STORAGE_UNAVAILABLE;
}
