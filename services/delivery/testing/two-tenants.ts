// Two tenants that use the same ids for everything, at random: what each sees must not depend on the other.

import { create } from "@bufbuild/protobuf";
import {
  Attempt_Outcome,
  Channel_Kind,
  ChannelSettingsSchema,
  Delivery_State,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { createKeyProvider } from "@hil/platform/secrets/key-provider.ts";
import { createVault, type Vault } from "@hil/platform/secrets/vault.ts";
import type { NewDelivery, Settlement, StoredDelivery } from "../delivery.ts";
import type { Claim, DeliveryStore, Line } from "../delivery-store.ts";

export const TENANTS = ["a", "b"] as const;

/** What one tenant does, or, without one, what is done for all. */
export interface Operation {
  readonly tenantId: string | undefined;
  readonly kind: string;
  /** Small numbers to choose ids and values by. */
  readonly draw: readonly number[];
  readonly nowMs: number;
}

/** By tenant: what each of its operations gave, in order. */
export type Seen = Map<string, string[]>;

const KINDS = [
  ...["insert", "insert", "insert", "begin", "begin", "finish", "finish", "finishPart", "end", "postpone"],
  ...[
    "withdraw",
    "get",
    "list",
    "attempts",
    "next",
    "noteSend",
    "health",
    "purge",
    "unreported",
    "lines",
    "renew",
  ],
  ...["createChannel", "createChannel", "updateChannel", "deleteChannel", "channel", "channel", "channelIds"],
  ...["audit", "tenants"],
  ...[
    "attachRelay",
    "attachRelay",
    "heardRelay",
    "detachRelay",
    "drainRelay",
    "relays",
    "fenced",
    "hold",
    "wake",
  ],
];
const [OLDER, NEWER] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const vaultOf = (...keys: Buffer[]) => createVault(createKeyProvider(keys), Buffer.alloc(32, 3));
const FOR_ALL = ["recover", "markReported", "rewrap"];
/** Operations of one group are begun together and awaited together. */
const GROUP = 40;

/** The same operations for the same seed, in groups. */
export function operationsOf(seed: number, count: number): Operation[][] {
  let state = seed;
  const draw = (below: number) => {
    // Numerical Recipes' generator: enough to choose by.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const groups: Operation[][] = [];
  for (let index = 0; index < count; index += 1) {
    const forAll = draw(200) === 0;
    const manyTries = !forAll && draw(100) === 0;
    const kind = forAll
      ? FOR_ALL[draw(FOR_ALL.length)]!
      : manyTries
        ? "manyTries"
        : KINDS[draw(KINDS.length)]!;
    // What takes several writes has a group of its own, so that its order among the others is always the same.
    if (index % GROUP === 0 || manyTries) groups.push([]);
    groups.at(-1)!.push({
      tenantId: forAll ? undefined : TENANTS[draw(TENANTS.length)],
      kind,
      draw: [draw(12), draw(6), draw(3), draw(4)],
      nowMs: 1_000_000 + index * 10,
    });
    if (manyTries) groups.push([]);
  }
  return groups;
}

/**
 * Does what these tenants do, and what is done for all, on a new store; half-way the master key is rotated. With
 * `expected`, throws at the first operation that gives something else. Of a store whose operations do not take their
 * turns by themselves one is begun after the other: `inOrder`.
 */
export async function see(
  open: () => (vault: Vault) => DeliveryStore | Promise<DeliveryStore>,
  groups: readonly (readonly Operation[])[],
  {
    tenantIds = TENANTS,
    expected,
    inOrder = false,
  }: { tenantIds?: readonly string[]; expected?: Seen; inOrder?: boolean } = {},
): Promise<Seen> {
  const reopen = open();
  let store = await reopen(vaultOf(OLDER));
  const claims: Claims = new Map();
  const seen: Seen = new Map(tenantIds.map((tenantId) => [tenantId, []]));
  try {
    for (const [number, group] of groups.entries()) {
      if (number === Math.floor(groups.length / 2)) {
        await store.close();
        store = await reopen(vaultOf(NEWER, OLDER));
        await store.rewrap();
      }
      const own = group.filter(({ tenantId }) => tenantId === undefined || tenantIds.includes(tenantId));
      const results: string[] = [];
      if (inOrder) for (const operation of own) results.push(await perform(store, operation, claims));
      else results.push(...(await Promise.all(own.map((operation) => perform(store, operation, claims)))));
      for (const [index, { tenantId, kind }] of own.entries()) {
        if (tenantId === undefined) continue;
        const results_ = seen.get(tenantId)!;
        const result = `${kind}: ${results[index]}`;
        const wanted = expected?.get(tenantId)?.[results_.length];
        if (wanted !== undefined && wanted !== result) {
          throw new Error(`${tenantId} sees ${result}, and alone it would see ${wanted}`);
        }
        results_.push(result);
      }
    }
  } finally {
    await store.close();
  }
  return seen;
}

/** The lines that are being worked on, by their names. */
type Claims = Map<string, Claim>;

async function perform(store: DeliveryStore, operation: Operation, claims: Claims): Promise<string> {
  try {
    return shown(await resultOf(store, operation, claims));
  } catch (error) {
    return `threw ${(error as Error).message}`;
  }
}

/** The claim on a line: the one that is held, or a new one. */
async function claimOf(
  store: DeliveryStore,
  { tenantId, channelId, line }: Line,
  nowMs: number,
  claims: Claims,
): Promise<Claim> {
  const name = JSON.stringify([tenantId, channelId, line]);
  const held = claims.get(name) ?? (await store.claim({ tenantId, channelId, line }, nowMs))?.claim;
  // Where there is nothing to claim, what is done without a claim must change nothing.
  const claim = held ?? { tenantId, channelId, line, fence: 0 };
  if (held) claims.set(name, claim);
  return claim;
}

async function resultOf(
  store: DeliveryStore,
  { tenantId, kind, draw, nowMs }: Operation,
  claims: Claims,
): Promise<unknown> {
  const [one = 0, two = 0, three = 0, four = 0] = draw;
  const key = { tenantId: tenantId ?? "", id: `d${one}` };
  const line = { tenantId: key.tenantId, channelId: `c${three}`, line: `chat${four}` };
  const letGo = (claim: Claim) =>
    claims.delete(JSON.stringify([claim.tenantId, claim.channelId, claim.line]));
  /** What a delivery is done with: as it stands, and the claim on its line. */
  const held = async () => {
    const delivery = await store.get(key);
    return delivery && { delivery, claim: await claimOf(store, delivery, nowMs, claims) };
  };
  const change = { tenantId: key.tenantId, channelId: `c${three}`, principalId: `p${four}`, nowMs };
  const relay = { tenantId: key.tenantId, name: `r${three}` };
  const fence = { ...relay, epoch: 1 + four };
  const settings = create(ChannelSettingsSchema, {
    kind: { case: "wecomRobot", value: { apiUrl: `https://${key.tenantId}${two}.example` } },
  });
  switch (kind) {
    case "insert":
      return (await store.insert([newDelivery(key, line, draw, nowMs)], nowMs)).map(plain);
    case "begin": {
      const found = await held();
      return found && plain(await store.begin(found.claim, key, nowMs));
    }
    case "finishPart": {
      const found = await held();
      return found && plain(await store.finishPart(found.claim, found.delivery, nowMs));
    }
    case "finish": {
      const found = await held();
      if (!found) return undefined;
      letGo(found.claim);
      return store.finish(
        found.claim,
        { ...found.delivery, attemptCount: two < 4 ? found.delivery.attemptCount : two },
        ({ reason }) => ({
          state: four === 0 ? Delivery_State.QUEUED : Delivery_State.SENT,
          reason: `${reason}${four}`.slice(-20),
          nextTimeMs: four === 0 ? nowMs : undefined,
          outcome: Attempt_Outcome.DELIVERED,
          detail: key.tenantId,
          report: three === 0,
        }),
        nowMs,
      );
    }
    case "manyTries": {
      // One that nothing else ends, so that one tenant's has some tries while the other's has more than are kept.
      const many = { ...key, id: "many" };
      await store.insert([newDelivery(many, { channelId: "many", line: "" }, [0, 0, 1, 1], nowMs)], nowMs);
      for (let count = four === 0 ? 23 : 1; count > 0; count -= 1) {
        const claim = await claimOf(store, { ...line, channelId: "many", line: "" }, nowMs, claims);
        const begun = await store.begin(claim, many, nowMs);
        const again = () => tryAgain(key.tenantId, nowMs);
        letGo(claim);
        if (begun) await store.finish(claim, begun, again, nowMs);
        else await store.release(claim);
      }
      return store.attempts(many);
    }
    case "attachRelay":
      return store.attachRelay(
        {
          ...relay,
          instanceId: `i${one}`,
          softwareVersion: key.tenantId,
          address: `${key.tenantId}:${two}`,
          channels: [{ channelId: `c${three}`, kind: Channel_Kind.WECOM_ROBOT }],
        },
        nowMs,
      );
    case "heardRelay":
      return store.heardRelays([{ fence, waitingInbounds: one }], nowMs);
    case "detachRelay":
      return store.detachRelay(fence, `ended by ${key.tenantId}`, nowMs);
    case "drainRelay": {
      const drained = await store.drainRelay({ ...relay, reason: `r${two}`, principalId: `p${four}`, nowMs });
      return drained?.epoch;
    }
    case "relays":
      return (
        await store.listRelays({ ...relay, attachedOnly: four === 0, afterName: `r${four}`, limit: 2 }, nowMs)
      ).map(({ heardTimeMs: _, detachTimeMs: __, ...rest }) => rest);
    case "fenced": {
      const found = await held();
      if (!found) return undefined;
      const begun = await store.begin(found.claim, key, nowMs, fence);
      return [plain(begun), await store.isCurrent(fence)];
    }
    case "wake":
      return (await store.wakeLines(key.tenantId, line.channelId, nowMs))
        .map((each) => JSON.stringify(each))
        .sort();
    case "hold": {
      const found = await held();
      if (!found) return undefined;
      letGo(found.claim);
      return store.hold(found.claim, key, `waits ${four}`, nowMs + 50 * two, nowMs);
    }
    case "end":
    case "postpone": {
      const found = await held();
      if (!found) return undefined;
      letGo(found.claim);
      return kind === "end"
        ? store.end(found.claim, key, Delivery_State.FAILED, `ended ${four}`, nowMs)
        : store.postpone(found.claim, key, nowMs + two);
    }
    case "renew": {
      const own = [...claims.values()].filter((claim) => claim.tenantId === key.tenantId);
      return (await store.sharing?.renew(own))?.map((claim) => claim.line).sort();
    }
    case "withdraw":
      return store.withdraw([{ tenantId: key.tenantId, sessionId: `s${two}`, reason: "over" }], nowMs);
    case "get":
      return plain(await store.get(key));
    case "list":
      return (
        await store.list({
          tenantId: key.tenantId,
          sessionId: two < 3 ? `s${two}` : "",
          states: three === 0 ? [Delivery_State.SENT] : [],
          beforeSequence: (await store.get(key))?.sequence ?? Number.MAX_SAFE_INTEGER,
          limit: 5,
        })
      ).map(plain);
    case "attempts":
      return store.attempts(key);
    case "next": {
      const claimed = await store.claim(line, nowMs);
      if (claimed) await store.release(claimed.claim, four === 0 ? nowMs + 100 : undefined);
      return plain(claimed?.first);
    }
    case "noteSend":
      return store.noteSend(line, four === 0 ? undefined : { reason: `r${two}`, broken: four === 1 }, nowMs);
    case "health":
      return store.health(line.tenantId, line.channelId);
    case "purge":
      return store.purge(key.tenantId, nowMs - 2_000);
    case "unreported": {
      const all = await store.takeReports(10_000, three === 0 ? ["nobody"] : []);
      await store.leaveReports(all);
      return all
        .filter((delivery) => delivery.tenantId === key.tenantId)
        .map((delivery) => plain({ ...delivery, fence: 0 }));
    }
    case "lines":
      return (await store.waitingLines(nowMs))
        .filter((each) => each.tenantId === key.tenantId)
        .map((each) => JSON.stringify(each))
        .sort();
    case "tenants":
      return (await store.tenants()).filter((each) => each === key.tenantId);
    case "createChannel":
      return store.createChannel(change, { name: `n${two}`, settings, secret: `k${one}` });
    case "updateChannel":
      return store.updateChannel(change, {
        name: four === 0 ? undefined : `u${two}`,
        settings: four === 1 ? undefined : settings,
        secret: four === 2 ? undefined : `k${one}`,
      });
    case "deleteChannel":
      return store.deleteChannel(change, "taken away");
    case "channel": {
      const channel = await store.channel(key.tenantId, line.channelId);
      return channel && [channel.name, channel.settings.kind.value, channel.secret(), channel.updateTimeMs];
    }
    case "channelIds":
      return store.channelIds(key.tenantId);
    case "audit":
      return (await store.audit.list(key.tenantId, {}, 3)).map(
        ({ sequence, action, resource, before, after }) => [sequence, action, resource, before, after],
      );
    case "recover":
      return store.recover(nowMs);
    case "rewrap":
      return store.rewrap();
    case "markReported": {
      // Of each tenant the oldest.
      const all = await store.takeReports(10_000, []);
      const oldest = new Set([...Map.groupBy(all, (each) => each.tenantId).values()].map(([first]) => first));
      await store.markReported([...oldest].map((each) => each!));
      return store.leaveReports(all.filter((each) => !oldest.has(each)));
    }
  }
  throw new Error(`there is no operation ${kind}`);
}

function tryAgain(tenantId: string, nowMs: number): Settlement {
  return {
    state: Delivery_State.QUEUED,
    reason: tenantId,
    nextTimeMs: nowMs,
    outcome: Attempt_Outcome.RETRYABLE,
    detail: tenantId,
    report: false,
  };
}

function newDelivery(
  key: { tenantId: string; id: string },
  line: { channelId: string; line: string },
  [, two = 0, three = 0, four = 0]: readonly number[],
  nowMs: number,
): NewDelivery {
  return {
    ...key,
    sessionId: two === 0 ? "" : `s${two}`,
    channelId: line.channelId,
    chatId: line.line,
    chatType: ChatType.GROUP,
    line: line.line,
    parts: [{ kind: "text", text: `of ${key.tenantId}`, mentions: [] }],
    isSecret: four === 0,
    state: Delivery_State.QUEUED,
    reason: "",
    nextTimeMs: nowMs + three,
    giveUpTimeMs: nowMs + 100_000,
    report: three === 0,
  };
}

/** Without its place among those of all tenants, which is not told to anybody. */
function plain(delivery: (StoredDelivery & { fence?: number }) | undefined): object | undefined {
  return delivery && { ...delivery, sequence: 0 };
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
