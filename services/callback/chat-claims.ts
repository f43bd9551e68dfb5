// Which of the replicas works on which chat.
//
// C1. What waits in a chat is worked on by one replica at a time, in its order: it holds a claim, which is a row with a
//     lease. The lease is renewed for as long as the process lives; once it is over, another may claim the chat.
// C2. Each claim has a token, greater than those of all before. What is decided under a token that is not the chat's any
//     more changes nothing: a process that stood still cannot overrule the one that took over.
// C3. Nobody waits for another to let go: a row that is being claimed by another counts as taken.
// C4. Chats that are claimed in one turn of the event loop are claimed in one transaction.

import { createGroup, type Group } from "@hil/platform/storage/group.ts";
import { ALL_TENANTS, type Postgres, type Transaction } from "@hil/platform/storage/postgres.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { isStorageUnavailable } from "./storage-away.ts";

/** What is worked on in a chat, by what says that there is some. */
const WAITING = { match: "disposition = 0", notice: "notice_pending" } as const;
export type Work = keyof typeof WAITING;

/** What is found at the head of a chat. */
export type Head<Row> =
  | { readonly kind: "claimed"; readonly row: Row; readonly token: string }
  /** Another process works there. */
  | { readonly kind: "taken" }
  | { readonly kind: "nothing" };

const MOST_AT_ONCE = 200;
const FREE = `SELECT chat_key FROM unnest($1::text[]) AS given (chat_key)
  WHERE pg_try_advisory_xact_lock(hashtextextended($2 || chat_key, 0))`;
const RENEW = `UPDATE claim SET lease_end = clock_timestamp() + make_interval(secs => $2)
  WHERE token IN (SELECT token FROM claim WHERE token = ANY($1::bigint[]) ORDER BY token FOR UPDATE SKIP LOCKED)`;

export class ChatClaims<Row extends { readonly chat_key: string }> {
  readonly #db: Postgres;
  readonly #leaseMs: number;
  readonly #log: Log;
  readonly #groups: Record<Work, Group<string, Head<Row>>>;
  /** The tokens of what this process holds, by work and chat. */
  readonly #held: Record<Work, Map<string, string>> = { match: new Map(), notice: new Map() };
  readonly #timer: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;

