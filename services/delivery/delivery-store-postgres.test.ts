import type { Vault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, beforeAll } from "vitest";
import { deliveryStoreContract } from "./delivery-store.contract.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { openPostgresDeliveryStore } from "./delivery-store-postgres.ts";
import { relayStoreContract } from "./relay/relay-store.contract.ts";
import { VAULT } from "./testing/vaults.ts";

let server: PostgresServer;
let databases = 0;
let url = "";
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const driver = {
  async open() {
    url = await server.createDatabase(`contract${++databases}`);
    return openPostgresDeliveryStore({ url, vault: VAULT, log: silentLog });
  },
  async reopen(store: DeliveryStore, vault: Vault) {
    await store.close();
    return openPostgresDeliveryStore({ url, vault, log: silentLog });
  },
  async dispose() {},
};

deliveryStoreContract(driver);
relayStoreContract(driver);
