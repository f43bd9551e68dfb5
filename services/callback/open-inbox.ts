import type { Vault } from "@hil/platform/secrets/vault.ts";
import type { Storage } from "@hil/platform/storage/storage.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { InboxStore } from "./inbox-store.ts";
import { openPostgresInboxStore } from "./inbox-store-postgres.ts";
import { openSqliteInboxStore } from "./inbox-store-sqlite.ts";
import { openLeftSpool, openSpool } from "./spool.ts";
import { createSpooledInbox } from "./spooled-inbox.ts";

/** The inbox of a process: where messages are taken in, and where they are worked on. */
export interface Inbox extends Pick<InboxStore, "add" | "acknowledge" | "backlog" | "close"> {
  readonly store: InboxStore;
}

/** The inbox of whichever form this is. `brought` hears of chats whose messages come into the store later (G10). */
export async function openInbox(
  storage: Storage,
  {
    dataDir,
    vault,
    log,
    brought,
    patienceMs,
  }: {
    dataDir: string;
    vault: Vault;
    log: Log;
    brought: (chatKey: string) => void;
    patienceMs?: number | undefined;
  },
): Promise<Inbox> {
  if (storage.kind === "sqlite") {
    const store = openSqliteInboxStore({ dataDir: storage.dataDir, vault, log });
    const { add, acknowledge, backlog, close } = store;
    return { store, add, acknowledge, backlog, close };
  }
  const { url, connections } = storage;
  const store = await openPostgresInboxStore({ url, connections, vault, log });
  const spooling = (() => {
    const options = { dataDir, vault, log };
    return createSpooledInbox({
      store,
      spool: openSpool(options),
      openLeft: () => openLeftSpool(options),
      brought,
      patienceMs,
      log,
    });
  })();
  return {
    store,
    add: spooling.add,
    acknowledge: spooling.acknowledge,
    async backlog() {
      const spooled = spooling.spooled();
      // While the database is away what is kept aside is all that is known.
      const kept = await store.backlog().catch(() => ({ messages: 0, oldestTimeMs: undefined }));
      const times = [spooled.oldestTimeMs, kept.oldestTimeMs].filter((time) => time !== undefined);
      return {
        messages: spooled.messages + kept.messages,
        oldestTimeMs: times.length === 0 ? undefined : Math.min(...times),
      };
    },
    async close() {
      await spooling.close();
      await store.close();
    },
  };
}
