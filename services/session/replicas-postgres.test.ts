// Several replicas of the session service on one database.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  type Event,
  Event_Type,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { shortId, uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { startOutbox } from "./outbox.ts";
import { cancelSession } from "./session.ts";
import type { Decision, SessionStore } from "./session-store.ts";
import { openPostgresSessionStore } from "./session-store-postgres.ts";
import { SEES_EVERYTHING } from "./visibility.ts";

let server: PostgresServer;
let dataDir: string;
let url: string;
let databases = 0;
const opened: SessionStore[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-replicas-"));
  url = await server.createDatabase(`replicas${++databases}`);
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const replica = async () => {
  const vault = openVault({ dataDir, environment: {} });
  const store = await openPostgresSessionStore({ url, vault, log: silentLog });
  opened.push(store);
  return store;
};
const replicas = () => Promise.all([replica(), replica()]);
const now = new Date("2026-11-21T10:00:00Z");
const session = (fields: Partial<Session> = {}): Session =>
  create(SessionSchema, {
    id: uuidV7(now.getTime()),
    shortId: shortId(),
    tenantId: "t1",
    body: "?",
    interaction: { kind: { case: "text", value: {} } },
    state: Session_State.OPEN,
    version: 1n,
    createTime: timestampFromMs(now.getTime()),
    updateTime: timestampFromMs(now.getTime()),
    asker: { principalId: "a1" },
    ...(fields as object),
  });
const put = async (store: SessionStore, fields: Partial<Session> = {}, requestId?: string) => {
  const request = requestId === undefined ? undefined : { id: requestId, digest: new Uint8Array([7]) };
  const result = await store.create({ session: session(fields), request, attachments: [] });
  if (result.kind === "over_quota") throw new Error("over quota");
  return result;
};
const toChats = () => ({
  audience: create(SessionSchema, { audience: { targets: [{ chatId: "c" }] } }).audience!,
});
const cancel = (before: Session): Decision<"ended" | "late"> => {
  const next = cancelSession(before, "", now);
  return next
    ? { kind: "store", session: next, event: Event_Type.CANCELLED, result: "ended" }
    : { kind: "keep", result: "late" };
};
const reply = (before: Session): Decision<bigint> => {
  const version = before.version + 1n;
  return { kind: "store", session: { ...before, version }, event: Event_Type.REPLY, result: version };
};
/** As a superuser, over all tenants. */
const sql = async <Row>(text: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url, options: "-c search_path=session" });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows as Row[];
};

test("I3, I4: of 1,000 ends that replicas try at once one is stored, and all others see it", async () => {
  const stores = await replicas();
  const { session: made } = await put(stores[0]);
  const results = await Promise.all(
    Array.from({ length: 1_000 }, (_, n) => stores[n % 2]!.change("t1", made.id, `by${n}`, cancel)),
  );
  expect(results.filter((each) => each === "ended")).toHaveLength(1);
  for (const store of stores) {
    expect((await store.get("t1", made.id))!.version).toBe(2n);
    expect(await store.openSessions("t1")).toBe(0);
  }
  expect((await stores[0].events("t1", made.id, 0, 10)).map(({ type }) => type)).toEqual([
    Event_Type.CREATED,
    Event_Type.CANCELLED,
  ]);
  const ends = (await stores[1].audit.list("t1", {}, 10)).filter(
    ({ action }) => action !== "session.created",
  );
  expect(ends).toHaveLength(1);
});

test("D2: changes of many sessions through two replicas see each other, none is lost", async () => {
  const stores = await replicas();
  const made = await Promise.all(Array.from({ length: 5 }, () => put(stores[0])));
  const versions = await Promise.all(
    Array.from({ length: 500 }, (_, n) => stores[n % 2]!.change("t1", made[n % 5]!.session.id, "x", reply)),
  );
  for (const n of [0, 1, 2, 3, 4]) {
    const own = versions.filter((_, index) => index % 5 === n).map(Number);
    expect(own.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 100 }, (_, at) => at + 2));
  }
});

