// What two tenants do whose ids, chats, labels and people have the same names, and what each of them sees of it.
//
// What a tenant sees beside the other must be what it sees alone: nothing of the other's, and nothing that tells that
// there is another. Everything is decided by the seed, so that two runs differ by what the store does only.

import { hash } from "node:crypto";
import { create, isMessage, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import {
  Event_Type,
  Reply_Disposition,
  type Session,
  Session_State,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { cancelSession } from "../session.ts";
import { firstIdOf } from "../session-conditions.ts";
import type { Decision, SessionQuery, SessionStore } from "../session-store.ts";
import { SEES_EVERYTHING, type Viewer } from "../visibility.ts";

export const TENANTS = ["red", "blue"] as const;

/** Writes of a group share a commit; its reads see what was there before it. */
const GROUP = 40;
/** Sessions of the last run must be read back. */
const GROUPS_UNTIL_RESTART = 9;
const START = Date.parse("2026-11-20T10:00:00Z");
const POOL = 12;
const WRITES = new Set(["create", "change", "submitReply", "deleteEndedBefore"]);

interface Operation {
  readonly tenantId: string;
  readonly name: string;
  run(store: SessionStore): Promise<unknown>;
}

/** What each tenant saw, oldest first: the operation, and a digest of what came of it. */
export type Seen = Map<string, string[]>;

/** The operations of a seed, in groups. */
export function operationsOf(seed: number, count: number): Operation[][] {
  const random = randomOf(seed);
  const groups: Operation[][] = [];
  for (let n = 0; n < count; n += 1) {
    if (n % GROUP === 0) groups.push([]);
    groups.at(-1)!.push(operation(n, random));
  }
  return groups;
}

/**
 * Runs the operations of some tenants on a store of their own. `open` opens the same files each time. Throws at the
 * first thing that is not as expected.
 */
export async function see(
  open: () => SessionStore | Promise<SessionStore>,
  groups: readonly Operation[][],
  { tenantIds = TENANTS, expected }: { tenantIds?: readonly string[]; expected?: Seen } = {},
): Promise<Seen> {
  const seen: Seen = new Map(tenantIds.map((id) => [id, []]));
  let store = await open();
  try {
    for (const [index, group] of groups.entries()) {
      if (index % GROUPS_UNTIL_RESTART === GROUPS_UNTIL_RESTART - 1) {
        await store.close();
        store = await open();
      }
      const own = group.filter((each) => seen.has(each.tenantId));
      const results = await runGroup(store, own);
      for (const [at, { tenantId, name }] of own.entries()) {
        const ofTenant = seen.get(tenantId)!;
        const what = `${name} ${hash("sha1", JSON.stringify(results[at], plain) ?? "")}`;
        const wanted = expected?.get(tenantId)?.[ofTenant.length] ?? what;
        if (what !== wanted) {
          throw new Error(
            `${tenantId} sees otherwise in operation ${ofTenant.length}: ${what}, not ${wanted}`,
          );
        }
        ofTenant.push(what);
      }
    }
  } finally {
    await store.close();
  }
  return seen;
}

/**
 * Runs a group, each of its writes in the place it has there, and none beside a read, so that what comes of it does not
 * hang on the driver's speed. What another driver words otherwise counts as the same failure.
 */
async function runGroup(store: SessionStore, group: readonly Operation[]): Promise<unknown[]> {
  const results: unknown[] = [];
  const run = async (at: number) => {
    try {
      results[at] = await group[at]!.run(store);
    } catch (error) {
      results[at] = /refused/.test(String(error)) ? String(error) : "failed";
    }
  };
  const places = group.map((_, at) => at);
  await Promise.all(places.filter((at) => !WRITES.has(group[at]!.name)).map(run));
  let together: Promise<void>[] = [];
  for (const at of places.filter((each) => WRITES.has(group[each]!.name))) {
    if (group[at]!.name === "deleteEndedBefore") {
      await Promise.all(together);
      together = [];
      await run(at);
    } else together.push(run(at));
  }
  await Promise.all(together);
  return results;
}

function operation(n: number, random: () => number): Operation {
  const pick = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)]!;
  const some = (chance: number) => random() < chance;
  const tenantId = pick(...TENANTS);
  const now = START + n * 1_000;
  const id = idOf(pick(...Array.from({ length: POOL }, (_, at) => at)));
  const by = pick("asker-1", "asker-2");
  const viewer = pick<Viewer>(
    SEES_EVERYTHING,
    { kind: "some", askerId: by, responder: undefined },
    { kind: "some", askerId: by, responder: ["member:m1", `role:${Role.RESPONDER}`] },
  );
  const chat = { channelId: "robot", chatId: pick("c1", "c2") };
  const inboundId = pick("in-1", "in-2", "in-3", "in-4", "in-5", "in-6");
  const requestId = some(0.3) ? pick("r1", "r2", "r3") : undefined;
  const session = create(SessionSchema, {
    id,
    shortId: shortIdOf(tenantId, n),
    tenantId,
    projectName: pick("p1", "p2"),
    body: `${tenantId} asks ${n}`,
    interaction: { kind: { case: pick("text", "notice"), value: {} } },
    audience: { targets: some(0.5) ? [chat] : [] },
    state: Session_State.OPEN,
    version: 1n,
    asker: { principalId: by },
    correlationId: pick("", "run"),
    labels: some(0.5) ? { key: pick("x", "y") } : {},
    expireTime: some(0.5) ? timestampFromMs(now + 50_000) : undefined,
    createTime: timestampFromMs(now),
    updateTime: timestampFromMs(now),
    answerPolicy: some(0.6)
      ? pick({ members: ["m1"] }, { members: ["m2"] }, { roles: [Role.RESPONDER] }, { userIds: ["u1"] })
      : undefined,
    sensitive: some(0.4),
  });
  const newSession = {
    session,
    request: requestId ? { id: requestId, digest: Buffer.from(pick("a", "b")) } : undefined,
    attachments: some(0.5) ? [Buffer.from(`picture of ${tenantId} ${n}`)] : [],
    quotas: some(0.3) ? { open_sessions: 6, attachment_bytes: 120 } : undefined,
  };
  const decide = decision(pick("end", "raise", "keep", "throw"), now);
  const query = queryOf(Math.floor(random() * 12), {
    viewer,
    chat,
    shortId: shortIdOf(pick(...TENANTS), Math.max(0, n - Math.floor(random() * 100))),
    now,
  });
  const back = Math.floor(random() * pick(10, 30, 100, 400));
  const age = pick(20_000, 200_000);
  const operations: Record<string, (store: SessionStore) => Promise<unknown>> = {
    create: (store) => store.create(newSession),
    get: (store) => store.get(tenantId, id),
    hasRequest: (store) => store.hasRequest(tenantId, by, requestId ?? "r1"),
    change: (store) => store.change(tenantId, id, by, decide),
    submitReply: (store) =>
      store.submitReply(tenantId, id, inboundId, by, (before) => {
        const told = { disposition: Reply_Disposition.ACCEPTED, guidance: `${tenantId} was told ${n}` };
        return { ...decide(before), result: told };
      }),
    list: (store) => store.list(tenantId, query),
    events: (store) => store.events(tenantId, id, 0, 20),
    attachment: (store) => store.attachment(tenantId, id, 1),
    cursor: (store) => store.cursor(tenantId),
    changesAfter: async (store) =>
      store.changesAfter(tenantId, Math.max(0, (await store.cursor(tenantId)) - back), 5, viewer),
    figures: (store) => store.figures(tenantId, firstIdOf(0), firstIdOf(now), 50),
    openSessions: (store) => store.openSessions(tenantId),
    attachmentBytes: (store) => store.attachmentBytes(tenantId),
    versions: (store) => store.versions([{ tenantId, id }]),
    audit: async (store) => store.audit.list(tenantId, {}, 5),
    deleteEndedBefore: (store) => store.deleteEndedBefore(tenantId, now - age, 3),
    // What these find of others goes to no tenant.
    findForReply: async (store) =>
      (await store.findForReply({ kind: "chat", ...chat }, 100)).filter((each) => each.tenantId === tenantId),
    due: async (store) => (await store.due(now, 100)).filter((each) => each.tenantId === tenantId),
    tenants: async (store) => (await store.tenants()).includes(tenantId),
  };
  const names = Object.keys(operations);
  const name = some(0.5)
    ? pick("create", "change", "submitReply", "deleteEndedBefore", "changesAfter")
    : pick(...names);
  return { tenantId, name, run: operations[name]! };
}

