// What a command may touch of the process it runs in.

import {
  type Locale,
  localeOf,
  saidLocaleOf,
  type Translate,
  translateTo,
} from "@hil/platform/config/locale.ts";

export { type Locale, localeOf, saidLocaleOf, type Translate };

export interface Terminal {
  readonly environment: NodeJS.ProcessEnv;
  readonly locale: Locale;
  readonly t: Translate;
  readonly now: () => Date;
  /** Columns of stdout; undefined where it is no terminal. */
  readonly columns: number | undefined;
  /** Writes a line of the result to stdout. Resolves once the system has taken it. */
  out(line: string): Promise<void>;
  /** Writes a line about what is going on to stderr. */
  note(line: string): void;
  /** Reads stdin to its end, as text. */
  readInput(): Promise<string>;
  /** Asks the person at the terminal for one line. Undefined where nobody sits at one; "" where the line is ended. */
  askPerson(question: string): Promise<string | undefined>;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const locale = localeOf(process.env);
  return {
    environment: process.env,
    locale,
    t: translateTo(locale),
    now: () => new Date(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    out: (line) =>
      new Promise((resolve, reject) => {
        process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
      }),
    note: (line) => void process.stderr.write(`${line}\n`),
    async readInput() {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString("utf8");
    },
    async askPerson(question) {
      if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
      const { createInterface } = await import("node:readline");
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      return new Promise((resolve) => {
        reader.once("close", () => resolve("")); // Ctrl-D and Ctrl-C are no consent
        reader.question(question, (line) => {
          resolve(line);
          reader.close();
        });
      });
    },
  };
}
