import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { expect, test } from "vitest";
import { sentenceOf } from "./failures.ts";

const { PermissionDenied, ResourceExhausted } = Code;

test.each<[ConnectError, RegExp]>([
  [
    hilError(PermissionDenied, ErrorReason.TENANT_MISMATCH, "no"),
    /--tenant-id \(HIL_TENANT_ID\).*leave the tenant out/,
  ],
  [hilError(PermissionDenied, ErrorReason.TENANT_SUSPENDED, "no"), /suspended.*Tell the person/],
  [
    hilError(PermissionDenied, ErrorReason.CHAT_NOT_ALLOWED, "no"),
    /does not send to this chat.*another chat_id/,
  ],
  [hilError(PermissionDenied, ErrorReason.ROLE_MISSING, "may not call X"), /may not call X.*role agent/],
  [
    hilError(PermissionDenied, ErrorReason.SCOPE_MISSING, 'it needs "a.b"'),
    /it needs "a.b".*An administrator/,
  ],
  [
    hilError(ResourceExhausted, ErrorReason.RATE_LIMITED, "too many calls", { retry_after_ms: "1500" }),
    /too many calls \(RATE_LIMITED\)\. Try again in 2 s\./,
  ],
  [
    hilError(ResourceExhausted, ErrorReason.QUOTA_EXCEEDED, "100 sessions are open"),
    /100 sessions are open \(QUOTA_EXCEEDED\)\.$/,
  ],
  [hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "no"), /works no more.*HIL_API_KEY/],
])("an agent reads what to do about %o", (error, words) => {
  expect(sentenceOf(error, "http://hil.example")).toMatch(words);
});

test("SESSION_NOT_FOUND names no session", () => {
  const error = hilError(Code.NotFound, ErrorReason.SESSION_NOT_FOUND, "there is no session s1", {
    session_id: "s1",
  });
  expect(sentenceOf(error, "http://hil.example")).not.toContain("s1");
});
