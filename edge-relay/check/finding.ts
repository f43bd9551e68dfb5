/** What one step of a check found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly step: string;
  /** Whether the way goes on. */
  readonly good: boolean;
  /** What was found, a sentence for the person; where it is not good, with what to do. */
  readonly words: string;
}

/** The end of a check: what the step says is in the way. */
export class Obstacle extends Error {
  override readonly name = "Obstacle";
}