  constructor({ db, leaseMs, log }: { db: Postgres; leaseMs: number; log: Log }) {
    this.#db = db;
    this.#leaseMs = leaseMs;
    this.#log = log;
    const group = (work: Work) =>
      createGroup<string, Head<Row>>({
        most: MOST_AT_ONCE,
        isOfDatabase: isStorageUnavailable,
        runAll: (chatKeys) => this.#claimAll(work, chatKeys),
      });
    this.#groups = { match: group("match"), notice: group("notice") };
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined;
      });
    }, leaseMs / 4);
    this.#timer.unref();
  }

  /** Claims a chat where something waits, or goes on with it, and gives the first thing. Lets go where nothing does. */
  head(work: Work, chatKey: string): Promise<Head<Row>> {
    return this.#groups[work].run(chatKey);
  }

  /** The chats where something waits and nobody works, the one that waits longest first. */
  async idleChats(work: Work, limit: number): Promise<string[]> {
    const rows = await this.#db.query<{ chat_key: string }>(
      ALL_TENANTS,
      `SELECT chat_key FROM inbound WHERE ${WAITING[work]} AND NOT EXISTS (
         SELECT 1 FROM claim WHERE claim.work = $1 AND claim.chat_key = inbound.chat_key
           AND lease_end > clock_timestamp())
       GROUP BY chat_key ORDER BY min(seq) LIMIT $2`,
      [work, limit],
    );
    return rows.map(({ chat_key }) => chat_key);
  }

  /** Lets go of everything, for others to go on at once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    const tokens = this.#tokens();
    if (tokens.length === 0) return;
    try {
      await this.#db.query(ALL_TENANTS, "DELETE FROM claim WHERE token = ANY($1::bigint[])", [tokens]);
    } catch (error) {
      this.#log.debug({ err: error }, "claims on chats were left to end by themselves");
    }
  }

  async #claimAll(work: Work, chatKeys: readonly string[]): Promise<Head<Row>[]> {
    const held = this.#held[work];
    const wanted = [...new Set(chatKeys)];
    const tokens = wanted.flatMap((chatKey) => held.get(chatKey) ?? []);
    const heads = await this.#db.transaction(ALL_TENANTS, async (transaction) => {
      const free = await transaction.query<{ chat_key: string }>(FREE, [wanted, work]); // C3
      const claimed = await this.#claim(transaction, work, free, tokens);
      // Only now, so that what the one before decided is seen.
      const rows = await firstOf<Row>(transaction, work, [...claimed.keys()]);
      const rest = wanted.filter((chatKey) => !rows.has(chatKey));
      const waiting = await firstOf<Row>(
        transaction,
        work,
        rest.filter((chatKey) => !claimed.has(chatKey)),
      );
      const over = rest
        .filter((chatKey) => !waiting.has(chatKey))
        .flatMap((chatKey) => claimed.get(chatKey) ?? held.get(chatKey) ?? []);
      if (over.length > 0) {
        await transaction.query("DELETE FROM claim WHERE token = ANY($1::bigint[])", [over]);
      }
      return new Map(
        wanted.map((chatKey): [string, Head<Row>] => {
          const row = rows.get(chatKey);
          if (row) return [chatKey, { kind: "claimed", row, token: claimed.get(chatKey)! }];
          return [chatKey, waiting.has(chatKey) ? { kind: "taken" } : { kind: "nothing" }];
        }),
      );
    });
    for (const [chatKey, head] of heads) {
      if (head.kind === "claimed") held.set(chatKey, head.token);
      else if (head.kind === "nothing") held.delete(chatKey);
    }
    return chatKeys.map((chatKey) => heads.get(chatKey)!);
  }

  /** The tokens of those chats among `free` where something waits and nobody else works. */
  async #claim(
    transaction: Transaction,
    work: Work,
    free: readonly { readonly chat_key: string }[],
    tokens: readonly string[],
  ): Promise<Map<string, string>> {
    if (free.length === 0) return new Map();
    const rows = await transaction.query<{ chat_key: string; token: string }>(
      `INSERT INTO claim (work, chat_key, tenant_id, token, lease_end)
       SELECT $1, given.chat_key, head.channel_tenant_id, nextval('claim_token'),
         clock_timestamp() + make_interval(secs => $2)
       FROM unnest($3::text[]) AS given (chat_key) CROSS JOIN LATERAL (
         SELECT channel_tenant_id FROM inbound
         WHERE inbound.chat_key = given.chat_key AND ${WAITING[work]} ORDER BY seq LIMIT 1) AS head
       ORDER BY given.chat_key
       ON CONFLICT (work, chat_key) DO UPDATE SET lease_end = excluded.lease_end,
         token = CASE WHEN claim.token = ANY($4::bigint[]) THEN claim.token ELSE excluded.token END
       WHERE claim.token = ANY($4::bigint[]) OR claim.lease_end <= clock_timestamp()
       RETURNING chat_key, token`,
      [work, this.#leaseMs / 1000, free.map(({ chat_key }) => chat_key), tokens],
    );
    return new Map(rows.map(({ chat_key, token }) => [chat_key, token]));
  }

  async #renew(): Promise<void> {
    const tokens = this.#tokens();
    if (tokens.length === 0) return;
    try {
      await this.#db.query(ALL_TENANTS, RENEW, [tokens, this.#leaseMs / 1000]);
    } catch (error) {
      // Nobody else can claim anything either while the database is away.
      this.#log.debug({ err: error }, "the claims on chats could not be renewed");
    }
  }

  #tokens(): string[] {
    return [...this.#held.match.values(), ...this.#held.notice.values()];
  }
}

/** The first of what waits in each of these chats. */
async function firstOf<Row extends { readonly chat_key: string }>(
  transaction: Transaction,
  work: Work,
  chatKeys: readonly string[],
): Promise<Map<string, Row>> {
  if (chatKeys.length === 0) return new Map();
  const rows = await transaction.query<Row>(
    `SELECT head.* FROM unnest($1::text[]) AS given (chat_key) CROSS JOIN LATERAL (
       SELECT * FROM inbound WHERE inbound.chat_key = given.chat_key AND ${WAITING[work]} ORDER BY seq LIMIT 1) AS head`,
    [chatKeys],
  );
  return new Map(rows.map((row) => [row.chat_key, row]));
}
