// The claims of this process on lines of a shared store.
//
// A claim is renewed while its work is under way, three times in its lease. One that another process has meanwhile (ours
// stood still for longer than the lease) is cut: its send is given up, and what it still writes changes nothing.

import type { Log } from "@hil/platform/telemetry/log.ts";
import type { Claim, Sharing } from "./delivery-store.ts";

/** Work that holds a claim. */
export interface HeldClaim extends Disposable {
  /** Aborted when the claim is lost. */
  readonly lost: AbortSignal;
}

const NEVER = new AbortController().signal;

export class Claims {
  readonly #sharing: Sharing | undefined;
  readonly #log: Log;
  readonly #held = new Map<Claim, AbortController>();
  #timer: NodeJS.Timeout | undefined;
  #renewing = false;

  constructor({ sharing, log }: { sharing: Sharing | undefined; log: Log }) {
    this.#sharing = sharing;
    this.#log = log;
  }

  /** Keeps a claim until it is disposed of. */
  hold(claim: Claim): HeldClaim {
    const sharing = this.#sharing;
    if (!sharing) return { lost: NEVER, [Symbol.dispose]: () => {} };
    const cut = new AbortController();
    this.#held.set(claim, cut);
    this.#timer ??= setInterval(() => void this.#renew(sharing), sharing.leaseMs / 3).unref();
    return {
      lost: cut.signal,
      [Symbol.dispose]: () => {
        this.#held.delete(claim);
        if (this.#held.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  async #renew(sharing: Sharing): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    try {
      for (const claim of await sharing.renew([...this.#held.keys()])) {
        // One that was let go meanwhile is not lost.
        const cut = this.#held.get(claim);
        if (!cut) continue;
        this.#log.warn(
          { tenant_id: claim.tenantId, channel_id: claim.channelId },
          "this process stood still, and another one took over what it was sending",
        );
        cut.abort();
      }
    } catch (error) {
      // Nobody else can claim anything either while the database is away.
      this.#log.debug({ err: error }, "the claims on lines could not be renewed");
    } finally {
      this.#renewing = false;
    }
  }
}
