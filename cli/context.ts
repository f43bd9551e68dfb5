import type { Connection } from "./client.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Readies the way to the server that the command line names. Loaded when it is first needed. */
  connect(): Promise<Connection>;
  /** What the process exits with once the command is through. */
  endWith(exitCode: number): void;
}
