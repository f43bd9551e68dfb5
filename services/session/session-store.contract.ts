import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  Event_Type,
  Reply_Disposition,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { shortId, uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cancelSession } from "./session.ts";
import type { Decision, NewSession, OutboxLine, SessionQuery, SessionStore } from "./session-store.ts";
import { SEES_EVERYTHING } from "./visibility.ts";

const everything: SessionQuery = {
  viewer: SEES_EVERYTHING,
  states: [],
  projectName: "",
  correlationId: "",
  label: undefined,
  chat: undefined,
  shortId: "",
  createdAfterMs: undefined,
  createdBeforeMs: undefined,
  askerId: undefined,
  untakenOnly: false,
  withoutNotices: false,
  beforeId: undefined,
  limit: 100,
};

let now = Date.parse("2026-11-20T10:00:00Z");

type Fields = MessageInitShape<typeof SessionSchema>;

function session(fields: Fields = {}): Session {
  now += 1_000;
  return create(SessionSchema, {
    id: uuidV7(now),
    shortId: shortId(),
    tenantId: "t1",
    body: "?",
    interaction: { kind: { case: "text", value: {} } },
    state: Session_State.OPEN,
    version: 1n,
    createTime: timestampFromMs(now),
    updateTime: timestampFromMs(now),
    asker: { principalId: "a1" },
    ...(fields as object),
  });
}

const request = (id: string, content: string) => ({ id, digest: new TextEncoder().encode(content) });
const raise =
  (event: Event_Type | undefined) =>
  (before: Session): Decision<bigint> => {
    const version = event === undefined ? before.version : before.version + 1n;
    return { kind: "store", session: { ...before, version }, event, result: version };
  };
const keep = (): Decision<string> => ({ kind: "keep", result: "kept" });
const cancel = (before: Session): Decision<undefined> => {
  const next = cancelSession(before, "", new Date(now));
  return next
    ? { kind: "store", session: next, event: Event_Type.CANCELLED, result: undefined }
    : { kind: "keep", result: undefined };
};

