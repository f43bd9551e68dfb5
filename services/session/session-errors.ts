// What callers of the session service are told when something cannot be done.

import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { stateName } from "./session.ts";

export function sessionNotFound(id: string) {
  return hilError(
    Code.NotFound,
    ErrorReason.SESSION_NOT_FOUND,
    `there is no session ${id}, or it is not yours`,
    {
      session_id: id,
    },
  );
}

/** The error that a loser gets: it carries the session, so that the winning answer is in it. */
export function sessionEnded(session: Session) {
  const state = stateName(session.state);
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.SESSION_ENDED,
    `session ${session.id} is ${state}; only an open session can be changed`,
    { session_id: session.id, state },
    [{ desc: SessionSchema, value: session }],
  );
}

export function requestIdReused(requestId: string, sessionId: string) {
  return hilError(
    Code.AlreadyExists,
    ErrorReason.REQUEST_ID_REUSED,
    `request_id ${JSON.stringify(requestId)} was used for session ${sessionId} with other content; use a new one for a new question`,
    { request_id: requestId, session_id: sessionId },
  );
}

export function versionMismatch(session: Session, expected: bigint) {
  return hilError(
    Code.Aborted,
    ErrorReason.VERSION_MISMATCH,
    `session ${session.id} is at version ${session.version}, not ${expected}; read it again before answering`,
    { session_id: session.id, version: String(session.version), expected_version: String(expected) },
    [{ desc: SessionSchema, value: session }],
  );
}

export function noAnswer(session: Session) {
  const state = stateName(session.state);
  return hilError(
    Code.FailedPrecondition,
    ErrorReason.NO_ANSWER,
    `session ${session.id} is ${state} and has no answer to acknowledge`,
    { session_id: session.id, state },
  );
}

export function pageTokenInvalid(token: string) {
  return hilError(
    Code.InvalidArgument,
    ErrorReason.PAGE_TOKEN_INVALID,
    `page_token ${JSON.stringify(token)} was not made by this list; start again without one`,
    { page_token: token },
  );
}

export function tenantMismatch(tenantId: string) {
  return hilError(
    Code.PermissionDenied,
    ErrorReason.TENANT_MISMATCH,
    `this credential is not of the tenant ${JSON.stringify(tenantId)}; leave the tenant out, or use a key of that tenant`,
    { tenant_id: tenantId },
  );
}
