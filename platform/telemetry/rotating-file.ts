import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const STDERR = 2;

/**
 * A file of log lines that is put aside when it is full: "hil.log" becomes "hil.log.1", that "hil.log.2", and the oldest
 * goes. A line is written when write() returns, so that none is lost with the process, and stands in one file as a whole.
 * What cannot be written there goes to stderr: a full disk must not end what is logged about.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #files: number;
  #descriptor: number;
  #size: number;

  /** Throws where the file cannot be opened. */
  constructor(path: string, { maxBytes, files }: { maxBytes: number; files: number }) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#files = files;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#descriptor = openSync(path, "a", 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#turn();
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#descriptor, bytes, written);
      }
      this.#size += bytes.length;
    } catch {
      try {
        writeSync(STDERR, bytes);
      } catch {
        // Nobody reads stderr either; there is nowhere left to say it.
      }
    }
  }

  #turn(): void {
    for (let age = this.#files - 2; age >= 0; age--) {
      const from = age === 0 ? this.#path : `${this.#path}.${age}`;
      try {
        renameSync(from, `${this.#path}.${age + 1}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    // One file only: it begins anew.
    const next = openSync(this.#path, this.#files === 1 ? "w" : "a", 0o600);
    closeSync(this.#descriptor);
    this.#descriptor = next;
    this.#size = 0;
  }
}
