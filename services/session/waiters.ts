// The calls of this process that wait for sessions.
//
// W1. A waiter is registered before its session is read, so a change in between wakes it.
// W2. A notification only wakes; the waiter reads the database. A lost one is made up by the sweep, every 2 s
//     at the latest (I7).
// W3. A wait ends by its own time, whatever happens.
// W4. Only what happens to the session of the waiter's own tenant wakes it, also where another tenant has a session of
//     the same id (I6).

import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { refusedByLimit } from "@hil/platform/telemetry/metrics.ts";
import { quotaExceeded } from "./limits.ts";
import type { SessionKey } from "./session-store.ts";

/** How often waiters are compared with the database. */
export const SWEEP_INTERVAL_MS = 2_000;
const SWEEP_CHUNK = 500;

export interface Wait {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly afterVersion: number;
  /** Only the end counts. */
  readonly untilEnded: boolean;
}

type VersionsOf = (
  keys: readonly SessionKey[],
) => Promise<(SessionKey & { version: number; ended: boolean })[]>;

class Waiter {
  readonly wait: Wait;
  readonly done: Promise<void>;
  #resolve!: () => void;
  timer: NodeJS.Timeout | undefined;

  constructor(wait: Wait) {
    this.wait = wait;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  end(): void {
    clearTimeout(this.timer);
    this.#resolve();
  }
}

export class Waiters {
  readonly #bySession = new Map<string, Set<Waiter>>();
  readonly #countByTenant = new Map<string, number>();
  readonly #versionsOf: VersionsOf;
  readonly #maxWaits: number;
  readonly #sweeper: NodeJS.Timeout;
  #count = 0;
  #sweeping = false;
  #closed = false;

  constructor({ versionsOf, maxWaits }: { versionsOf: VersionsOf; maxWaits: number }) {
    this.#versionsOf = versionsOf;
    this.#maxWaits = maxWaits;
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
  }

  /** How many calls wait now. */
  get count(): number {
    return this.#count;
  }

  /**
   * Throws OVERLOADED where as many wait as this process takes, QUOTA_EXCEEDED where as many of the tenant do as it
   * may. `tenantLimit` 0: the tenant has no limit of its own.
   */
  assertRoom(tenantId: string, tenantLimit: number): void {
    if (this.#count >= this.#maxWaits) throw overloaded(this.#maxWaits);
    if (tenantLimit > 0 && (this.#countByTenant.get(tenantId) ?? 0) >= tenantLimit) {
      throw quotaExceeded("open_waits", tenantLimit);
    }
  }

  /**
   * Waits until the session moves past `afterVersion` (or ends), the time is over, or the caller is gone.
   * `read` reads the session once the waiter is registered (W1); where what it sees ends the wait already, that is
   * the result. Otherwise undefined: the session must be read again. Throws as `assertRoom` does, and what `read`
   * throws.
   */
  async wait<S>(
    wait: Wait,
    {
      waitMs,
      tenantLimit,
      signal,
      read,
    }: {
      waitMs: number;
      tenantLimit: number;
      signal: AbortSignal;
      read: () => Promise<{ due: S | undefined }>;
    },
  ): Promise<S | undefined> {
    this.assertRoom(wait.tenantId, tenantLimit);
    const waiter = new Waiter(wait);
    this.#add(waiter);
    const gone = () => waiter.end();
    try {
      failpoint("wait.before_read");
      const { due } = await read();
      if (due !== undefined) return due;
      if (signal.aborted || this.#closed) return undefined;
      signal.addEventListener("abort", gone, { once: true });
      waiter.timer = setTimeout(gone, waitMs);
      await waiter.done;
      failpoint("wait.after_wake");
      return undefined;
    } finally {
      signal.removeEventListener("abort", gone);
      this.#remove(waiter);
    }
  }

  /** Something happened to a session. */
  wake({ tenantId, id }: SessionKey, version: number, ended: boolean): void {
    for (const waiter of this.#bySession.get(keyOf(tenantId, id)) ?? []) {
      if (ended || (!waiter.wait.untilEnded && version > waiter.wait.afterVersion)) waiter.end();
    }
  }

  /** Compares every waiter with the database. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      failpoint("sweep.before_read");
      const waited = [...this.#bySession.values()].map((waiters) => {
        const { tenantId, sessionId } = waiters.values().next().value!.wait;
        return { tenantId, id: sessionId };
      });
      for (let start = 0; start < waited.length; start += SWEEP_CHUNK) {
        for (const found of await this.#versionsOf(waited.slice(start, start + SWEEP_CHUNK))) {
          this.wake(found, found.version, found.ended);
        }
        // Other calls get their turn between the chunks of a large sweep.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch {
      // The database is away; the next sweep tries again, and every waiter still ends by its own time.
    } finally {
      this.#sweeping = false;
    }
  }

  /** Ends every wait as if its time were over, new ones at once, so that callers ask again, elsewhere if need be. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const waiters of this.#bySession.values()) for (const waiter of waiters) waiter.end();
  }

  #add(waiter: Waiter): void {
    const { tenantId, sessionId } = waiter.wait;
    const key = keyOf(tenantId, sessionId);
    const waiters = this.#bySession.get(key);
    if (waiters) waiters.add(waiter);
    else this.#bySession.set(key, new Set([waiter]));
    this.#count += 1;
    this.#countByTenant.set(tenantId, (this.#countByTenant.get(tenantId) ?? 0) + 1);
  }

  #remove(waiter: Waiter): void {
    const { tenantId, sessionId } = waiter.wait;
    const key = keyOf(tenantId, sessionId);
    const waiters = this.#bySession.get(key);
    if (!waiters?.delete(waiter)) return;
    if (waiters.size === 0) this.#bySession.delete(key);
    this.#count -= 1;
    const left = this.#countByTenant.get(tenantId)! - 1;
    if (left > 0) this.#countByTenant.set(tenantId, left);
    else this.#countByTenant.delete(tenantId);
  }
}

function keyOf(tenantId: string, sessionId: string): string {
  return `${tenantId}/${sessionId}`;
}

function overloaded(limit: number) {
  refusedByLimit.inc({ limit: "waits_of_process" });
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.OVERLOADED,
    `${limit} calls wait already, the most that this process takes (HIL_MAX_WAITS); try again in a few seconds`,
    { limit: String(limit), retry_after_ms: "3000" },
  );
}
