// What keeps a caller that is refused, and calls again at once, from keeping the process busy with refusing it.
//
// S1. The first refusals of each second are answered at once: who calls a little too often loses no time by this.
// S2. Further ones are answered a second late. A caller that awaits its answers is slowed down to one call in a second on
//     each of its lanes.
// S3. Those that wait are bounded. A caller that has too many waiting does not await its answers; it is cut off.

import { createKeyedLimit } from "./keyed-limit.ts";

/** Refusals of one key that are answered at once in a second. */
export const PROMPT_REFUSALS = 20;
/** Late answers of one key at a time. */
export const MAX_LATE = 1_000;
const LATE_MS = 1_000;

export interface SlowRefusals {
  /**
   * When to answer one more refusal of a key: undefined at once, a promise when it resolves, "never" where too many
   * wait already.
   */
  hold(key: string): Promise<void> | "never" | undefined;
}

export function createSlowRefusals({ now }: { now: () => Date }): SlowRefusals {
  const prompt = createKeyedLimit({ points: PROMPT_REFUSALS, windowMs: 1_000, now });
  const late = new Map<string, number>();
  return {
    hold(key) {
      if (prompt.take(key) === 0) return undefined;
      const waiting = late.get(key) ?? 0;
      if (waiting >= MAX_LATE) return "never";
      late.set(key, waiting + 1);
      return new Promise((resolve) => {
        setTimeout(() => {
          const left = late.get(key)! - 1;
          if (left === 0) late.delete(key);
          else late.set(key, left);
          resolve();
        }, LATE_MS).unref();
      });
    },
  };
}
