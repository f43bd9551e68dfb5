// Goes on with what is in the inbox: what an earlier process of ours left there, and, where replicas share it, what another
// one took in and did not live to work on.

import type { Log } from "@hil/platform/telemetry/log.ts";
import type { InboxStore } from "./inbox-store.ts";
import type { Lanes } from "./lanes.ts";
import { isStorageUnavailable } from "./storage-away.ts";

const REWRAP_ROWS = 200;
/** How often a shared inbox is looked through. */
const LOOK_MS = 1_000;

/** Begins in the next turn of the event loop. */
export function createResume({
  store,
  matcher,
  notices,
  log,
}: {
  store: InboxStore;
  matcher: Lanes;
  notices: Lanes;
  log: Log;
}): { close(): Promise<void> } {
  let closed = false;
  let looking: Promise<void> | undefined;

  const kickAll = async (): Promise<void> => {
    for (const chatKey of await store.pendingChats()) matcher.kick(chatKey);
    for (const chatKey of await store.noticeChats()) notices.kick(chatKey);
  };
  const look = (work: () => Promise<void>): void => {
    if (closed || looking) return;
    looking = work()
      .catch((error: unknown) => {
        // A shared inbox is looked through again.
        if (store.isShared && isStorageUnavailable(error)) log.debug({ err: error }, "the inbox is away");
        else log.error({ err: error }, "cannot go on with what is in the inbox");
      })
      .finally(() => {
        looking = undefined;
      });
  };

  setImmediate(() =>
    look(async () => {
      await kickAll();
      while (!closed && (await store.rewrapSome(REWRAP_ROWS)) > 0);
    }),
  );
  const timer = store.isShared ? setInterval(() => look(kickAll), LOOK_MS).unref() : undefined;
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await looking;
    },
  };
}
