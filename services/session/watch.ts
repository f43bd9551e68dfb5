import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { WatchSessionsResponseSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import type { SessionStore } from "./session-store.ts";
import { viewerOf } from "./visibility.ts";

/** A reader that hears nothing for longer than 40 s takes the stream for broken. */
const HEARTBEAT_MS = 15_000;
/** Streams end after 10 minutes ± 20 %, so that permissions are looked at again and a process can drain. */
const STREAM_MS = 600_000;
/** How often the log is looked at where no event came, for events that the bus lost. */
const SWEEP_MS = 2_000;
const PAGE = 200;

/** Wakes whoever watches the log; shared by all streams of the process. */
export class LogSignal {
  #waiting = new Set<() => void>();
  #closed = false;

  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves at the next event, after `ms`, when `signal` aborts, or when the process drains. */
  next(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake, { once: true });
      this.#waiting.add(wake);
    });
  }

  close(): void {
    this.#closed = true;
    this.notify();
  }
}

type Message = MessageInitShape<typeof WatchSessionsResponseSchema>;

/** Streams changes from a cursor; 0 starts at the end of the log. */
export async function* watchSessions({
  store,
  log,
  principal,
  afterCursor,
  now,
  signal,
}: {
  store: SessionStore;
  log: LogSignal;
  principal: Principal;
  afterCursor: number;
  now: () => Date;
  signal: AbortSignal;
}): AsyncGenerator<Message> {
  const viewer = viewerOf(principal);
  const started = performance.now();
  const lifeMs = STREAM_MS * (0.8 + Math.random() * 0.4);
  let cursor = afterCursor || (await store.cursor(principal.tenantId));
  const say = (message: Message["message"]): Message => ({
    cursor: BigInt(cursor),
    serverTime: timestampFromDate(now()),
    message,
  });
  const first = await store.changesAfter(principal.tenantId, cursor, 1, viewer);
  if (first.reset) {
    cursor = first.cursor;
    yield say({ case: "reset", value: {} });
    return;
  }
  yield say({ case: "heartbeat", value: {} });
  let lastSaid = performance.now();
  while (!signal.aborted && !log.closed && performance.now() - started < lifeMs) {
    // Registered before reading, so that what happens in between wakes it.
    const woken = log.next(SWEEP_MS, signal);
    const {
      changes,
      cursor: reached,
      reset,
    } = await store.changesAfter(principal.tenantId, cursor, PAGE, viewer);
    if (reset) {
      cursor = reached;
      yield say({ case: "reset", value: {} });
      return;
    }
    for (const change of changes) {
      cursor = change.cursor;
      yield say({ case: "session", value: change.session });
      lastSaid = performance.now();
    }
    cursor = reached;
    if (changes.length === PAGE) continue;
    if (performance.now() - lastSaid >= HEARTBEAT_MS) {
      yield say({ case: "heartbeat", value: {} });
      lastSaid = performance.now();
    }
    await woken;
  }
}
