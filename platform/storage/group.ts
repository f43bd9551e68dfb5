import { MAX_PENDING, storageOverloaded } from "./storage-overloaded.ts";

/**
 * Collects the commands of one event-loop turn and runs them together, so that one transaction, and one flush of the
 * disk, serves all of them. Commands that come while a group is under way make up the next one.
 */
export interface Group<Command, Result> {
  /** Resolves with the command's own result once its group is on disk. Rejects with OVERLOADED where too many wait. */
  run(command: Command): Promise<Result>;
}

export interface GroupOptions<Command, Result> {
  /**
   * Runs commands together: results in their order. What it throws befalls all of them; where there are several, each
   * is then run by itself, so that a bad one harms no other. Must be safe to run again after it threw.
   */
  readonly runAll: (commands: readonly Command[]) => Promise<readonly Result[]>;
  /** Whether an error is of the database and not of a command; then nothing is run again. */
  readonly isOfDatabase: (error: unknown) => boolean;
  /** How many commands go together at most. */
  readonly most: number;
  /** How many commands may wait. Default: 10,000. */
  readonly maxPending?: number;
}

interface Waiting<Command, Result> {
  readonly command: Command;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export function createGroup<Command, Result>({
  runAll,
  isOfDatabase,
  most,
  maxPending = MAX_PENDING,
}: GroupOptions<Command, Result>): Group<Command, Result> {
  let queue: Waiting<Command, Result>[] = [];
  let running = false;

  const settle = async (group: readonly Waiting<Command, Result>[]): Promise<void> => {
    try {
      const results = await runAll(group.map(({ command }) => command));
      for (const [index, { resolve }] of group.entries()) resolve(results[index]!);
    } catch (error) {
      if (group.length === 1 || isOfDatabase(error)) for (const { reject } of group) reject(error);
      else for (const each of group) await settle([each]);
    }
  };
  const work = async (): Promise<void> => {
    running = true;
    await new Promise((resolve) => setImmediate(resolve)); // the rest of this turn joins
    while (queue.length > 0) {
      const group = queue.slice(0, most);
      queue = queue.slice(most);
      await settle(group);
    }
    running = false;
  };
  return {
    run(command) {
      return new Promise((resolve, reject) => {
        if (queue.length >= maxPending) {
          reject(storageOverloaded(maxPending));
          return;
        }
        queue.push({ command, resolve, reject });
        if (!running) void work();
      });
    },
  };
}
