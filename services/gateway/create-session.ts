import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type {
  CreateSessionRequestSchema,
  SessionService,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";

/**
 * Creates a session. A timeout that the caller did not name (`mayUseDefault`) is this face's own default, and
 * gives way to the tenant's where the tenant does not allow it.
 */
export async function createSession(
  sessions: Client<typeof SessionService>,
  request: MessageInitShape<typeof CreateSessionRequestSchema>,
  { mayUseDefault, headers }: { mayUseDefault: boolean; headers: Record<string, string> },
): Promise<Session> {
  try {
    return (await sessions.createSession(request, { headers })).session!;
  } catch (error) {
    const reason = reasonOf(error);
    const refusesTimeout =
      reason === ErrorReason.DEADLINE_BELOW_FLOOR || reason === ErrorReason.DEADLINE_ABOVE_MAXIMUM;
    if (!mayUseDefault || !refusesTimeout) throw error;
    return (await sessions.createSession({ ...request, timeout: undefined }, { headers })).session!;
  }
}
