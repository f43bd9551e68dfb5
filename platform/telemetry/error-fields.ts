import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonName, reasonOf } from "../errors/hil-error.ts";

const DEEPEST_CAUSE = 5;

/**
 * What a log says of an error: its kind, its words, where it was thrown, and the same of its cause. None of its other
 * properties: a driver hangs rows and a client hangs headers on them.
 */
export function errorFields(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error).slice(0, 1_000) };
  const reason = reasonOf(error);
  const code = error instanceof ConnectError ? Code[error.code] : (error as { code?: unknown }).code;
  return {
    type: error.name,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(reason === ErrorReason.UNSPECIFIED ? {} : { reason: reasonName(reason) }),
    message: error instanceof ConnectError ? error.rawMessage : error.message,
    stack: error.stack,
    ...(error.cause === undefined || depth === DEEPEST_CAUSE
      ? {}
      : { cause: errorFields(error.cause, depth + 1) }),
  };
}
