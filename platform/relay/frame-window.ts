// What one side of a relay's stream sent for good, and the other has not acknowledged.
//
// W1. Numbers begin with 1 on each stream and have no gaps.
// W2. An acknowledgement settles what it names and all before it. One that comes again settles nothing more; one of what was
//     never sent breaks the rules.
// W3. What a stream leaves unsettled when it ends is `unsettled`: its owner says it again on the next one, under new numbers.
//     By its id the other side knows what it had already (I9).

export class FrameWindow<T> {
  #first = 1n;
  readonly #waiting: T[] = [];

  /** How many wait for their acknowledgement. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The number that the next one gets. */
  get nextNumber(): bigint {
    return this.#first + BigInt(this.#waiting.length);
  }

  /** The oldest that waits. */
  get oldest(): T | undefined {
    return this.#waiting[0];
  }

  /** What waits, oldest first. */
  get unsettled(): readonly T[] {
    return this.#waiting;
  }

  push(sent: T): void {
    this.#waiting.push(sent);
  }

  /** What an acknowledgement of all up to `number` settles, oldest first. Undefined: it names what was never sent. */
  acknowledge(number: bigint): readonly T[] | undefined {
    if (number >= this.nextNumber) return undefined;
    if (number < this.#first) return [];
    const settled = this.#waiting.splice(0, Number(number - this.#first) + 1);
    this.#first = number + 1n;
    return settled;
  }
}
