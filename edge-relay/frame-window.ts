/** The numbers of what was sent on a stream and not acknowledged. They begin with 1 and have no gaps. */
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

  push(sent: T): void {
    this.#waiting.push(sent);
  }

  /** What an acknowledgement of all up to `number` settles. Undefined: it names what was never sent. */
  acknowledge(number: bigint): readonly T[] | undefined {
    if (number >= this.nextNumber) return undefined;
    if (number < this.#first) return [];
    const done = this.#waiting.splice(0, Number(number - this.#first + 1n));
    this.#first = number + 1n;
    return done;
  }
}
