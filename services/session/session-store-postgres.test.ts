import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, beforeAll } from "vitest";
import { sessionStoreContract } from "./session-store.contract.ts";
import { openPostgresSessionStore } from "./session-store-postgres.ts";

let server: PostgresServer;
let databases = 0;
let dataDir = "";
let url = "";
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
const open = () =>
  openPostgresSessionStore({ url, vault: openVault({ dataDir, environment: {} }), log: silentLog });

sessionStoreContract({
  async open() {
    dataDir = mkdtempSync(join(tmpdir(), "hil-store-"));
    url = await server.createDatabase(`contract${++databases}`);
    return open();
  },
  async reopen(store) {
    await store.close();
    return open();
  },
  async dispose() {
    rmSync(dataDir, { recursive: true, force: true });
  },
});
