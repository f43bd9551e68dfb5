import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { accessStoreContract } from "./access-store.contract.ts";
import { openSqliteAccessStore } from "./access-store-sqlite.ts";

let dataDir = "";
const open = () => openSqliteAccessStore({ dataDir, auditKey: new Uint8Array(32).fill(1), log: silentLog });

accessStoreContract({
  async open() {
    dataDir = mkdtempSync(join(tmpdir(), "hil-access-store-"));
    return open();
  },
  async reopen(store) {
    store.close();
    return open();
  },
  async dispose() {
    rmSync(dataDir, { recursive: true, force: true });
  },
});
