import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach } from "vitest";
import { inboxStoreContract } from "./inbox-store.contract.ts";
import { openSqliteInboxStore } from "./inbox-store-sqlite.ts";

let dataDir = "";
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

inboxStoreContract({
  async open(vault) {
    dataDir = mkdtempSync(join(tmpdir(), "hil-inbox-"));
    return openSqliteInboxStore({ dataDir, vault, log: silentLog });
  },
  async reopen(store, vault) {
    await store.close();
    return openSqliteInboxStore({ dataDir, vault, log: silentLog });
  },
  async onDisk() {
    const files = readdirSync(dataDir).filter((name) => name.startsWith("callback.db"));
    return files.map((name) => readFileSync(join(dataDir, name)).toString("latin1")).join("");
  },
});
