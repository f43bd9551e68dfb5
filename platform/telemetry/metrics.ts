// What this process counts, for Prometheus.
//
// N1. A label has a few values that are known beforehand: names of RPCs, codes, outcomes, kinds of channels. Never a
//     tenant, chat, project or person (I6), and nothing that a caller chooses.
// N2. Counting costs a quarter of a microsecond; what costs more is looked up when somebody asks, and what watches the
//     process starts with the first who asks.
// N3. A figure that cannot be read is left out, so that it is seen to be missing and not taken for 0.
//
// docs/operate.md lists them, docs/alerts.yml watches them.

import { setTimeout as pause } from "node:timers/promises";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

const DAY_S = 86_400;
const LOOP_PRECISION_MS = 20;

export const registry = new Registry();
const registers = [registry];

export const sessionsEnded = new Counter({
  name: "hil_sessions_ended_total",
  help: "Sessions that ended, by outcome: answered, expired, cancelled, undeliverable.",
  labelNames: ["outcome"],
  registers,
});

export const timeToAnswer = new Histogram({
  name: "hil_time_to_answer_seconds",
  help: "From a question to its answer.",
  buckets: [1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600, DAY_S, 3 * DAY_S, 7 * DAY_S, 30 * DAY_S],
  registers,
});

export const deliveryAttempts = new Counter({
  name: "hil_delivery_attempts_total",
  help: "Tries to bring a message to a chat, by what the vendor made of them.",
  labelNames: ["channel_kind", "outcome"],
  registers,
});

export const calls = new Counter({
  name: "hil_rpc_calls_total",
  help: "Calls of RPCs that ended, by code; ok where they did not fail.",
  labelNames: ["service", "method", "code"],
  registers,
});

export const callDuration = new Histogram({
  name: "hil_rpc_duration_seconds",
  help: "How long RPCs took. Those that wait for people take as long as they wait.",
  labelNames: ["service", "method"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
  registers,
});

export const refusedByLimit = new Counter({
  name: "hil_rate_limited_total",
  help: "What was refused because of a limit or a quota, by its name.",
  labelNames: ["limit"],
  registers,
});

export const refusedReplies = new Counter({
  name: "hil_refused_tags_total",
  help: "Replies that named a question which their chat was not asked, or which their sender may not answer.",
  registers,
});

export const relayedInbounds = new Counter({
  name: "hil_relay_inbounds_total",
  help: "Messages of vendors that relays brought and that are kept.",
  registers,
});

export const storageErrors = new Counter({
  name: "hil_storage_errors_total",
  help: "Calls and work that failed because the database could not be read or written.",
  registers,
});

export const checkpointsWritten = new Counter({
  name: "hil_audit_checkpoints_total",
  help: "Checkpoints of the audit log that are on disk.",
  registers,
});

/** What a gauge is made of: one figure, or one for each value of its label. */
export type Figures = number | Readonly<Record<string, number>>;
type Source = () => Figures | Promise<Figures>;

/** Figures that are looked up when somebody asks. Where there are several sources, they are added or the largest counts. */
class LookedUp {
  readonly #sources = new Set<Source>();

  constructor(name: string, help: string, { label, join }: { label?: string; join: "sum" | "max" }) {
    const sources = this.#sources;
    new Gauge({
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
      async collect() {
        const joined = await joinAll(sources, join);
        this.reset();
        if (label === undefined && joined.size === 0) this.remove(); // or it would say 0 (N3)
        for (const [value, figure] of joined) this.set(label === undefined ? {} : { [label]: value }, figure);
      },
    });
  }

  /** Begins to ask a source. Returns what stops that. */
  from(source: Source): () => void {
    this.#sources.add(source);
    return () => this.#sources.delete(source);
  }
}

/** The figures of all sources by label; none where one of them cannot be read. */
async function joinAll(sources: Iterable<Source>, join: "sum" | "max"): Promise<Map<string, number>> {
  const joined = new Map<string, number>();
  try {
    for (const read of sources) {
      const figures = await read();
      for (const [value, figure] of typeof figures === "number"
        ? [["", figures] as const]
        : Object.entries(figures)) {
        const known = joined.get(value) ?? 0;
        joined.set(value, join === "sum" ? known + figure : Math.max(known, figure));
      }
    }
    return joined;
  } catch {
    return new Map(); // what failed is counted and logged where the database is called
  }
}

export const openSessions = new LookedUp("hil_open_sessions", "Sessions that wait for people.", {
  join: "sum",
});
export const waits = new LookedUp("hil_waits", "Calls of this process that wait for sessions.", {
  join: "sum",
});
export const inboxPending = new LookedUp(
  "hil_inbox_pending",
  "Messages of people that are not matched yet.",
  {
    join: "sum",
  },
);
export const inboxAge = new LookedUp(
  "hil_inbox_age_seconds",
  "How long the oldest message waits that is not matched yet; 0 where none does.",
  { join: "max" },
);
export const outboxLag = new LookedUp("hil_outbox_lag", "Events that a consumer was not handed yet.", {
  label: "consumer",
  join: "sum",
});
export const outboxAge = new LookedUp(
  "hil_outbox_age_seconds",
  "How long the oldest event waits that a consumer was not handed yet; 0 where none does.",
  { label: "consumer", join: "max" },
);

export const relayStreams = new LookedUp("hil_relay_streams", "Relays that are attached to this process.", {
  join: "sum",
});

let watchesProcess = false;

/** All figures in Prometheus' text format. The first call begins to watch memory, collections and the event loop. */
export async function readMetrics(): Promise<{ contentType: string; text: string }> {
  if (!watchesProcess) {
    watchesProcess = true;
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
    await pause(3 * LOOP_PRECISION_MS); // before the first sample its delay is nonsense
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
