// One side of a stream, said as it was recorded, or as a later version would say it, while the other side listens.
//
// What was recorded is said byte for byte. Only where the other side numbers its frames otherwise, because it cuts a picture
// into other parts, is what acknowledges them another number.

import type { Later } from "./later.ts";
import { FrameNumbers, Progress } from "./progress.ts";
import { bytesOf, framesOf, type RecordedEvent, recordedSaid, until } from "./recording.ts";

type RecordedMessage = Extract<RecordedEvent, { event: "message" }>;

export interface PlayerOptions {
  /** Says it as a later version would. Undefined: as it was recorded. */
  readonly later: Later | undefined;
  readonly write: (bytes: Buffer) => void;
  /** What is heard of the other side. */
  readonly heard: Progress;
}

export class Player {
  readonly #options: PlayerOptions;
  readonly #sent = new FrameNumbers();
  readonly #laterCommands: string[] = [];
  /** How far the other side was when it was recorded. */
  readonly #recorded = new Progress();

  constructor(options: PlayerOptions) {
    this.#options = options;
  }

  /** Takes note of what the other side said here when it was recorded. */
  expect(message: RecordedMessage): void {
    this.#recorded.note(recordedSaid(message));
  }

  expectEnd(): void {
    this.#recorded.hasEnded = true;
  }

  /** Resolves when the other side has said all that it had said here when it was recorded. */
  async caughtUp(): Promise<void> {
    const { heard } = this.#options;
    const words = () => `it came to ${heard}, and was at ${this.#recorded} when it was recorded`;
    await until(() => {
      if (heard.trouble !== undefined) throw new Error(`the stream ended: ${heard.trouble}; ${words()}`);
      return (
        heard.reaches(this.#recorded, this.#sent) &&
        this.#laterCommands.every((commandId) => heard.answeredLater.has(commandId))
      );
    }, words);
  }

  /** Resolves when the other side has acknowledged all that was said. */
  async heardOut(): Promise<void> {
    const { heard } = this.#options;
    await until(
      () => heard.acknowledged === this.#sent.next - 1n,
      () => `it came to ${heard}, and was told ${this.#sent.next - 1n} frames`,
    );
  }

  async say(message: RecordedMessage): Promise<void> {
    await this.caughtUp();
    const { later, write, heard } = this.#options;
    const said = recordedSaid(message);
    const { numbers } = this.#recorded;
    const isAsRecorded = heard.numbers.standsAs(numbers);
    if (!isAsRecorded || later) {
      said.acknowledgedNumber = heard.numbers.through(numbers.countThrough(said.acknowledgedNumber));
    }
    if (!later) {
      for (const _ of framesOf(said)) this.#sent.add(true);
      write(isAsRecorded ? Buffer.from(message.bytes, "base64") : bytesOf(said));
      return;
    }
    const isGreeting = said.message.case === "hello" || said.message.case === "welcome";
    if (said.message.case === "frames") said.message.value.firstNumber = this.#sent.next;
    const { recorded, commandIds } = later.change(said);
    for (const each of recorded) this.#sent.add(each);
    this.#laterCommands.push(...commandIds);
    if (!isGreeting) write(bytesOf(later.unknown(said.acknowledgedNumber)));
    write(bytesOf(said));
  }
}
