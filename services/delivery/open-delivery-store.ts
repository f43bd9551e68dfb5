import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { openPostgresDeliveryStore } from "./delivery-store-postgres.ts";
import { openSqliteDeliveryStore } from "./delivery-store-sqlite.ts";

/** Opens what the delivery service keeps, where its rows are kept. */
export async function openDeliveryStore(
  storage: Storage,
  { vault, log }: { vault: Vault; log: Log },
): Promise<DeliveryStore> {
  switch (storage.kind) {
    case "sqlite":
      return openSqliteDeliveryStore({ dataDir: storage.dataDir, vault, log });
    case "postgres":
      return openPostgresDeliveryStore({ ...storage, vault, log });
  }
}
