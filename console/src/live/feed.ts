// The one stream of a browser.
//
// W1. It goes on from the last cursor, so that nothing is lost or told twice, however often it breaks.
// W2. A stream that is silent for longer than its heartbeats allow is broken, even if nobody said so.
// W3. Where streams are held back on the way, changes are asked for instead; a stream is tried again later.
// W4. It never gives up, but for one reason: the server does not know us any more.
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { ConnectionState } from "./connection.ts";
import { waitOrWake } from "./wake.ts";

/** A step from one cursor to the next. */
export interface FeedStep {
  /** Where it starts: a reader that is not there yet has missed something. */
  readonly after: bigint;
  readonly cursor: bigint;
  readonly serverMs: number | undefined;
  readonly sessions: readonly Session[];
}

export interface FeedTimings {
  /** How long a stream may take to its first message before it counts as held back. */
  readonly firstMessageMs: number;
  /** How long a stream may be silent. Its heartbeats come every 15 s. */
  readonly silenceMs: number;
  readonly pollMs: number;
  /** How long changes are asked for before a stream is tried again. */
  readonly pollForMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

export const FEED_TIMINGS: FeedTimings = {
  firstMessageMs: 5000,
  silenceMs: 40_000,
  pollMs: 5000,
  pollForMs: 60_000,
  backoffBaseMs: 250,
  backoffMaxMs: 15_000,
};

export interface FeedOptions {
  readonly client: Client<typeof SessionService>;
  /** The last cursor that was delivered. */
  readonly position: () => bigint;
  readonly deliver: (step: FeedStep) => void;
  /** Lists again, because the cursor is of no use any more. */
  readonly relist: () => Promise<void>;
  readonly report: (state: ConnectionState) => void;
  readonly signal: AbortSignal;
  readonly timings?: FeedTimings;
  readonly random?: () => number;
}

/** How one try ended, and so what happens next. */
type Ending =
  | { kind: "stopped" } // we were asked to
  | { kind: "finished" } // the server ended it in good order: go on at once
  | { kind: "held-back" } // no message came in time: ask instead
  | { kind: "reset" } // the cursor is too old: list again
  | { kind: "broken"; progressed: boolean } // wait, then try again
  | { kind: "signed-out" };

/** Feeds until `signal` aborts or the server does not know us any more. */
export async function runFeed(options: FeedOptions): Promise<void> {
  const { signal, report, relist, timings = FEED_TIMINGS, random = Math.random } = options;
  let attempt = 0;
  let next: "watch" | "poll" = "watch";
  while (!signal.aborted) {
    let ending = next === "watch" ? await watch(options, timings) : await poll(options, timings);
    next = "watch";
    if (ending.kind === "reset") ending = await relist().then(() => FINISHED, endingOf(signal, true));
    switch (ending.kind) {
      case "stopped":
        return;
      case "signed-out":
        report("signed-out");
        return;
      case "finished":
        attempt = 0;
        break;
      case "held-back":
        next = "poll";
        break;
      case "broken": {
        report("reconnecting");
        // A server that takes us and drops us at once would otherwise be dialled in a tight loop.
        attempt = ending.progressed ? 1 : attempt + 1;
        const ceiling = Math.min(
          timings.backoffMaxMs,
          timings.backoffBaseMs * 2 ** Math.min(attempt - 1, 10),
        );
        await waitOrWake(random() * ceiling, signal);
        break;
      }
    }
  }
}

const FINISHED: Ending = { kind: "finished" };

async function watch(options: FeedOptions, timings: FeedTimings): Promise<Ending> {
  const { client, position, deliver, report, signal } = options;
  const cut = new AbortController();
  let timer = setTimeout(() => cut.abort(), timings.firstMessageMs);
  let messages = 0;
  let progressed = false;
  try {
    const start = position();
    const stream = client.watchSessions(
      { afterCursor: start },
      { signal: AbortSignal.any([signal, cut.signal]) },
    );
    for await (const { cursor, serverTime, message } of stream) {
      clearTimeout(timer);
      timer = setTimeout(() => cut.abort(), timings.silenceMs);
      if (message.case === "reset") return { kind: "reset" };
      // Cursor 0 asks for "from now on": what happened since the list is only in another list.
      if (messages === 0 && start === 0n && cursor > 0n) return { kind: "reset" };
      if (messages++ === 0) report("live");
      progressed ||= message.case === "session";
      deliver({
        after: position(),
        cursor,
        serverMs: serverTime && timestampMs(serverTime),
        sessions: message.case === "session" ? [message.value] : [],
      });
    }
    return messages > 0 ? FINISHED : { kind: "broken", progressed: false };
  } catch (error) {
    if (cut.signal.aborted && messages === 0) return { kind: "held-back" };
    return endingOf(signal, progressed)(error);
  } finally {
    clearTimeout(timer);
    cut.abort(); // leaving the loop early must not leave the request open
  }
}

async function poll(options: FeedOptions, timings: FeedTimings): Promise<Ending> {
  const { client, position, deliver, report, signal } = options;
  const untilMs = Date.now() + timings.pollForMs;
  try {
    while (!signal.aborted && Date.now() < untilMs) {
      const changes = await client.listChanges(
        { afterCursor: position(), pageSize: 200 },
        { signal, timeoutMs: timings.pollMs * 2 },
      );
      if (changes.reset) return { kind: "reset" };
      report("polling");
      deliver({
        after: position(),
        cursor: changes.cursor,
        serverMs: changes.serverTime && timestampMs(changes.serverTime),
        sessions: changes.sessions,
      });
      if (changes.sessions.length < 200) await waitOrWake(timings.pollMs, signal);
    }
    return signal.aborted ? { kind: "stopped" } : FINISHED;
  } catch (error) {
    return endingOf(signal, false)(error);
  }
}

function endingOf(signal: AbortSignal, progressed: boolean): (error: unknown) => Ending {
  return (error) => {
    if (signal.aborted) return { kind: "stopped" };
    const { code } = ConnectError.from(error);
    if (code === Code.Unauthenticated) return { kind: "signed-out" };
    if (code === Code.OutOfRange) return { kind: "reset" };
    return { kind: "broken", progressed };
  };
}
