// The wait of one tool call on a session.
//
// W1. The session is the truth and the call only watches it: a cancelled, timed-out or dropped call detaches
//     and never cancels the question.
// W2. A service that is killed and comes back within the slice is not noticed: the call is made again.
// W3. The wait ends by its slice, by the session's end, or when this process drains, whichever is first.

import { type Duration, durationFromMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { eitherSignal } from "@hil/platform/rpc/either-signal.ts";
import { type NotDone, type RpcOptions, type Tried, tryUntil } from "./retrying.ts";
import type { SessionClient } from "./session-client.ts";

/** How a wait ended. */
export type Waited =
  /** The session as it stands: ended, or still open at the end of the slice. */
  | { readonly kind: "known"; readonly session: Session }
  /** The service could not be reached again before the slice was over. The session is as it was. */
  | { readonly kind: "lost"; readonly sessionId: string; readonly error: ConnectError }
  | Exclude<NotDone, { kind: "unreachable" }>;

export interface Slice {
  /** When the call must answer. */
  readonly until: Date;
  /** Aborts when the client goes away or cancels. */
  readonly signal: AbortSignal;
  /** Aborts when this process drains: the wait ends as if the slice were over. */
  readonly drain: AbortSignal;
  /** What shows the service who waits. */
  readonly headers: Record<string, string>;
  readonly now: () => Date;
}

/** Below the 60 s at which proxies cut an idle answer. */
const MOST_HOLD_MS = 50_000;
/** What an answer may take beyond the hold before the connection counts as dead. */
const ANSWER_MARGIN_MS = 5_000;
/** A session ends at most 1 s after its deadline. */
const EXPIRY_MARGIN_MS = 1_500;

/**
 * Makes an RPC that is held until the session ends, and not beyond the slice. When this process drains, it is made again
 * without its wait, and so tells at once how things stand: it must be one that may be repeated.
 */
export async function held<T>(
  { until, signal, drain, headers, now }: Slice,
  rpc: (wait: Duration | undefined, options: RpcOptions) => Promise<T>,
): Promise<T> {
  const holdMs = Math.max(0, Math.min(MOST_HOLD_MS, until.getTime() - now().getTime()));
  const atOnce = () => rpc(undefined, { signal, headers, timeoutMs: ANSWER_MARGIN_MS });
  if (drain.aborted) return atOnce();
  const ended = eitherSignal(signal, drain);
  try {
    return await rpc(durationFromMs(holdMs), {
      signal: ended.signal,
      headers,
      timeoutMs: holdMs + ANSWER_MARGIN_MS,
    });
  } catch (error) {
    if (!drain.aborted || signal.aborted) throw error;
    return atOnce();
  } finally {
    ended.release();
  }
}

/** Waits on from a session that is known. An ended one comes back at once. */
export async function waitOn(client: SessionClient, from: Session, slice: Slice): Promise<Waited> {
  let session = from;
  for (;;) {
    const until = sliceEnd(session, slice.until);
    const isOver = session.state !== Session_State.OPEN || slice.now() >= until || slice.drain.aborted;
    if (isOver) return { kind: "known", session };
    const tried = await waitOnce(client, session.id, { ...slice, until });
    if (tried.kind === "unreachable") return { kind: "lost", sessionId: session.id, error: tried.error };
    if (tried.kind !== "done") return tried;
    session = tried.value;
  }
}

/** Waits on from a session's id alone. */
export async function waitOnId(client: SessionClient, sessionId: string, slice: Slice): Promise<Waited> {
  const tried = await tryUntil(
    () =>
      client.getSession(
        { sessionId },
        { signal: slice.signal, headers: slice.headers, timeoutMs: ANSWER_MARGIN_MS },
      ),
    slice,
  );
  switch (tried.kind) {
    case "done":
      return waitOn(client, tried.value.session!, slice);
    case "unreachable":
      return { kind: "lost", sessionId, error: tried.error };
    case "refused":
    case "detached":
      return tried;
  }
}

/** Waiting longer than the deadline cannot show more than the deadline. */
function sliceEnd({ expireTime }: Session, until: Date): Date {
  if (!expireTime) return until;
  const expired = new Date(timestampDate(expireTime).getTime() + EXPIRY_MARGIN_MS);
  return expired < until ? expired : until;
}

function waitOnce(client: SessionClient, sessionId: string, slice: Slice): Promise<Tried<Session>> {
  return tryUntil(async () => {
    const { session } = await held(slice, (wait, options) =>
      client.waitSession({ sessionId, untilEnded: true, wait }, options),
    );
    return session!;
  }, slice);
}
