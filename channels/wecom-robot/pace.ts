/** The vendor counts over a minute; a second more covers messages that were on their way for different times. */
const WINDOW_MS = 61_000;
/** Chats whose window is empty are forgotten when this many are remembered. */
const MANY_CHATS = 1000;

/**
 * Keeps messages under "so many a minute", for a whole robot and for each chat, and stops the robot where the vendor
 * says so. Counts over a sliding minute: a bucket that refills would let through twice the limit within a minute.
 */
export interface Pace {
  /** Takes a turn: 0, or how many milliseconds to wait before asking again; then no turn was taken. */
  turnMs(chat: string): number;
  /** Lets nothing through for so long: the vendor counts differently. */
  stop(forMs: number): void;
}

/**
 * Limits of 0 mean none. Known to this process only: after a restart the vendor's 45009 is what stops us. Where several
 * processes send with one robot, their database counts instead (SendingChannel.limits).
 */
export function createPace({
  robotPerMinute,
  chatPerMinute,
  now,
}: {
  robotPerMinute: number;
  chatPerMinute: number;
  now: () => Date;
}): Pace {
  const robot: number[] = [];
  const chats = new Map<string, number[]>();
  let stoppedUntil = 0;

  return {
    turnMs(chat) {
      const time = now().getTime();
      if (time < stoppedUntil) return stoppedUntil - time;
      let turns = chats.get(chat);
      if (!turns) {
        if (chats.size >= MANY_CHATS) forgetQuiet(chats, time);
        turns = [];
        chats.set(chat, turns);
      }
      const wait = Math.max(waitMs(robot, robotPerMinute, time), waitMs(turns, chatPerMinute, time));
      if (wait > 0) return wait;
      if (robotPerMinute > 0) robot.push(time);
      if (chatPerMinute > 0) turns.push(time);
      return 0;
    },
    stop(forMs) {
      stoppedUntil = Math.max(stoppedUntil, now().getTime() + forMs);
    },
  };
}

/** Drops turns that have left the window, and tells when there is room for one more. */
function waitMs(turns: number[], limit: number, time: number): number {
  if (limit === 0) return 0;
  // A clock that was set back would otherwise keep turns of the "future" for as long as the step.
  const kept = turns.filter((turn) => turn > time - WINDOW_MS && turn <= time);
  if (kept.length !== turns.length) turns.splice(0, turns.length, ...kept);
  return turns.length < limit ? 0 : turns[turns.length - limit]! + WINDOW_MS - time;
}

function forgetQuiet(chats: Map<string, number[]>, time: number): void {
  for (const [chat, turns] of chats) {
    if ((turns.at(-1) ?? 0) <= time - WINDOW_MS) chats.delete(chat);
  }
}
