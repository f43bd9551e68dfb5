// What keeps this tab up to date.
//
// V1. What waits is listed once; after that only changes travel, each known by its cursor.
// V2. A tab that misses a step of the leader notices by the step's start and reads the changes itself.
// V3. Whatever order list, steps and answers arrive in, the list ends the same (K1).
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { type Session, Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { ConnectionState } from "./connection.ts";
import { FEED_TIMINGS, type FeedStep, type FeedTimings, runFeed } from "./feed.ts";
import { takePart } from "./leadership.ts";
import { correctClock } from "./server-clock.ts";
import { createSessionList, type SessionList } from "./session-list.ts";
import { waitOrWake } from "./wake.ts";

/** How often a leader says that it lives, even with nothing to tell. */
const BEAT_MS = 10_000;
const UNARY_TIMEOUT_MS = 15_000;
const PAGE_SIZE = 200;

/** What the leading tab tells the others. */
type Relayed =
  | { kind: "state"; state: ConnectionState }
  | { kind: "step"; after: bigint; cursor: bigint; serverMs: number | undefined; sessions: Uint8Array[] }
  | { kind: "signed-in" }
  /** A tab that begins asks how things are. */
  | { kind: "hello" };

export interface LiveSessions {
  readonly list: SessionList;
  readonly connection: ReadonlySignal<ConnectionState>;
  /** True once what waits has been listed. */
  readonly loaded: ReadonlySignal<boolean>;
  /** Why what waits could not be listed. It is tried again by itself. */
  readonly loadError: ReadonlySignal<ConnectError | undefined>;
  /** When the list was last known to be up to date, in milliseconds of Date.now(). 0: never. */
  readonly updatedMs: ReadonlySignal<number>;
  /** Begins, or begins again after a sign-in. */
  start(): void;
  /** Tries at once what is being waited for. */
  retry(): void;
  /** Says that a call was refused as not signed in. */
  signedOut(): void;
  close(): void;
}

export function createLiveSessions({
  client,
  timings = FEED_TIMINGS,
}: {
  client: Client<typeof SessionService>;
  timings?: FeedTimings;
}): LiveSessions {
  const list = createSessionList();
  const state = signal<ConnectionState>("connecting");
  const online = signal(navigator.onLine);
  const loaded = signal(false);
  const loadError = signal<ConnectError | undefined>(undefined);
  const updatedMs = signal(0);
  const connection = computed(() => (online.value || state.value === "signed-out" ? state.value : "offline"));

  const channel = new BroadcastChannel("hil.watch");
  const tell = (message: Relayed) => channel.postMessage(message);
  let leading = false;
  let leaderHeardMs = 0;
  let position: bigint | undefined;
  let listing: Promise<void> | undefined;
  const missed: FeedStep[] = [];
  let run = new AbortController();
  let wakeLoading = () => {};

  /** Steps that arrive while a list is under way wait for it: they may start after it or before. */
  const take = (step: FeedStep) => {
    updatedMs.value = Date.now();
    if (step.serverMs !== undefined) correctClock(step.serverMs);
    if (position === undefined || listing) missed.push(step);
    else if (step.after > position) void catchUp(run.signal);
    else {
      for (const session of step.sessions) list.apply(session);
      if (step.cursor > position) position = step.cursor;
    }
  };

  const readAll = async (signal: AbortSignal) => {
    const open: Session[] = [];
    let pageToken = "";
    let cursor: bigint | undefined;
    do {
      const page = await client.listSessions(
        { filter: { states: [Session_State.OPEN] }, pageSize: PAGE_SIZE, pageToken },
        { signal, timeoutMs: UNARY_TIMEOUT_MS },
      );
      cursor ??= page.cursor; // the first page's: what changes while we read is told again
      open.push(...page.sessions);
      pageToken = page.nextPageToken;
    } while (pageToken);
    list.replace(open);
    position = cursor;
    updatedMs.value = Date.now();
    loaded.value = true;
    loadError.value = undefined;
  };

  /** One reader at a time; what was missed meanwhile follows. */
  const exclusively = (read: () => Promise<void>): Promise<void> => {
    listing ??= read().finally(() => {
      listing = undefined;
      for (const step of missed.splice(0)) take(step);
    });
    return listing;
  };
  const relist = (signal: AbortSignal) => exclusively(() => readAll(signal));
  const catchUp = (signal: AbortSignal) =>
    exclusively(async () => {
      for (;;) {
        const changes = await client.listChanges(
          { afterCursor: position ?? 0n, pageSize: PAGE_SIZE },
          { signal, timeoutMs: UNARY_TIMEOUT_MS },
        );
        if (changes.reset) return readAll(signal);
        for (const session of changes.sessions) list.apply(session);
        position = changes.cursor;
        if (changes.sessions.length < PAGE_SIZE) return;
      }
    }).catch((error: unknown) => {
      // The next step of the leader finds the same gap and tries again.
      if (ConnectError.from(error).code === Code.Unauthenticated) signedOut();
    });

  /** Lists until it works; false when we are not signed in or were stopped. */
  const load = async (signal: AbortSignal): Promise<boolean> => {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await relist(signal);
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        const failure = ConnectError.from(error);
        if (failure.code === Code.Unauthenticated) {
          signedOut();
          return false;
        }
        loadError.value = failure;
        const pause = new AbortController();
        wakeLoading = () => pause.abort();
        const ceiling = Math.min(timings.backoffMaxMs, timings.backoffBaseMs * 2 ** Math.min(attempt, 10));
        await waitOrWake(
          ceiling / 2 + (Math.random() * ceiling) / 2,
          AbortSignal.any([signal, pause.signal]),
        );
      }
    }
    return false;
  };

  const lead = async (signal: AbortSignal) => {
    const report = (next: ConnectionState) => {
      state.value = next;
      tell({ kind: "state", state: next });
    };
    const beat = setInterval(() => tell({ kind: "state", state: state.peek() }), BEAT_MS);
    leading = true;
    try {
      await runFeed({
        client,
        position: () => position ?? 0n,
        deliver: (step) => {
          take(step);
          tell({
            kind: "step",
            after: step.after,
            cursor: step.cursor,
            serverMs: step.serverMs,
            sessions: step.sessions.map((session) => toBinary(SessionSchema, session)),
          });
        },
        relist: () => relist(signal),
        report,
        signal,
        timings,
      });
    } finally {
      leading = false;
      clearInterval(beat);
    }
  };

  channel.onmessage = ({ data }: MessageEvent<Relayed>) => {
    switch (data.kind) {
      case "hello":
        if (leading) tell({ kind: "state", state: state.peek() });
        return;
      case "state":
        leaderHeardMs = Date.now();
        if (data.state === "signed-out") signedOut();
        else state.value = data.state;
        return;
      case "step":
        leaderHeardMs = Date.now();
        if (state.value !== "polling") state.value = "live";
        take({ ...data, sessions: data.sessions.map((bytes) => fromBinary(SessionSchema, bytes)) });
        return;
      case "signed-in":
        if (state.value === "signed-out") begin();
    }
  };

  const begin = () => {
    run.abort();
    run = new AbortController();
    const { signal } = run;
    state.value = "connecting";
    void load(signal).then((ready) => {
      if (!ready) return;
      tell({ kind: "hello" });
      return takePart({ lead, lastHeardMs: () => leaderHeardMs, silenceMs: timings.silenceMs, signal });
    });
  };
  const signedOut = () => {
    run.abort();
    state.value = "signed-out";
  };
  const updateOnline = () => {
    online.value = navigator.onLine;
  };
  addEventListener("online", updateOnline);
  addEventListener("offline", updateOnline);

  return {
    list,
    connection,
    loaded,
    loadError,
    updatedMs,
    start() {
      begin();
      tell({ kind: "signed-in" });
    },
    retry: () => wakeLoading(),
    signedOut() {
      signedOut();
      tell({ kind: "state", state: "signed-out" }); // one cookie signed all tabs in
    },
    close() {
      run.abort();
      channel.close();
      removeEventListener("online", updateOnline);
      removeEventListener("offline", updateOnline);
    },
  };
}
