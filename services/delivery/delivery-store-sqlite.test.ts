import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Vault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { deliveryStoreContract } from "./delivery-store.contract.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { openSqliteDeliveryStore } from "./delivery-store-sqlite.ts";
import { relayStoreContract } from "./relay/relay-store.contract.ts";
import { VAULT } from "./testing/vaults.ts";

let dataDir = "";

const driver = {
  async open() {
    dataDir = mkdtempSync(join(tmpdir(), "hil-delivery-store-"));
    return openSqliteDeliveryStore({ dataDir, vault: VAULT, log: silentLog });
  },
  async reopen(store: DeliveryStore, vault: Vault) {
    await store.close();
    return openSqliteDeliveryStore({ dataDir, vault, log: silentLog });
  },
  async dispose() {
    rmSync(dataDir, { recursive: true, force: true });
  },
};

deliveryStoreContract(driver);
relayStoreContract(driver);
