// How far one side of a stream is: what was recorded, and what is played, compared by it.

import { laterCommandOf } from "./later.ts";
import { type Frame, framesOf, type Said } from "./recording.ts";

/**
 * The numbers of one side's frames on a stream. A later version says frames between those of the recording: the numbers of
 * both are told apart here.
 */
export class FrameNumbers {
  readonly #ofRecorded: bigint[] = [];
  #last = 0n;

  /** How many were of the recording. */
  get recorded(): number {
    return this.#ofRecorded.length;
  }

  get next(): bigint {
    return this.#last + 1n;
  }

  add(isRecorded: boolean): void {
    this.#last += 1n;
    if (isRecorded) this.#ofRecorded.push(this.#last);
  }

  /** The number of the recording's frame of that number. */
  of(number: bigint): bigint {
    return number === 0n ? 0n : (this.#ofRecorded[Number(number) - 1] ?? this.next);
  }

  /** The last number before the recording's frame after that number. */
  through(number: bigint): bigint {
    const behind = this.#ofRecorded[Number(number)];
    return behind === undefined ? this.#last : behind - 1n;
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
      this.numbers.add(later === undefined);
      this.frames.push(frame);
    }
  }

  /** Whether it has said all that another has, whose acknowledgements are of `numbers` here. */
  reaches(recorded: Progress, numbers: FrameNumbers): boolean {
    return (
      this.greetings >= recorded.greetings &&
      this.drains >= recorded.drains &&
      this.acknowledged >= numbers.of(recorded.acknowledged) &&
      this.numbers.recorded >= recorded.numbers.recorded &&
      (this.hasEnded || !recorded.hasEnded)
    );
  }

  toString(): string {
    const { greetings, drains, acknowledged, hasEnded, numbers } = this;
    return JSON.stringify({
      greetings,
      drains,
      acknowledged: String(acknowledged),
      frames: numbers.recorded,
      answeredLater: this.answeredLater.size,
      hasEnded,
    });
  }
}
