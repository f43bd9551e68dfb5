import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  type ListChangesResponseSchema,
  SessionService,
  type WatchSessionsResponseSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openSession } from "../testing/sessions.ts";
import type { ConnectionState } from "./connection.ts";
import { FEED_TIMINGS, type FeedStep, type FeedTimings, runFeed } from "./feed.ts";

type Message = MessageInitShape<typeof WatchSessionsResponseSchema>;

// What of a page the feed looks at: whether somebody looks at it, and what wakes it.
beforeEach(() => {
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("addEventListener", () => {});
  vi.stubGlobal("removeEventListener", () => {});
});
afterEach(() => void vi.unstubAllGlobals());

const HEARTBEAT = { message: { case: "heartbeat", value: {} } } as const;
const TIMINGS: FeedTimings = {
  ...FEED_TIMINGS,
  firstMessageMs: 50,
  pollMs: 5,
  pollForMs: 20,
  backoffBaseMs: 1,
  backoffMaxMs: 2,
};

/**
 * Feeds from a server whose every stream and poll the test decides: `watch` gets the cursor and the number
 * of the try. Ends when `until` is true of what was seen.
 */
async function feed({
  start = 10n,
  watch,
  poll = () => ({ cursor: 0n }),
  until,
  timings = TIMINGS,
}: {
  start?: bigint;
  timings?: FeedTimings;
  watch: (cursor: bigint, attempt: number, signal: AbortSignal) => AsyncIterable<Message> | Iterable<Message>;
  poll?: (cursor: bigint) => MessageInitShape<typeof ListChangesResponseSchema>;
  until: (seen: Seen) => boolean;
}): Promise<Seen> {
  const seen: Seen = { steps: [], states: [], watchedFrom: [], relists: 0 };
  const stop = new AbortController();
  const check = () => {
    if (until(seen)) stop.abort();
  };
  let position = start;
  const transport = createRouterTransport(({ rpc }) => {
    rpc(SessionService.method.watchSessions, async function* ({ afterCursor }, { signal }) {
      seen.watchedFrom.push(afterCursor);
      yield* watch(afterCursor, seen.watchedFrom.length, signal);
    });
    rpc(SessionService.method.listChanges, ({ afterCursor }) => poll(afterCursor));
  });
  await runFeed({
    client: createClient(SessionService, transport),
    position: () => position,
    deliver(step) {
      seen.steps.push(step);
      position = step.cursor;
      check();
    },
    async relist() {
      seen.relists += 1;
      position = 100n;
      check();
    },
    report(state) {
      seen.states.push(state);
      check();
    },
    signal: stop.signal,
    timings,
  });
  return seen;
}

interface Seen {
  readonly steps: FeedStep[];
  readonly states: ConnectionState[];
  readonly watchedFrom: bigint[];
  relists: number;
}

function* oneSession(cursor: bigint): Iterable<Message> {
  yield { cursor, ...HEARTBEAT };
  yield { cursor: cursor + 1n, message: { case: "session", value: openSession(Number(cursor)) } };
}

test("W1: every stream goes on from the last cursor of the one before", async () => {
  const seen = await feed({
    *watch(cursor, attempt) {
      yield* oneSession(cursor);
      if (attempt % 2) throw new ConnectError("cut", Code.Unavailable);
    },
    until: ({ watchedFrom }) => watchedFrom.length > 4,
  });
  expect(seen.watchedFrom.slice(0, 4)).toEqual([10n, 11n, 12n, 13n]);
  for (const [at, step] of seen.steps.entries()) {
    if (at > 0) expect(step.after).toBe(seen.steps[at - 1]!.cursor);
  }
});

test("W1: a cursor that is too old leads to a new list, and the stream goes on from there", async () => {
  const seen = await feed({
    *watch(cursor) {
      if (cursor < 100n) yield { cursor, message: { case: "reset", value: {} } };
      else yield* oneSession(cursor);
    },
    until: ({ watchedFrom }) => watchedFrom.length > 1,
  });
  expect(seen.relists).toBe(1);
  expect(seen.watchedFrom.slice(0, 2)).toEqual([10n, 100n]);
});

test("W1: what happened between an empty list and its stream is read by another list", async () => {
  const seen = await feed({
    start: 0n,
    *watch() {
      yield { cursor: 7n, ...HEARTBEAT };
    },
    until: ({ relists }) => relists === 1,
  });
  expect(seen.steps).toEqual([]);
});

test("W2: a stream that falls silent is given up and dialled again", async () => {
  const seen = await feed({
    timings: { ...TIMINGS, silenceMs: 30 },
    async *watch(cursor, _attempt, signal) {
      yield { cursor, ...HEARTBEAT };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    until: ({ watchedFrom }) => watchedFrom.length === 2,
  });
  expect(seen.states).toContain("reconnecting");
});

test("W3: where no message comes in time, changes are asked for, and a stream is tried again later", async () => {
  const seen = await feed({
    async *watch(_cursor, _attempt, signal) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    poll: (cursor) => ({ cursor: cursor + 1n, sessions: [openSession(Number(cursor))] }),
    until: ({ watchedFrom }) => watchedFrom.length === 2,
  });
  expect(seen.states[0]).toBe("polling");
  expect(seen.steps[0]).toMatchObject({ after: 10n, cursor: 11n });
});

test("W4: a server that does not know us ends it; any other failure does not", async () => {
  const codes = [Code.Unavailable, Code.Internal, Code.ResourceExhausted, Code.Unauthenticated];
  const seen = await feed({
    // biome-ignore lint/correctness/useYield: this server only refuses.
    *watch(_cursor, attempt) {
      throw new ConnectError("refused", codes[attempt - 1]!);
    },
    until: () => false,
  });
  expect(seen.watchedFrom.length).toBe(4);
  expect(seen.states.at(-1)).toBe("signed-out");
});
