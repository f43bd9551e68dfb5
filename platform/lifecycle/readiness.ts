// Whether a process can serve, and what it misses.
//
// D1. Not ready: it cannot serve without what is missing, or it drains. Callers are to go to another replica.
// D2. Impaired: it serves, and what goes through the missing part is late. A process is not taken out for what would
//     take out all its replicas and help nobody: without NATS, for one, waiters are found by the sweep.

import type { Readiness } from "../rpc/health.ts";

/** How long what a look found is good for. Probes of many balancers cost one look. */
const LOOK_MS = 1_000;
const LOOK_PATIENCE_MS = 2_000;

/** A part that a process stands on. */
export interface Part {
  readonly name: string;
  /** Whether it cannot serve without. */
  readonly required: boolean;
  /** Whether the part is there. What it throws is a no. */
  isThere(): Promise<boolean> | boolean;
}

export interface ReadinessReport {
  /** Required parts that are not there, or "draining". */
  readonly missing: readonly string[];
  readonly impaired: readonly string[];
}

export interface ProcessReadiness extends Readiness {
  report(): Promise<ReadinessReport>;
  /** Not ready from now on. */
  drain(): void;
}

export function createReadiness(
  parts: readonly Part[],
  { lookMs = LOOK_MS }: { lookMs?: number } = {},
): ProcessReadiness {
  let draining = false;
  let known: { readonly report: Promise<ReadinessReport>; readonly untilMs: number } | undefined;
  const look = async (): Promise<ReadinessReport> => {
    const there = await Promise.all(parts.map(isThere));
    const absent = parts.filter((_, index) => !there[index]);
    return {
      missing: absent.filter(({ required }) => required).map(({ name }) => name),
      impaired: absent.filter(({ required }) => !required).map(({ name }) => name),
    };
  };
  const report = async (): Promise<ReadinessReport> => {
    if (draining) return { missing: ["draining"], impaired: [] };
    const nowMs = performance.now();
    if (!known || known.untilMs <= nowMs) known = { report: look(), untilMs: nowMs + lookMs };
    return known.report;
  };
  return {
    report,
    async obstacle() {
      const { missing } = await report();
      return missing.length === 0 ? undefined : missing.join(", ");
    },
    drain() {
      draining = true;
    },
  };
}

async function isThere(part: Part): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), LOOK_PATIENCE_MS);
  });
  try {
    return await Promise.race([part.isThere(), late]);
  } catch {
    return false; // whatever keeps it from being looked at keeps us from using it
  } finally {
    clearTimeout(timer);
  }
}
