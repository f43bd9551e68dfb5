import { Code, ConnectError } from "@connectrpc/connect";
import { Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { CommandError, exitCodeOf, exitCodeOfError } from "./exit-code.ts";

test.each([
  [Session_Outcome.ANSWERED, 0],
  [Session_Outcome.REJECTED, 1],
  [Session_Outcome.EXPIRED, 3],
  [Session_Outcome.CANCELLED, 4],
  [Session_Outcome.UNDELIVERABLE, 5],
  [Session_Outcome.UNSPECIFIED, 70],
])("a session that ended as %i exits with %i", (outcome, exitCode) => {
  expect(exitCodeOf(outcome)).toBe(exitCode);
});

test.each([
  [Code.Unauthenticated, 77],
  [Code.PermissionDenied, 77],
  [Code.Unavailable, 69],
  [Code.DeadlineExceeded, 69],
  [Code.Aborted, 69],
  [Code.NotFound, 66],
  [Code.InvalidArgument, 65],
  [Code.FailedPrecondition, 65],
  [Code.AlreadyExists, 65],
  [Code.Internal, 70],
])("an error with code %i exits with %i", (code, exitCode) => {
  expect(exitCodeOfError(new ConnectError("no", code))).toBe(exitCode);
});

test("an error of a command's own brings its exit code, and any other is our own fault", () => {
  expect(exitCodeOfError(new CommandError(64, "no"))).toBe(64);
  expect(exitCodeOfError(new Error("no"))).toBe(70);
});
