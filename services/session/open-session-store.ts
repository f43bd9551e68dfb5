import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { SessionStore } from "./session-store.ts";
import { openPostgresSessionStore } from "./session-store-postgres.ts";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";

/** Opens what the session service keeps, where its rows are kept. */
export async function openSessionStore(
  storage: Storage,
  { vault, log }: { vault: Vault; log: Log },
): Promise<SessionStore> {
  switch (storage.kind) {
    case "sqlite":
      return openSqliteSessionStore({ dataDir: storage.dataDir, vault, log });
    case "postgres":
      return openPostgresSessionStore({ ...storage, vault, log });
  }
}
