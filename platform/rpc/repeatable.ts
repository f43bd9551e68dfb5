import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";

/**
 * Whether a call may be made twice and change nothing by that. Its method must say so, and where the method tells
 * repetitions by a request id, the call must have one.
 */
export function isRepeatable(method: DescMethod, input: object): boolean {
  if (method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN) return false;
  return !("requestId" in method.input.field) || Boolean((input as { requestId?: string }).requestId);
}
