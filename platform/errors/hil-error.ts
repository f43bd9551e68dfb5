import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason, ErrorReasonSchema } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";

type Detail = ConstructorParameters<typeof ConnectError>[3];

/**
 * An error that a caller can act on: a code to branch on, a sentence to read, a
 * reason to match. Each value that the sentence names is also in `metadata`.
 */
export function hilError(
  code: Code,
  reason: ErrorReason,
  message: string,
  metadata: Record<string, string> = {},
  moreDetails: Exclude<Detail, undefined> = [],
  cause?: unknown,
): ConnectError {
  const info = { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, domain: "hil", metadata }) };
  return new ConnectError(message, code, undefined, [info, ...moreDetails], cause);
}

/** The reason that an error carries. UNSPECIFIED for one that is not ours. */
export function reasonOf(error: unknown): ErrorReason {
  return infoOf(error)?.reason ?? ErrorReason.UNSPECIFIED;
}

/** The values that an error names, by the keys its reason lists. Empty for one that is not ours. */
export function metadataOf(error: unknown): Record<string, string> {
  return infoOf(error)?.metadata ?? {};
}

/** The name of a reason as REST clients and agents see it: "SESSION_ENDED". */
export function reasonName(reason: ErrorReason): string {
  const value = ErrorReasonSchema.value[reason];
  return value ? value.name.replace("ERROR_REASON_", "") : `REASON_${reason}`;
}

function infoOf(error: unknown) {
  return error instanceof ConnectError ? error.findDetails(ErrorInfoSchema)[0] : undefined;
}

/**
 * What to tell a caller about something that was thrown. Errors of ours pass as they are; anything else
 * is our own fault, and its text stays in the log.
 */
export function publicError(error: unknown): ConnectError {
  if (error instanceof ConnectError && error.code !== Code.Unknown) return error;
  return hilError(
    Code.Internal,
    ErrorReason.INTERNAL,
    "something went wrong on our side; the server's log says what",
    {},
    [],
    error,
  );
}
