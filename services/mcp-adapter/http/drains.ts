// Which calls are to end because a process on their way ends: this one, or the gateway that a call came through.

export interface Drain {
  readonly signal: AbortSignal;
  /** Says that the call has ended. */
  release(): void;
}

/** Gateways that went, the newest of them: each has a new name when it comes again. */
const MOST_GONE = 100;

export class Drains {
  readonly #all = new AbortController();
  /** By gateway, while calls of it are under way. */
  readonly #ofGateways = new Map<string, { readonly end: AbortController; calls: number }>();
  readonly #gone = new Set<string>();

  /** What a call ends by. `gateway` names the process that it came through, undefined where it came by itself. */
  of(gateway: string | undefined): Drain {
    if (gateway === undefined || this.#all.signal.aborted) return { signal: this.#all.signal, release() {} };
    if (this.#gone.has(gateway)) return { signal: AbortSignal.abort(), release() {} };
    let group = this.#ofGateways.get(gateway);
    if (!group) {
      group = { end: new AbortController(), calls: 0 };
      this.#ofGateways.set(gateway, group);
    }
    const entered = group;
    entered.calls += 1;
    return {
      signal: entered.end.signal,
      release: () => {
        entered.calls -= 1;
        if (entered.calls === 0 && this.#ofGateways.get(gateway) === entered)
          this.#ofGateways.delete(gateway);
      },
    };
  }

  /** Ends the calls that came through a gateway, and those that still come at once. */
  endOf(gateway: string): void {
    this.#gone.add(gateway);
    if (this.#gone.size > MOST_GONE) this.#gone.delete(this.#gone.values().next().value!);
    this.#ofGateways.get(gateway)?.end.abort();
    this.#ofGateways.delete(gateway);
  }

  /** Ends all calls, and those to come at once. */
  endAll(): void {
    this.#all.abort();
    for (const { end } of this.#ofGateways.values()) end.abort();
  }
}
