import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

export function pageTokenInvalid(pageToken: string) {
  return hilError(
    Code.InvalidArgument,
    ErrorReason.PAGE_TOKEN_INVALID,
    `page_token ${JSON.stringify(pageToken)} was not made by this list; start again without one`,
    { page_token: pageToken },
  );
}
