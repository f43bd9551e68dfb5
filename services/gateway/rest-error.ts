import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, publicError, reasonName, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { BodyError } from "@hil/platform/http/request-body.ts";
import type { Answer } from "./route-table.ts";

/** An answer of REST faces that says why not: `{error, reason}`. */
export function refusal(
  status: number,
  error: string,
  reason: string,
  headers?: Record<string, string>,
): Answer {
  return { status, body: { error, reason }, ...(headers && { headers }) };
}

/** Something in a request that is not right. The sentence says what would be. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

/** What is thrown in a handler, as an answer of REST faces. */
export function restError(thrown: unknown): Answer {
  if (thrown instanceof BadRequest) return refusal(400, thrown.message, "INVALID_REQUEST");
  if (thrown instanceof BodyError) {
    return thrown.kind === "too-large"
      ? refusal(413, thrown.message, "REQUEST_TOO_LARGE")
      : refusal(400, thrown.message, "INVALID_REQUEST");
  }
  const error = publicError(thrown);
  const reason = reasonOf(error);
  return refusal(
    statusOf(error),
    error.rawMessage,
    reason === ErrorReason.UNSPECIFIED ? Code[error.code]!.toUpperCase() : reasonName(reason),
    retryAfter(error),
  );
}

/** True for an error that says: not now. Pollers must not take it for an end. */
export function isNotNow(thrown: unknown): thrown is ConnectError {
  return thrown instanceof ConnectError && isTransient(thrown);
}

export function isSessionUnknown(thrown: unknown): boolean {
  return reasonOf(thrown) === ErrorReason.SESSION_NOT_FOUND;
}

/** `Retry-After`, where the error says when. */
export function retryAfter(error: ConnectError): Record<string, string> | undefined {
  const ms = Number(metadataOf(error).retry_after_ms);
  return ms > 0 ? { "retry-after": String(Math.ceil(ms / 1000)) } : undefined;
}

function statusOf(error: ConnectError): number {
  switch (error.code) {
    case Code.InvalidArgument:
    case Code.OutOfRange:
    case Code.FailedPrecondition: // as the earlier component answered about a session that is not pending
      return 400;
    case Code.Unauthenticated:
      return 401;
    case Code.PermissionDenied:
      return 403;
    case Code.NotFound:
      return 404;
    case Code.AlreadyExists:
    case Code.Aborted:
      return 409;
    case Code.ResourceExhausted:
      return 429;
    case Code.Unimplemented:
      return 501;
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return 503;
    case Code.Canceled:
    case Code.Unknown:
    case Code.Internal:
    case Code.DataLoss:
      return 500;
  }
}
