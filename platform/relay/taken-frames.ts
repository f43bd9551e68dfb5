// What one side of a relay's stream has taken of the other's frames, and how far it may acknowledge them.
//
// T1. Frames are taken in the order of their numbers. One that came before is dropped; one that is missing breaks the rules,
//     for what was lost on a stream cannot come later on it.
// T2. They may be done with in any order. The acknowledgement is cumulative: it stops before the first that is not.

/** What became of frames that came. */
export type Taken =
  /** These are new: all from the one at `offset` on. Their numbers begin with `firstNumber`. */
  | { readonly kind: "taken"; readonly offset: number; readonly firstNumber: bigint }
  /** The frame of this number was to come, and did not. */
  | { readonly kind: "gap"; readonly expected: bigint };

export class TakenFrames {
  #taken = 0n;
  #acknowledged = 0n;
  /** Done with, behind one that is not. */
  readonly #ahead = new Set<bigint>();

  /** All up to this number are done with. */
  get acknowledged(): bigint {
    return this.#acknowledged;
  }

  /** How many were taken and are not done with, or stand behind one that is not: what counts against the window. */
  get unacknowledged(): number {
    return Number(this.#taken - this.#acknowledged);
  }

  /** Takes `count` frames of which the first has the number `firstNumber`. */
  take(firstNumber: bigint, count: number): Taken {
    const expected = this.#taken + 1n;
    if (firstNumber < 1n || firstNumber > expected) return { kind: "gap", expected };
    const last = firstNumber + BigInt(count) - 1n;
    if (last > this.#taken) this.#taken = last;
    return {
      kind: "taken",
      offset: Math.min(count, Number(expected - firstNumber)),
      firstNumber: expected,
    };
  }

  /** Says that a frame that was taken is done with. */
  done(number: bigint): void {
    if (number <= this.#acknowledged || number > this.#taken) return;
    this.#ahead.add(number);
    while (this.#ahead.delete(this.#acknowledged + 1n)) this.#acknowledged += 1n;
  }
}
