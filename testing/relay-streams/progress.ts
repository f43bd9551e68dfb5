// How far one side of a stream is: what was recorded, and what is played, compared by it.

import { laterCommandOf } from "./later.ts";
import { type Frame, framesOf, type Said } from "./recording.ts";

/**
 * The numbers of one side's frames on a stream. Those that a recording and its play have in common are counted; between them
 * are those that a later version adds, and the parts of pictures, which each version may cut as it likes.
 */
export class FrameNumbers {
  readonly #counted: bigint[] = [];
  #last = 0n;

  get counted(): number {
    return this.#counted.length;
  }

  get next(): bigint {
    return this.#last + 1n;
  }

  add(isCounted: boolean): void {
    this.#last += 1n;
    if (isCounted) this.#counted.push(this.#last);
  }

  /** The number of the nth that is counted. */
  of(nth: bigint): bigint {
    return nth === 0n ? 0n : (this.#counted[Number(nth) - 1] ?? this.next);
  }

  /** How many that are counted have no greater number. */
  countThrough(number: bigint): number {
    return this.#counted.filter((each) => each <= number).length;
  }

  /** The last number, so far, before the one that is counted after the nth. */
  through(nth: number): bigint {
    const behind = this.#counted[nth];
    return behind === undefined ? this.#last : behind - 1n;
  }

  /** Whether those that are counted in another stand at the same numbers here. */
  standsAs(other: FrameNumbers): boolean {
    return other.#counted.every((number, index) => this.#counted[index] === number);
  }
}

/** What one side of a stream has said so far. */
export class Progress {
  greetings = 0;
  drains = 0;
  acknowledged = 0n;
  hasEnded = false;
  /** Why its stream ended in disorder. */
  trouble: string | undefined;
  readonly frames: Frame[] = [];
  readonly numbers = new FrameNumbers();
  /** Commands of a later version that it answered. */
  readonly answeredLater = new Set<string>();

  note(said: Said): void {
    const { message, acknowledgedNumber } = said;
    if (acknowledgedNumber > this.acknowledged) this.acknowledged = acknowledgedNumber;
    if (message.case === "hello" || message.case === "welcome") this.greetings += 1;
    if (message.case === "drain") this.drains += 1;
    for (const frame of framesOf(said)) {
      const later = laterCommandOf(frame);
      if (later !== undefined) this.answeredLater.add(later);
      this.numbers.add(later === undefined && frame.kind.case !== "imagePart");
      this.frames.push(frame);
    }
  }

  /** Whether it has said all that another has, whose acknowledgements are of `numbers` here. */
  reaches(recorded: Progress, numbers: FrameNumbers): boolean {
    return (
      this.greetings >= recorded.greetings &&
      this.drains >= recorded.drains &&
      this.acknowledged >= numbers.of(recorded.acknowledged) &&
      this.numbers.counted >= recorded.numbers.counted &&
      (this.hasEnded || !recorded.hasEnded)
    );
  }

  toString(): string {
    const { greetings, drains, acknowledged, hasEnded, numbers } = this;
    return JSON.stringify({
      greetings,
      drains,
      acknowledged: String(acknowledged),
      frames: numbers.counted,
      answeredLater: this.answeredLater.size,
      hasEnded,
    });
  }
}
