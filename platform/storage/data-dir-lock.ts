import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ConfigurationError } from "../config/environment.ts";

/**
 * Takes a data folder for this process alone: two on one folder would each believe that they alone decide.
 * Returns what gives it back. Throws a ConfigurationError that names the other process.
 *
 * The lock is SQLite's own lock on a file, which the system drops with the process; a file with a process id
 * would outlive a kill -9.
 */
export function lockDataDir(dataDir: string): () => void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigurationError(
      `the data folder ${dataDir} cannot be made (${(error as Error).message}); set HIL_DATA_DIR to one that can`,
    );
  }
  const holderFile = join(dataDir, "hil.pid");
  const lock = new DatabaseSync(join(dataDir, "hil.lock"));
  try {
    lock.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
  } catch {
    lock.close();
    throw new ConfigurationError(
      `process ${readHolder(holderFile)} already runs on ${dataDir}; stop it, or set HIL_DATA_DIR and HIL_PORT to others`,
    );
  }
  writeFileSync(holderFile, `${process.pid}\n`);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    lock.close();
  };
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "another one";
  }
}