function decision(kind: "end" | "raise" | "keep" | "throw", now: number) {
  return (before: Session): Decision<string> => {
    if (kind === "throw") throw new Error(`refused ${before.body}`);
    const updateTime = timestampFromMs(now);
    const version = before.version + 1n;
    const ended = kind === "end" && cancelSession(before, "", new Date(now));
    if (ended) return { kind: "store", session: ended, event: Event_Type.CANCELLED, result: before.body };
    if (kind === "keep") return { kind: "keep", result: before.body };
    const session = { ...before, version, updateTime };
    return { kind: "store", session, event: Event_Type.REPLY, result: before.body };
  };
}

function queryOf(
  number: number,
  given: { viewer: Viewer; chat: { channelId: string; chatId: string }; shortId: string; now: number },
): SessionQuery {
  const everything: SessionQuery = {
    viewer: given.viewer,
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
    limit: 20,
  };
  const some: Partial<SessionQuery>[] = [
    { states: [Session_State.OPEN] },
    { states: [Session_State.CANCELLED, Session_State.OPEN] },
    { projectName: "p1" },
    { correlationId: "run" },
    { label: { key: "key", value: "x" } },
    { chat: given.chat },
    { chat: given.chat, states: [Session_State.OPEN] },
    { shortId: given.shortId },
    { askerId: "asker-1" },
    { withoutNotices: true, limit: 3 },
    { createdBeforeMs: given.now, beforeId: idOf(6) },
  ];
  return { ...everything, ...some[number] };
}

/** Unique over all tenants, as the store makes them. */
function shortIdOf(tenantId: (typeof TENANTS)[number], number: number): string {
  return `${TENANTS.indexOf(tenantId) + 1}${number.toString(16).padStart(7, "0")}`;
}

/** The same for every tenant. */
function idOf(number: number): string {
  return `${firstIdOf(START + number)}-7000-8000-000000000000`;
}

/** For JSON: what protobuf and the database have that it has not. */
function plain(this: unknown, key: string, encoded: unknown): unknown {
  const value = (this as Record<string, unknown>)[key]; // before a Buffer says what it is for JSON
  // Whether it was read back or is as it was written makes no difference.
  if (isMessage(value, SessionSchema)) return Buffer.from(toBinary(SessionSchema, value)).toString("hex");
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return encoded;
}

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
