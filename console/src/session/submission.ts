import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";

/**
 * Where sending an answer stands.
 *
 *   editing    - not sent.
 *   sending    - under way; nothing can be sent beside it.
 *   accepted   - it is the answer.
 *   too-late   - the session had ended; `session` says how, when the server did.
 *   invalid    - it does not fit the question; the person can change it.
 *   signed-out - it was not looked at.
 *   unknown    - no reply came. Sending it again cannot answer twice: the request keeps its id.
 *   failed     - refused for a reason that trying again does not change.
 */
export type Submission =
  | { readonly kind: "editing" }
  | { readonly kind: "sending" }
  | { readonly kind: "accepted" }
  | { readonly kind: "too-late"; readonly session: Session | undefined }
  | { readonly kind: "invalid"; readonly message: string }
  | { readonly kind: "signed-out" }
  | { readonly kind: "unknown" }
  | { readonly kind: "failed"; readonly message: string };

/** What an error of AnswerSession means for the person. */
export function submissionOf(error: unknown): Submission {
  const failure = ConnectError.from(error);
  const reason = failure.findDetails(ErrorInfoSchema)[0]?.reason;
  if (reason === ErrorReason.SESSION_ENDED) {
    return { kind: "too-late", session: failure.findDetails(SessionSchema)[0] };
  }
  if (reason === ErrorReason.ANSWER_INVALID) return { kind: "invalid", message: failure.rawMessage };
  switch (failure.code) {
    case Code.Unauthenticated:
      return { kind: "signed-out" };
    case Code.InvalidArgument:
    case Code.PermissionDenied:
    case Code.NotFound:
    case Code.FailedPrecondition:
    case Code.AlreadyExists:
      return { kind: "failed", message: failure.rawMessage };
    default:
      return { kind: "unknown" };
  }
}
