// Takes messages for an inbox whose database may be away (G10).
//
// U1. A message that the database did not take within 1 s is kept in this process's spool, and the vendor gets its 200.
// U2. From then on everything goes to the spool, until all of it has been brought on in the order in which it came: what
//     comes later is not matched before.
// U3. A message may be in both, where the database took it after all: it is known there by its id, and counts once.
//
// The messages of a chat that came to several replicas while the database was away, or too slow, are matched in the order in which the
// replicas bring them on.

import { setTimeout as pause } from "node:timers/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import { storageUnavailable } from "@hil/platform/storage/storage-unavailable.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type Added, chatKeyOf, type InboxStore, type NewInbound } from "./inbox-store.ts";
import type { Spool } from "./spool.ts";
import { isStorageUnavailable } from "./storage-away.ts";

const PATIENCE_MS = 1_000;
const BATCH = 200;
const RETRY = { baseMs: 100, maxMs: 1_000 };
const LOOK_FOR_LEFT_MS = 10_000;
const CLOSE_PATIENCE_MS = 1_000;

export interface SpooledInbox extends Pick<InboxStore, "add" | "acknowledge"> {
  /** How many messages wait in the spool, and when the oldest of them came. */
  spooled(): { readonly messages: number; readonly oldestTimeMs: number | undefined };
  /** Stops bringing on. What is in the spool stays there for the next start. */
  close(): Promise<void>;
}

export function createSpooledInbox({
  store,
  spool,
  openLeft,
  brought,
  patienceMs = PATIENCE_MS,
  log,
}: {
  store: Pick<InboxStore, "add" | "acknowledge">;
  spool: Spool;
  /** Opens a spool that a dead process left. */
  openLeft: () => Spool | undefined;
  /** Hears of each chat that something was brought on for. */
  brought: (chatKey: string) => void;
  /** How long the database may take for a message. Default: 1 s. */
  patienceMs?: number | undefined;
  log: Log;
}): SpooledInbox {
  const stopping = new AbortController();
  const { signal } = stopping;
  let bringing: Promise<void> | undefined;
  let isAway = false;

  /** Brings some of a spool on. Rejects where the database does not take it. */
  const bringSome = async (from: Spool): Promise<void> => {
    const batch = from.oldest(BATCH);
    // In one turn, so that they are taken in this order.
    const outcomes = await Promise.allSettled(batch.map(({ message }) => store.add(message)));
    const taken = batch.filter((_, index) => outcomes[index]?.status === "fulfilled");
    const acknowledged = await from.remove(taken.map(({ seq }) => seq));
    for (const { message } of taken) brought(keyOf(message));
    for (const { seq, ackTime } of acknowledged) {
      const { message } = taken.find((each) => each.seq === seq)!;
      // A yes that was written out between reading the message here and removing it.
      if (message.ackTime === undefined && message.inbound.vendorMessageId === "") {
        await store.acknowledge({ ...message, id: message.inbound.id }, ackTime);
      }
    }
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  };

  const bringAll = async (from: Spool): Promise<void> => {
    for (let failures = 0; from.size > 0 && !signal.aborted; ) {
      try {
        await bringSome(from);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!isStorageUnavailable(error)) {
          log.error({ err: error }, "a message that was kept aside could not be brought on; trying again");
        }
        await pause(backoffMs(failures, RETRY), undefined, { signal, ref: false }).catch(() => {});
      }
    }
  };

  const bring = (): void => {
    if (bringing || signal.aborted) return;
    bringing = bringAll(spool)
      .then(() => {
        if (spool.size > 0) return;
        isAway = false;
        log.info("all that was kept aside is in the database");
      })
      .catch((error: unknown) => log.error({ err: error }, "what was kept aside could not be brought on"))
      .finally(() => {
        bringing = undefined;
        if (spool.size > 0) bring();
      });
  };

  const keepAside = async (message: NewInbound, error?: unknown): Promise<Added> => {
    if (!isAway) log.warn({ err: error }, "the database is away: messages are kept aside until it is back");
    isAway = true;
    const added = await spool.add(message);
    bring();
    return added;
  };

  let adopting: Promise<void> | undefined;
  const adopt = async (): Promise<void> => {
    for (let left = openLeft(); left && !signal.aborted; left = openLeft()) {
      try {
        if (left.size > 0) log.info({ messages: left.size }, "bringing on what a dead process kept aside");
        await bringAll(left);
      } finally {
        left.close();
      }
    }
  };
  const look = (): void => {
    adopting ??= adopt()
      .catch((error: unknown) => log.error({ err: error }, "what a dead process kept aside cannot be read"))
      .finally(() => {
        adopting = undefined;
      });
  };
  const timer = setInterval(look, LOOK_FOR_LEFT_MS).unref();
  look();
  if (spool.size > 0) bring();

  return {
    async add(message) {
      if (spool.size > 0) return keepAside(message); // U2
      try {
        return await within(patienceMs, store.add(message));
      } catch (error) {
        if (!isStorageUnavailable(error)) throw error;
        return keepAside(message, error);
      }
    },
    async acknowledge(key, time) {
      if (spool.size > 0 && (await spool.acknowledge(key, time))) return;
      await store.acknowledge(key, time);
    },
    spooled() {
      const [oldest] = spool.size === 0 ? [] : spool.oldest(1);
      return {
        messages: spool.size,
        oldestTimeMs: oldest && timestampMs(oldest.message.inbound.receiveTime!),
      };
    },
    async close() {
      stopping.abort();
      clearInterval(timer);
      // What is under way may take as long as the database lets it; what it does counts once, whenever it comes (U3).
      await Promise.race([Promise.all([adopting, bringing]), pause(CLOSE_PATIENCE_MS)]);
      spool.close();
    },
  };
}

function keyOf({ channelTenantId, inbound }: NewInbound): string {
  return chatKeyOf(channelTenantId, inbound.channelId, inbound.chatId);
}

/** Rejects with STORAGE_UNAVAILABLE where `work` takes longer. The work goes on. */
async function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(storageUnavailable("the database did not answer in time")), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // what is kept twice counts once (U3)
  }
}
