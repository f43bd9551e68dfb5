// Work in lanes: what belongs together runs one after the other, what does not runs side by side.
//
// N1. At most one step of a lane runs at a time.
// N2. A kick is never lost: one that comes during a step makes another step follow.
// N3. A lane that waits keeps no other from running. All waits share one timer, which keeps no process alive.

import { ConnectError } from "@connectrpc/connect";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";

/** How a step ended, and so what follows in its lane. */
export type Step =
  /** There may be more: the next step follows. */
  | { readonly kind: "more" }
  /** There was nothing to do: the lane rests until it is kicked. */
  | { readonly kind: "idle" }
  /** It has to be tried again, but not before this. */
  | { readonly kind: "wait"; readonly delayMs: number };

export interface Lanes {
  /** Says that there is work in a lane. */
  kick(key: string): void;
  /** Starts no more steps and resolves when those that run have ended. Idempotent. */
  close(): Promise<void>;
}

/** How long a lane waits whose step threw. Steps answer for their own retries; this only bounds a fault. */
const FAULT_DELAY_MS = 1_000;

/** Makes lanes. At most `limit` steps run at a time, over all lanes. `run` reads what there is to do in its lane. */
export function createLanes({
  limit,
  run,
  log,
}: {
  limit: number;
  run: (key: string) => Promise<Step>;
  log: Log;
}): Lanes {
  /** Those that wait for a free place, in the order in which they asked. */
  const ready = new Set<string>();
  /** Those with a step under way, and whether they were kicked meanwhile. */
  const running = new Map<string, boolean>();
  /** Those that wait for a time, by performance.now(). */
  const waiting = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let drained: (() => void) | undefined;

  const start = (): void => {
    for (const key of ready) {
      if (closed || running.size >= limit) return;
      ready.delete(key);
      running.set(key, false);
      void runLane(key);
    }
  };

  const runLane = async (key: string): Promise<void> => {
    let step: Step;
    try {
      step = await run(key);
    } catch (error) {
      if (isTransient(ConnectError.from(error)))
        log.debug({ err: error }, "a step has to wait; trying again");
      else log.error({ err: error }, "a step failed in a way that it does not answer for; trying again");
      step = { kind: "wait", delayMs: FAULT_DELAY_MS };
    }
    const kicked = running.get(key);
    running.delete(key);
    if (step.kind === "wait") {
      waiting.set(key, performance.now() + step.delayMs);
      arm();
    } else if (step.kind === "more" || kicked) {
      ready.add(key); // behind the others, so that a long lane does not keep the places for itself
    }
    start();
    if (running.size === 0) drained?.();
  };

  const arm = (): void => {
    clearTimeout(timer);
    if (closed || waiting.size === 0) return;
    const delayMs = Math.max(0, Math.min(...waiting.values()) - performance.now());
    timer = setTimeout(() => {
      const now = performance.now();
      for (const [key, due] of waiting) {
        if (due > now) continue;
        waiting.delete(key);
        ready.add(key);
      }
      arm();
      start();
    }, delayMs);
    timer.unref();
  };

  return {
    kick(key) {
      if (running.has(key)) running.set(key, true);
      else if (!waiting.has(key)) ready.add(key);
      start();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      if (running.size > 0) {
        await new Promise<void>((resolve) => {
          const before = drained;
          drained = () => {
            before?.();
            resolve();
          };
        });
      }
    },
  };
}