test("I8: one request id gives one session, whichever replicas are asked", async () => {
  const stores = await replicas();
  const results = await Promise.all(
    Array.from({ length: 400 }, (_, n) => put(stores[n % 2]!, {}, `r${Math.floor(n / 8)}`)),
  );
  expect(results.filter(({ kind }) => kind === "created")).toHaveLength(50);
  expect(new Set(results.map((each) => each.session.id)).size).toBe(50);
  expect(await stores[1].openSessions("t1")).toBe(50);
});

test("a short id is unique over the tenants that replicas write for at once", async () => {
  const stores = await replicas();
  const results = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      put(stores[n % 2]!, { tenantId: `t${n % 6}`, shortId: `0000000${Math.floor(n / 6) % 3}` }),
    ),
  );
  const shortIds = results.map((each) => each.session.shortId);
  expect(new Set(shortIds).size).toBe(60);
  const stored = await Promise.all(results.map(({ session: made }) => stores[0].get(made.tenantId, made.id)));
  expect(stored.map((each) => each!.shortId)).toEqual(shortIds);
});

test("quotas hold over replicas", async () => {
  const stores = await replicas();
  const quotas = { open_sessions: 10, attachment_bytes: 0 };
  const results = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      stores[n % 2]!.create({ session: session(), request: undefined, attachments: [], quotas }),
    ),
  );
  expect(results.filter(({ kind }) => kind === "created")).toHaveLength(10);
});

test("D4: who follows the log of a tenant while replicas write it misses nothing", async () => {
  const [one, other] = await replicas();
  const seen = new Map<string, bigint>();
  let cursor = 0;
  let writing = true;
  const follow = async () => {
    for (let last = false; !last; ) {
      last = !writing;
      const { changes, cursor: reached } = await other.changesAfter("t1", cursor, 7, SEES_EVERYTHING);
      for (const { session: changed } of changes) seen.set(changed.id, changed.version);
      cursor = reached;
      if (changes.length > 0) last = false;
    }
  };
  const following = follow();
  const made = await Promise.all(
    Array.from({ length: 150 }, async (_, n) => {
      const store = n % 2 ? one : other;
      const { session: each } = await put(store);
      await (n % 3 ? one : other).change("t1", each.id, "x", reply);
      return each.id;
    }),
  );
  writing = false;
  await following;
  expect([...seen.keys()].toSorted()).toEqual(made.toSorted());
  expect([...seen.values()].every((version) => version === 2n)).toBe(true);
  const cursors = await sql<{ cursor: string }>("SELECT cursor FROM event ORDER BY cursor");
  expect(cursors.map((row) => Number(row.cursor))).toEqual(cursors.map((_, index) => index + 1));
});

test("O2: two replicas hand everything over, to delivery each session's events in order and by one at a time", async () => {
  const stores = await replicas();
  const bus: string[] = [];
  const delivered: Event[] = [];
  const busy = new Map<string, number>();
  let overlaps = 0;
  const outboxes = await Promise.all(
    stores.flatMap((store) => [
      startOutbox({
        store,
        log: silentLog,
        consumer: {
          line: "bus",
          take: async (events) => void bus.push(...events.map((each) => each.eventId)),
        },
      }),
      startOutbox({
        store,
        log: silentLog,
        consumer: {
          line: "delivery",
          async take(events) {
            const tenantIds = new Set(events.map(({ tenantId }) => tenantId));
            for (const id of tenantIds) {
              busy.set(id, (busy.get(id) ?? 0) + 1);
              if (busy.get(id)! > 1) overlaps += 1;
            }
            await new Promise((resolve) => setTimeout(resolve, 3));
            for (const id of tenantIds) busy.set(id, busy.get(id)! - 1);
            delivered.push(...events);
          },
        },
      }),
    ]),
  );
  await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      const tenantId = `t${n % 4}`;
      const { session: made } = await put(stores[n % 2]!, { tenantId, ...toChats() });
      await stores[(n + 1) % 2]!.change(tenantId, made.id, "x", cancel);
    }),
  );
  await vi.waitUntil(() => delivered.length >= 400 && bus.length >= 400, { timeout: 30_000 });
  for (const outbox of outboxes) await outbox.close();
  expect(overlaps).toBe(0);
  expect(new Set(bus).size).toBe(400);
  for (const events of Map.groupBy(delivered, ({ sessionId }) => sessionId).values()) {
    expect(events.map(({ version }) => version)).toEqual([1n, 2n]);
  }
  expect(await sql("SELECT 1 FROM bus_outbox UNION ALL SELECT 1 FROM delivery_outbox")).toEqual([]);
});

