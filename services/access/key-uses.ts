import type { Log } from "@hil/platform/telemetry/log.ts";

const MINUTE_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Notes when each API key was last used, to the minute. */
export interface KeyUses {
  /** Costs nothing but the first time in a minute; never fails. */
  note(keyId: string): void;
}

/** Writes at most once a minute for each key, beside the call and not before it: a call never waits for its note. */
export function createKeyUses({
  store,
  now,
  log,
}: {
  store: (uses: readonly { id: string; timeMs: number }[]) => Promise<void>;
  now: () => Date;
  log: Log;
}): KeyUses {
  const noted = new Map<string, number>();
  return {
    note(keyId) {
      const timeMs = now().getTime();
      if (timeMs - (noted.get(keyId) ?? Number.NEGATIVE_INFINITY) < MINUTE_MS) return;
      noted.delete(keyId);
      noted.set(keyId, timeMs);
      if (noted.size > MAX_REMEMBERED) noted.delete(noted.keys().next().value!);
      store([{ id: keyId, timeMs }]).catch((error: unknown) => {
        log.debug({ err: error, key_id: keyId }, "the last use of a key could not be noted");
      });
    },
  };
}
