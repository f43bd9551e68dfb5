import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for a text that can name a session. */
export function isSessionId(text: string): boolean {
  return UUID.test(text);
}

/** A text in a path as a session's id. One that cannot be an id is as unknown as any other: SESSION_NOT_FOUND. */
export function toSessionId(text: string): string {
  if (isSessionId(text)) return text;
  const shown = text.slice(0, 100);
  throw hilError(
    Code.NotFound,
    ErrorReason.SESSION_NOT_FOUND,
    `there is no session ${JSON.stringify(shown)} here; its id is a UUID, as it was given when it was opened`,
    { session_id: shown },
  );
}