test("O4: what a replica was handing over when it died is handed over by another", async () => {
  const [one, other] = await replicas();
  const { session: made } = await put(one, toChats());
  let reached: () => void = () => {};
  const inTake = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const dying = await startOutbox({
    store: one,
    log: silentLog,
    consumer: {
      line: "delivery",
      take() {
        reached();
        return new Promise((_, reject) => setTimeout(reject, 1_000, new Error("died")));
      },
    },
  });
  await inTake;
  // As the end of its process would: the connection that holds the claim is gone.
  await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
  );
  const taken: string[] = [];
  const living = await startOutbox({
    store: other,
    log: silentLog,
    consumer: {
      line: "delivery",
      take: async (events) => void taken.push(...events.map((each) => each.sessionId)),
    },
  });
  await vi.waitUntil(() => taken.length > 0, { timeout: 10_000 });
  expect(taken).toEqual([made.id]);
  await dying.close();
  await living.close();
});

test("F12, I8: where PostgreSQL is killed under load nothing is half done, and asking again finds what was done", async () => {
  const stores = await replicas();
  const answers = new Map<string, string>();
  const ask = async (n: number) => {
    try {
      const { kind, session: made } = await put(stores[n % 2]!, toChats(), `r${n}`);
      return [kind, made.id] as const;
    } catch (error) {
      expect(reasonOf(error)).toBe(ErrorReason.STORAGE_UNAVAILABLE);
      return undefined;
    }
  };
  const asking = Array.from({ length: 40 }, async (_, lane) => {
    for (let n = lane; n < 4_000; n += 40) {
      const result = await ask(n);
      if (!result) return;
      answers.set(`r${n}`, result[1]);
    }
  });
  await vi.waitUntil(() => answers.size > 200);
  await server.kill("SIGQUIT");
  await Promise.all(asking);
  expect(answers.size).toBeLessThan(4_000);
  await server.restart();
  const lost = Array.from({ length: answers.size + 80 }, (_, n) => n);
  for (const n of lost) {
    const result = await vi.waitUntil(() => ask(n), { timeout: 10_000 });
    const before = answers.get(`r${n}`);
    if (before !== undefined) expect(result).toEqual(["existing", before]);
    answers.set(`r${n}`, result[1]);
  }
  const [counts] = await sql<Record<string, string>>(
    `SELECT (SELECT count(*) FROM session) AS sessions, (SELECT count(*) FROM event) AS events,
      (SELECT log_end FROM tenant) AS log_end, (SELECT open_sessions FROM tenant) AS open,
      (SELECT count(*) FROM bus_outbox) AS bus, (SELECT count(*) FROM delivery_outbox) AS delivery,
      (SELECT count(*) FROM session_chat) AS chats,
      (SELECT count(*) FROM audit_record WHERE tenant_id = 't1') AS audit`,
  );
  const all = String(answers.size);
  expect(counts).toEqual({
    sessions: all,
    events: all,
    log_end: all,
    open: all,
    bus: all,
    delivery: all,
    chats: all,
    audit: all,
  });
}, 60_000);
