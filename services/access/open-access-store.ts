import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { AccessStore } from "./access-store.ts";
import { openPostgresAccessStore } from "./access-store-postgres.ts";
import { openSqliteAccessStore } from "./access-store-sqlite.ts";

/** The store of whichever form this is. `auditKey` seals its audit log. */
export async function openAccessStore(
  storage: Storage,
  options: { readonly auditKey: Uint8Array; readonly log: Log },
): Promise<AccessStore> {
  switch (storage.kind) {
    case "sqlite":
      return openSqliteAccessStore({ dataDir: storage.dataDir, ...options });
    case "postgres":
      return openPostgresAccessStore({
        url: storage.url,
        connections: storage.connections,
        ...options,
      });
  }
}
