// The turns of messages under the vendors' limits, counted for all processes together.
//
// A turn is taken in a transaction that holds the rows of its limits, so the processes take them one after the other;
// a row is held for some milliseconds, and no vendor takes more than a few hundred messages a second. The database's
// clock counts. A turn that was taken for a send that never happened is lost: the vendor's limit is kept all the same.

import type { TurnLimit } from "@hil/channels/channel.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { createGroup } from "@hil/platform/storage/group.ts";
import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { Sharing } from "./delivery-store.ts";
import { type TurnWindow, waitMs, withTurn } from "./turn-window.ts";

const MOST_AT_ONCE = 200;
const FORGET_AT_ONCE = 1_000;
const NOW = "extract(epoch FROM clock_timestamp()) * 1000";

const LOCK = `SELECT name, taken, stopped_until, (${NOW})::bigint AS now FROM turns
  WHERE tenant_id = $1 AND channel_id = $2 AND name = ANY($3) ORDER BY name FOR UPDATE`;
const BEGIN = `INSERT INTO turns (tenant_id, channel_id, name) SELECT $1, $2, name FROM unnest($3::text[]) AS name
  ORDER BY name ON CONFLICT DO NOTHING`;
const TAKE = `UPDATE turns SET taken = given.taken, update_time = clock_timestamp()
  FROM unnest($3::text[], $4::jsonb[]) AS given (name, taken)
  WHERE turns.tenant_id = $1 AND turns.channel_id = $2 AND turns.name = given.name`;
const STOP = `INSERT INTO turns (tenant_id, channel_id, name, stopped_until) VALUES ($1, $2, '', ${NOW} + $3::bigint)
  ON CONFLICT (tenant_id, channel_id, name) DO UPDATE
  SET stopped_until = greatest(turns.stopped_until, excluded.stopped_until), update_time = clock_timestamp()`;
const FORGET = `DELETE FROM turns WHERE (tenant_id, channel_id, name) IN (
  SELECT tenant_id, channel_id, name FROM turns
  WHERE update_time < clock_timestamp() - interval '10 minutes' AND stopped_until < ${NOW}
  LIMIT ${FORGET_AT_ONCE} FOR UPDATE SKIP LOCKED) RETURNING name`;

interface TurnsRow {
  readonly name: string;
  readonly taken: TurnWindow;
  readonly stopped_until: string;
  readonly now: string;
}

/** One message that asks for its turn. */
interface Ask {
  readonly owner: string;
  readonly channelId: string;
  readonly limits: readonly TurnLimit[];
}

export function createPostgresTurns(db: Postgres): Pick<Sharing, "takeTurn" | "stopTurns" | "forgetTurns"> {
  // What this process asks for at once is asked for together, so that its messages do not wait for each other's commits.
  const group = createGroup<Ask, number>({
    async runAll(asks) {
      const waits = new Map<Ask, number>();
      const byChannel = Map.groupBy(asks, ({ owner, channelId }) => JSON.stringify([owner, channelId]));
      for (const [, together] of byChannel) {
        const answers = await takeTogether(db, together);
        for (const [index, ask] of together.entries()) waits.set(ask, answers[index]!);
      }
      return asks.map((ask) => waits.get(ask)!);
    },
    isOfDatabase: (error) => reasonOf(error) === ErrorReason.STORAGE_UNAVAILABLE,
    most: MOST_AT_ONCE,
  });

  return {
    takeTurn: (owner, channelId, limits) => group.run({ owner, channelId, limits }),

    async stopTurns(owner, channelId, forMs) {
      await db.query(owner, STOP, [owner, channelId, Math.ceil(forMs)]);
    },

    async forgetTurns() {
      return (await db.query(ALL_TENANTS, FORGET)).length;
    },
  };
}

/** Takes the turns of messages of one channel, in their order: for each how long it has to wait, or 0. */
function takeTogether(db: Postgres, asks: readonly Ask[]): Promise<number[]> {
  const { owner, channelId } = asks[0]!;
  const names = [...new Set(["", ...asks.flatMap(({ limits }) => limits.map(({ name }) => name))])];
  return db.transaction(owner, async (transaction) => {
    const rows = await lock(transaction, [owner, channelId, names]);
    const nowMs = Math.max(...rows.map(({ now }) => Number(now)));
    const stopMs = Number(rows.find(({ name }) => name === "")!.stopped_until) - nowMs;
    const windows = new Map(rows.map(({ name, taken }) => [name, taken]));
    const changed = new Set<string>();
    const waits = asks.map(({ limits }) => {
      const each = limits.map(({ name, perMinute }) => waitMs(windows.get(name)!, perMinute, nowMs));
      const wait = Math.max(0, stopMs, ...each);
      if (wait > 0) return wait;
      for (const { name } of limits) {
        windows.set(name, withTurn(windows.get(name)!, nowMs));
        changed.add(name);
      }
      return 0;
    });
    if (changed.size > 0) {
      const taken = [...changed].map((name) => JSON.stringify(windows.get(name)));
      await transaction.query(TAKE, [owner, channelId, [...changed], taken]);
    }
    return waits;
  });
}

async function lock(transaction: Transaction, key: [string, string, string[]]): Promise<TurnsRow[]> {
  const rows = await transaction.query<TurnsRow>(LOCK, key);
  if (rows.length === key[2].length) return rows;
  await transaction.query(BEGIN, key);
  return transaction.query<TurnsRow>(LOCK, key);
}