/** What every driver of the session store does. `open` gives an empty store; `reopen` the same one after a restart. */
export function sessionStoreContract(driver: {
  open(): Promise<SessionStore>;
  reopen(store: SessionStore): Promise<SessionStore>;
  dispose(): Promise<void>;
}): void {
  let store: SessionStore;
  const keepNew = async (newSession: NewSession) => {
    const result = await store.create(newSession);
    if (result.kind === "over_quota") throw new Error(`over ${result.quota}`);
    return result;
  };
  const put = (fields: Fields = {}, ask?: ReturnType<typeof request>) =>
    keepNew({ session: session(fields), request: ask, attachments: [] });
  beforeEach(async () => {
    store = await driver.open();
  });
  afterEach(async () => {
    await store.close();
    await driver.dispose();
  });

  test("D1: what was created and changed is there after a restart", async () => {
    const { session: made } = await put({ body: "kept?" });
    await store.change("t1", made.id, "a1", raise(Event_Type.REPLY));
    store = await driver.reopen(store);
    expect(await store.get("t1", made.id)).toEqual({ ...made, version: 2n });
    expect((await store.events("t1", made.id, 0, 10)).map((each) => each.type)).toEqual([
      Event_Type.CREATED,
      Event_Type.REPLY,
    ]);
  });

  test("I8: one request id gives one session however many ask at once; other content is a conflict", async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => put({}, request("r", "same"))));
    expect(results.map((each) => each.kind).toSorted()).toEqual([
      "created",
      "existing",
      "existing",
      "existing",
    ]);
    expect(new Set(results.map((each) => each.session.id)).size).toBe(1);
    expect((await put({}, request("r", "other"))).kind).toBe("conflict");
    expect((await put({ asker: { principalId: "a2" } }, request("r", "x"))).kind).toBe("created");
    expect((await put({ tenantId: "t2" }, request("r", "x"))).kind).toBe("created");
  });

  test("a short id that is taken is replaced, also across tenants", async () => {
    const { session: first } = await put({ shortId: "aaaaaaaa" });
    const { session: second } = await put({ shortId: "aaaaaaaa", tenantId: "t2" });
    expect(first.shortId).toBe("aaaaaaaa");
    expect(second.shortId).toMatch(/^[0-9a-f]{8}$/);
    expect(second.shortId).not.toBe("aaaaaaaa");
  });

  test("D2: concurrent changes see each other", async () => {
    const { session: made } = await put();
    const seen = await Promise.all(
      Array.from({ length: 25 }, () => store.change("t1", made.id, "a1", raise(Event_Type.REPLY))),
    );
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => BigInt(n + 2)));
    expect(await store.change("t1", made.id, "a1", keep)).toBe("kept");
    expect((await store.get("t1", made.id))!.version).toBe(26n);
  });

  test("a decision that throws changes nothing, and harms no neighbour of its turn", async () => {
    const { session: made } = await put();
    const results = await Promise.allSettled([
      store.change("t1", made.id, "a1", raise(Event_Type.REPLY)),
      store.change("t1", made.id, "a1", () => {
        throw new Error("refused");
      }),
      store.change("t1", made.id, "a1", raise(Event_Type.REPLY)),
    ]);
    expect(results.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await store.get("t1", made.id))!.version).toBe(3n);
  });

  test("a change that was committed is what everybody reads next, and one that was not is never read", async () => {
    const { session: made } = await put();
    for (let version = 2n; version < 30n; version++) {
      const [, refused] = await Promise.allSettled([
        store.change("t1", made.id, "a1", raise(Event_Type.REPLY)),
        store.change("t1", made.id, "a1", (before) => {
          raise(Event_Type.REPLY)(before);
          throw new Error("refused");
        }),
      ]);
      expect(refused.status).toBe("rejected");
      expect((await store.get("t1", made.id))!.version).toBe(version);
    }
  });

  test("I17: a store that is closed answers nothing, also not what it has just written", async () => {
    const { session: made } = await put();
    const before = store;
    store = await driver.reopen(store);
    await expect(before.get("t1", made.id)).rejects.toThrow();
    await expect(before.change("t1", made.id, "a1", raise(Event_Type.REPLY))).rejects.toThrow();
    expect((await store.get("t1", made.id))!.version).toBe(1n);
  });

  test("I6: another tenant reaches nothing by id", async () => {
    const { session: made } = await put();
    expect(await store.get("t2", made.id)).toBeUndefined();
    expect(await store.change("t2", made.id, "a1", keep)).toBeUndefined();
    expect(await store.events("t2", made.id, 0, 10)).toEqual([]);
    expect(await store.attachment("t2", made.id, 1)).toBeUndefined();
    expect(await store.list("t2", everything)).toEqual([]);
    expect((await store.changesAfter("t2", 0, 10, SEES_EVERYTHING)).changes).toEqual([]);
  });

  test("an open-session quota is exact however many ask at once, and known requests pass it", async () => {
    const quotas = { open_sessions: 2, attachment_bytes: 0 };
    const ask = (id: string) =>
      store.create({ session: session(), request: request(id, "x"), attachments: [], quotas });
    const kinds = (await Promise.all(["1", "2", "3"].map(ask))).map((each) => each.kind);
    expect(kinds).toEqual(["created", "created", "over_quota"]);
    expect((await ask("1")).kind).toBe("existing");
    expect(await store.hasRequest("t1", "a1", "1")).toBe(true);
    expect(await store.hasRequest("t1", "a1", "3")).toBe(false);
    expect(await store.hasRequest("t1", "a2", "1")).toBe(false);
    expect(await store.openSessions("t1")).toBe(2);
    const [open] = await store.list("t1", everything);
    await store.change("t1", open!.id, "a1", cancel);
    expect(await store.openSessions("t1")).toBe(1);
    expect((await ask("3")).kind).toBe("created");
    store = await driver.reopen(store);
    expect(await ask("4")).toEqual({ kind: "over_quota", quota: "open_sessions", limit: 2 });
  });

  test("an attachment quota counts what is kept, also after clean-up", async () => {
    const quotas = { open_sessions: 0, attachment_bytes: 10 };
    const ask = (bytes: number) =>
      store.create({ session: session(), request: undefined, attachments: [Buffer.alloc(bytes)], quotas });
    const first = await ask(6);
    expect((await ask(5)).kind).toBe("over_quota");
    expect((await ask(4)).kind).toBe("created");
    expect(await store.attachmentBytes("t1")).toBe(10);
    if (first.kind === "created") await store.change("t1", first.session.id, "a1", cancel);
    expect(await store.deleteEndedBefore("t1", now + 1, 10)).toBe(1);
    expect(await store.attachmentBytes("t1")).toBe(4);
    expect((await ask(6)).kind).toBe("created");
  });

  test("a change in the turn in which its session is deleted finds nothing, and leaves nothing behind", async () => {
    const { session: made } = await put();
    await store.change("t1", made.id, "a1", cancel);
    const end = await store.cursor("t1");
    const [deleted, changed] = await Promise.all([
      store.deleteEndedBefore("t1", now + 1, 10),
      store.change("t1", made.id, "a1", raise(Event_Type.REPLY)),
    ]);
    expect([deleted, changed]).toEqual([1, undefined]);
    expect(await store.cursor("t1")).toBe(end);
    expect(await store.events("t1", made.id, 0, 10)).toEqual([]);
  });

  test("one tenant's clean-up does not reset another's readers", async () => {
    const { session: other } = await put({ tenantId: "t2" });
    for (let n = 0; n < 3; n++) await store.change("t1", (await put()).session.id, "a1", cancel);
    expect(await store.deleteEndedBefore("t1", now + 1, 10)).toBe(3);
    expect((await store.changesAfter("t1", 0, 10, SEES_EVERYTHING)).reset).toBe(true);
    const { changes, reset } = await store.changesAfter("t2", 0, 10, SEES_EVERYTHING);
    expect([reset, changes.map((each) => each.session.id)]).toEqual([false, [other.id]]);
    expect(await store.tenants()).toEqual(["t2"]);
  });

  test("D3, I11: what was asked, moved and decided is in the audit log with who did it, once", async () => {
    const { session: made } = await put();
    await store.change("t1", made.id, "a1", raise(Event_Type.REPLY));
    await store.change("t1", made.id, "somebody", cancel);
    await store.change("t1", made.id, "late", cancel);
    const records = await store.audit.list("t1", {}, 10);
    expect(records.map((each) => [each.action, each.principal_id, each.resource])).toEqual([
      ["session.cancelled", "somebody", `session/${made.id}`],
      ["session.created", "a1", `session/${made.id}`],
    ]);
    expect(await store.audit.list("t2", {}, 10)).toEqual([]);
  });

  test("I2: an inbound message is submitted once, whichever session it is handed to", async () => {
    const [{ session: one }, { session: two }] = [await put(), await put()];
    const decide = () => ({
      kind: "keep" as const,
      result: { disposition: Reply_Disposition.ACCEPTED, guidance: "taken" },
    });
    const first = await store.submitReply("t1", one.id, "in1", "robot:zhang", decide);
    const second = await store.submitReply("t1", two.id, "in1", "robot:zhang", () => {
      throw new Error("must not be asked again");
    });
    expect(second).toEqual(first);
    expect(first).toEqual({ sessionId: one.id, disposition: Reply_Disposition.ACCEPTED, guidance: "taken" });
    expect(await store.submitReply("t1", uuidV7(now), "in2", "robot:zhang", decide)).toBeUndefined();
  });

  test("lists are newest first, filtered and paged", async () => {
    const chat = { targets: [{ channelId: "robot", chatId: "c1" }] };
    const made = [
      await put({ projectName: "p", labels: { k: "v" } }),
      await put({ correlationId: "run", audience: chat }),
      await put({ interaction: { kind: { case: "notice", value: {} } } }),
      await put({ asker: { principalId: "a2" } }),
    ].map((each) => each.session);
    await store.change("t1", made[0]!.id, "a1", cancel);
    const found = async (query: Partial<SessionQuery>) =>
      (await store.list("t1", { ...everything, ...query })).map((each) =>
        made.findIndex(({ id }) => id === each.id),
      );
    expect(await found({})).toEqual([3, 2, 1, 0]);
    expect(await found({ limit: 2 })).toEqual([3, 2]);
    expect(await found({ limit: 2, beforeId: made[2]!.id })).toEqual([1, 0]);
    expect(await found({ states: [Session_State.OPEN] })).toEqual([3, 2, 1]);
    expect(await found({ states: [Session_State.CANCELLED, Session_State.EXPIRED] })).toEqual([0]);
    expect(await found({ projectName: "p" })).toEqual([0]);
    expect(await found({ correlationId: "run" })).toEqual([1]);
    expect(await found({ label: { key: "k", value: "v" } })).toEqual([0]);
    expect(await found({ label: { key: "k", value: "w" } })).toEqual([]);
    expect(await found({ chat: { channelId: "robot", chatId: "c1" } })).toEqual([1]);
    expect(await found({ chat: { channelId: "other", chatId: "c1" } })).toEqual([]);
    expect(await found({ shortId: made[2]!.shortId })).toEqual([2]);
    expect(await found({ askerId: "a2" })).toEqual([3]);
    expect(await found({ withoutNotices: true })).toEqual([3, 1, 0]);
    const third = Number(made[2]!.createTime!.seconds) * 1000;
    expect(await found({ createdAfterMs: third })).toEqual([3, 2]);
    expect(await found({ createdBeforeMs: third })).toEqual([1, 0]);
  });

  test("D3: the log hands out every change once, in order, and a consumer goes on where it was", async () => {
    const { session: made } = await put({
      audience: { targets: [{ chatId: "c" }] },
    });
    await store.change("t1", made.id, "a1", raise(Event_Type.REPLY));
    await store.change("t1", made.id, "a1", raise(undefined));
    await store.change("t1", made.id, "a1", cancel);
    await put();
    const handed = async (line: OutboxLine, limit: number, take = async () => {}) => {
      const all: Event[] = [];
      const reader = await store.openOutbox(line);
      try {
        for (let left = "more"; left === "more"; ) {
          left = await reader.hand(limit, async (events) => {
            await take();
            all.push(...events);
          });
        }
      } finally {
        await reader.close();
      }
      return all.map((event) => [event.sessionId === made.id, event.type, event.version]);
    };
    const refuse = () => handed("delivery", 2, () => Promise.reject(new Error("not now")));
    const all = [
      [true, Event_Type.CREATED, 1n],
      [true, Event_Type.REPLY, 2n],
      [true, Event_Type.CANCELLED, 3n],
      [false, Event_Type.CREATED, 1n],
    ];
    await expect(refuse()).rejects.toThrow("not now");
    store = await driver.reopen(store);
    await expect(refuse()).rejects.toThrow("not now");
    expect(await handed("delivery", 2), "only what goes to chats").toEqual(all.slice(0, 3));
    expect(await handed("bus", 100)).toEqual(all);
    expect(await handed("bus", 100)).toEqual([]);
    store = await driver.reopen(store);
    expect(await handed("delivery", 100)).toEqual([]);
    await store.change("t1", made.id, "a1", raise(Event_Type.TAKEN));
    expect(await handed("delivery", 100)).toEqual([[true, Event_Type.TAKEN, 4n]]);
    expect(await handed("bus", 1)).toEqual([[true, Event_Type.TAKEN, 4n]]);
  });

  test("changes after a cursor come once for each session, page by page", async () => {
    const made = [];
    for (let n = 0; n < 5; n++) made.push((await put()).session);
    const start = await store.cursor("t1");
    for (const n of [0, 1, 2, 0]) await store.change("t1", made[n]!.id, "a1", raise(Event_Type.REPLY));
    const first = await store.changesAfter("t1", start, 2, SEES_EVERYTHING);
    expect(first.changes.map((each) => each.session.id)).toEqual([made[1]!.id, made[2]!.id]);
    const second = await store.changesAfter("t1", first.cursor, 2, SEES_EVERYTHING);
    expect(second.changes.map((each) => each.session.id)).toEqual([made[0]!.id]);
    expect(await store.changesAfter("t1", second.cursor, 2, SEES_EVERYTHING)).toEqual({
      changes: [],
      cursor: await store.cursor("t1"),
      reset: false,
    });
    expect(
      (await store.changesAfter("t1", start, 10, { kind: "some", askerId: "nobody", responder: undefined }))
        .changes,
    ).toEqual([]);
  });

  test("a cursor that the log does not reach back or forward to is reset", async () => {
    const { session: made } = await put();
    await store.change("t1", made.id, "a1", cancel);
    await put();
    expect(await store.deleteEndedBefore("t1", now + 1, 10)).toBe(1);
    expect(await store.get("t1", made.id)).toBeUndefined();
    expect(await store.changesAfter("t1", 0, 10, SEES_EVERYTHING)).toMatchObject({
      reset: true,
      changes: [],
    });
    expect(await store.changesAfter("t1", (await store.cursor("t1")) + 1, 10, SEES_EVERYTHING)).toMatchObject(
      {
        reset: true,
      },
    );
  });

  test("what is due is found at its time, soonest first, while it is open", async () => {
    const at = (ms: number) => ({ expireTime: timestampFromMs(now + ms) });
    const { session: second } = await put(at(60_000));
    const { session: first } = await put(at(20_000));
    const { session: ended } = await put(at(30_000));
    await put();
    await store.change("t1", ended.id, "a1", cancel);
    const due = async (ms: number) => (await store.due(ms, 10)).map((each) => each.id);
    expect(await due(now)).toEqual([]);
    expect(await due(now + 100_000)).toEqual([first.id, second.id]);
    expect(await store.due(now + 100_000, 1)).toEqual([{ tenantId: "t1", id: first.id }]);
  });

  test("only what ended long enough ago is deleted, with its pictures and its request id", async () => {
    const ask = request("r", "x");
    const { session: made } = await keepNew({
      session: session(),
      request: ask,
      attachments: [Buffer.from("picture")],
    });
    await put();
    expect(Buffer.from((await store.attachment("t1", made.id, 1))!).toString()).toBe("picture");
    await store.change("t1", made.id, "a1", cancel);
    await put();
    expect(await store.deleteEndedBefore("t1", now - 1_000, 10)).toBe(0);
    expect(await store.deleteEndedBefore("t1", now + 1, 10)).toBe(1);
    expect(await store.attachment("t1", made.id, 1)).toBeUndefined();
    expect((await put({}, ask)).kind).toBe("created");
    expect(await store.list("t1", everything)).toHaveLength(3);
  });

  test("a cursor is never used twice, whatever is deleted", async () => {
    for (let n = 0; n < 3; n++) await store.change("t1", (await put()).session.id, "a1", cancel);
    const before = await store.cursor("t1");
    await store.deleteEndedBefore("t1", now + 1, 10);
    store = await driver.reopen(store);
    const { session: next } = await put();
    expect(await store.cursor("t1")).toBeGreaterThan(before);
    const { changes } = await store.changesAfter("t1", before, 10, SEES_EVERYTHING);
    expect(changes.map((each) => each.session.id)).toEqual([next.id]);
    const reader = await store.openOutbox("bus");
    const handed: Event[] = [];
    await reader.hand(1_000, async (events) => void handed.push(...events));
    await reader.close();
    expect(handed.at(-1)!.sessionId).toBe(next.id);
  });

  test("what is open, and what waits to be handed over, is known over all tenants", async () => {
    const toChat = { audience: { targets: [{ channelId: "wecom-robot", chatId: "wrk1" }] } };
    const { session: first } = await put({ tenantId: "t1" });
    await put({ tenantId: "t2", ...toChat });
    expect(await store.allOpenSessions()).toBe(2);
    const [bus, delivery] = [await store.openOutbox("bus"), await store.openOutbox("delivery")];
    expect((await bus.backlog()).events).toBe(2);
    expect((await delivery.backlog()).events).toBe(1);
    expect((await bus.backlog()).oldestTimeMs).toBeLessThan((await delivery.backlog()).oldestTimeMs!);
    await bus.hand(100, async () => {});
    expect(await bus.backlog()).toEqual({ events: 0, oldestTimeMs: undefined });
    expect((await delivery.backlog()).events).toBe(1);
    await store.change("t1", first.id, "a1", cancel);
    expect(await store.allOpenSessions()).toBe(1);
    for (const reader of [bus, delivery]) await reader.close();
  });

  test("versions tell which sessions moved or ended", async () => {
    const [{ session: moved }, { session: ended }] = [await put(), await put()];
    await store.change("t1", moved.id, "a1", raise(Event_Type.REPLY));
    await store.change("t1", ended.id, "a1", cancel);
    const ids = [moved.id, ended.id, uuidV7(now)].map((id) => ({ tenantId: "t1", id }));
    expect(await store.versions(ids)).toEqual([
      { tenantId: "t1", id: moved.id, version: 2, ended: false },
      { tenantId: "t1", id: ended.id, version: 2, ended: true },
    ]);
  });

  test("whoever listens hears of each commit until it stops", async () => {
    const heard = vi.fn();
    const stop = store.afterCommit(heard);
    await put();
    expect(heard).toHaveBeenCalledTimes(1);
    stop();
    await put();
    expect(heard).toHaveBeenCalledTimes(1);
  });
}
