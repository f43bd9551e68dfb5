// Counts the sessions of a tenant.
//
// What is counted is read in pieces from an index that holds nothing else, and others get their turn in between: a
// tenant with a million sessions slows nobody down.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";
import type {
  GetStatisticsResponseSchema,
  StatisticsSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { firstIdOf, timeOfId } from "./session-conditions.ts";
import type { SessionFigures, SessionStore } from "./session-store.ts";

const PIECE = 2_000;
const MOST_PROJECTS = 100;
/** Midnight falls on a quarter of an hour in every time zone, so what lies within one is of one day. */
const QUARTER_MS = 900_000;

export interface StatisticsPeriod {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Says the day of a time: what dayOf() made. */
  readonly dayOf: (timeMs: number) => string;
}

/** The statistics of sessions that were created in a period. */
export async function readStatistics(
  store: Pick<SessionStore, "figures" | "openSessions" | "attachmentBytes">,
  tenantId: string,
  { sinceMs, untilMs, dayOf }: StatisticsPeriod,
): Promise<MessageInitShape<typeof GetStatisticsResponseSchema>> {
  const total = new Tally();
  const projects = new Map<string, Tally>();
  const days = new Map<string, Tally>();
  const end = firstIdOf(untilMs);
  let after = firstIdOf(sinceMs);
  for (;;) {
    const piece = await store.figures(tenantId, after, end, PIECE);
    for (const figures of piece) {
      total.add(figures);
      tallyOf(projects, figures.projectName).add(figures);
      tallyOf(days, dayOf(timeOfId(figures.id))).add(figures);
    }
    if (piece.length < PIECE) break;
    after = piece.at(-1)!.id;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    total: total.statistics(),
    projects: [...projects]
      .sort(([nameA, a], [nameB, b]) => b.created - a.created || (nameA < nameB ? -1 : 1))
      .slice(0, MOST_PROJECTS)
      .map(([projectName, tally]) => ({ projectName, statistics: tally.statistics() })),
    days: [...days].map(([date, tally]) => ({ date, statistics: tally.statistics() })),
    openNow: BigInt(await store.openSessions(tenantId)),
    attachmentBytesNow: BigInt(await store.attachmentBytes(tenantId)),
  };
}

/** What says on which day a time falls: "2026-11-20". Empty: UTC. Undefined where there is no such time zone. */
export function dayOf(timeZone: string): ((timeMs: number) => string) | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: timeZone || "UTC",
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
  } catch {
    return undefined; // RangeError: the name is not known
  }
  let quarter = Number.NaN;
  let day = "";
  return (timeMs) => {
    const its = Math.floor(timeMs / QUARTER_MS);
    if (its !== quarter) {
      quarter = its;
      const parts = new Map(format.formatToParts(timeMs).map(({ type, value }) => [type, value]));
      day = `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`;
    }
    return day;
  };
}

class Tally {
  created = 0;
  readonly #byOutcome = new Map<Session_Outcome, number>();
  readonly #answerMs: number[] = [];

  add({ id, outcome, endTimeMs }: SessionFigures): void {
    this.created += 1;
    this.#byOutcome.set(outcome, this.#count(outcome) + 1);
    const isAnswered = outcome === Session_Outcome.ANSWERED || outcome === Session_Outcome.REJECTED;
    if (isAnswered && endTimeMs !== undefined) this.#answerMs.push(Math.max(0, endTimeMs - timeOfId(id)));
  }

  statistics(): MessageInitShape<typeof StatisticsSchema> {
    const sorted = Float64Array.from(this.#answerMs).sort();
    const rejected = this.#count(Session_Outcome.REJECTED);
    return {
      created: BigInt(this.created),
      open: BigInt(this.#count(Session_Outcome.UNSPECIFIED)),
      answered: BigInt(this.#count(Session_Outcome.ANSWERED) + rejected),
      rejected: BigInt(rejected),
      expired: BigInt(this.#count(Session_Outcome.EXPIRED)),
      cancelled: BigInt(this.#count(Session_Outcome.CANCELLED)),
      undeliverable: BigInt(this.#count(Session_Outcome.UNDELIVERABLE)),
      medianTimeToAnswer: durationOf(medianOf(sorted)),
      p90TimeToAnswer: durationOf(sorted[Math.ceil(sorted.length * 0.9) - 1]),
    };
  }

  #count(outcome: Session_Outcome): number {
    return this.#byOutcome.get(outcome) ?? 0;
  }
}

function tallyOf(tallies: Map<string, Tally>, key: string): Tally {
  let tally = tallies.get(key);
  if (!tally) {
    tally = new Tally();
    tallies.set(key, tally);
  }
  return tally;
}

function medianOf(sorted: Float64Array): number | undefined {
  if (sorted.length === 0) return undefined;
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

function durationOf(ms: number | undefined) {
  return ms === undefined ? undefined : durationFromMs(Math.round(ms));
}
