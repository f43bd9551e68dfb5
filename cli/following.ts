// Waits for the end of a session, over whatever happens to the server meanwhile.
//
// F1. A lost server is asked again, with growing pauses, until the deadline has passed by a minute; without a
//     deadline, for ever. Nothing is asked anew: the session is what is waited for.
// F2. Each call waits 50 s at most, because proxies cut longer ones.

import { setTimeout as pause } from "node:timers/promises";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError } from "@connectrpc/connect";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";

const SLICE_S = 50n;
const CALL_PATIENCE_MS = 65_000;
const AFTER_DEADLINE_MS = 60_000;

export interface Following {
  readonly sessions: Client<typeof SessionService>;
  readonly now: () => Date;
  /** Something about the session changed, its end included. */
  onChange?(session: Session): void;
  /** The server was lost, or is there again. */
  onConnection?(connected: boolean): void;
  /** Stops waiting. The promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Resolves to the session as it ended. */
export async function followSession(start: Session, options: Following): Promise<Session> {
  const { sessions, now, signal } = options;
  let session = start;
  let failures = 0;
  while (session.state === Session_State.OPEN) {
    const seen = session.version;
    // After a failure the first call only asks whether the server is there, so that it can be said at once.
    const seconds = failures === 0 ? SLICE_S : 0n;
    try {
      const response = await sessions.waitSession(
        { sessionId: session.id, afterVersion: seen, wait: { seconds } },
        { timeoutMs: CALL_PATIENCE_MS, signal },
      );
      session = response.session!;
      if (failures > 0) options.onConnection?.(true);
      failures = 0;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ConnectError) || !isTransient(error) || isTooLate(session, now())) throw error;
      if (failures === 0) options.onConnection?.(false);
      failures += 1;
      await pause(backoffMs(failures, { baseMs: 250, maxMs: 5000 }), undefined, { signal });
    }
    if (session.version > seen) options.onChange?.(session);
  }
  return session;
}

function isTooLate({ expireTime }: Session, now: Date): boolean {
  return expireTime !== undefined && now.getTime() > timestampDate(expireTime).getTime() + AFTER_DEADLINE_MS;
}
