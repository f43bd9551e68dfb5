import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { openSession } from "../testing/sessions.ts";
import { submissionOf } from "./submission.ts";

function refused(code: Code, reason: ErrorReason, ended = false): ConnectError {
  return new ConnectError("why", code, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason }) },
    ...(ended ? [{ desc: SessionSchema, value: openSession(1) }] : []),
  ]);
}

test("a session that ended first comes with how it ended", () => {
  const submission = submissionOf(refused(Code.FailedPrecondition, ErrorReason.SESSION_ENDED, true));
  expect(submission).toMatchObject({ kind: "too-late", session: { shortId: "00000001" } });
});

test.each([
  [Code.InvalidArgument, ErrorReason.ANSWER_INVALID, "invalid"],
  [Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "signed-out"],
  [Code.NotFound, ErrorReason.SESSION_NOT_FOUND, "failed"],
  [Code.PermissionDenied, ErrorReason.ROLE_MISSING, "failed"],
  [Code.Unavailable, ErrorReason.STORAGE_UNAVAILABLE, "unknown"],
  [Code.ResourceExhausted, ErrorReason.OVERLOADED, "unknown"],
  [Code.Internal, ErrorReason.INTERNAL, "unknown"],
] as const)("code %s with reason %s is %s", (code, reason, kind) => {
  expect(submissionOf(refused(code, reason)).kind).toBe(kind);
});

test("without a reply it is not known whether it arrived, so it may be sent again", () => {
  expect(submissionOf(new TypeError("Failed to fetch")).kind).toBe("unknown");
  expect(submissionOf(new ConnectError("slow", Code.DeadlineExceeded)).kind).toBe("unknown");
});
