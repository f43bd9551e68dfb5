import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { sessionStoreContract } from "./session-store.contract.ts";
import { openSqliteSessionStore } from "./session-store-sqlite.ts";

let dataDir = "";
const open = () =>
  openSqliteSessionStore({ dataDir, vault: openVault({ dataDir, environment: {} }), log: silentLog });

sessionStoreContract({
  async open() {
    dataDir = mkdtempSync(join(tmpdir(), "hil-store-"));
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
