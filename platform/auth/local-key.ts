import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where a server puts the key of its user's own programs. It is new at every start. */
export function localKeyPath(dataDir: string): string {
  return join(dataDir, "credentials", "local.key");
}

/** The key that programs of the same user on the same machine may use, or undefined where no server was started. */
export function readLocalKey(dataDir: string): string | undefined {
  try {
    return readFileSync(localKeyPath(dataDir), "utf8").trim() || undefined;
  } catch {
    return undefined; // absent, or not this user's: either way there is no local key to use
  }
}
