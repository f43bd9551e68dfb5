import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { openVault, type Vault } from "@hil/platform/secrets/vault.ts";
import { ALL_TENANTS, Postgres } from "@hil/platform/storage/postgres.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { inboxStoreContract, message } from "./inbox-store.contract.ts";
import { chatKeyOf, type InboxRow, type InboxStore, TAKEN } from "./inbox-store.ts";
import { openPostgresInboxStore } from "./inbox-store-postgres.ts";

let server: PostgresServer;
let url = "";
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (vault: Vault, leaseMs?: number) =>
  openPostgresInboxStore({ url, vault, log: silentLog, ...(leaseMs === undefined ? {} : { leaseMs }) });

inboxStoreContract({
  async open(vault) {
    url = await server.createDatabase(`inbox${++databases}`);
    return open(vault);
  },
  async reopen(store, vault) {
    await store.close();
    return open(vault);
  },
  async onDisk() {
    const migrations = join(import.meta.dirname, "migrations-postgres");
    const db = await Postgres.open({ url, schema: "callback", migrations, log: silentLog });
    const rows = await db.query<object>(ALL_TENANTS, "SELECT * FROM inbound");
    await db.close();
    expect(rows).not.toEqual([]);
    return rows
      .flatMap((row) => Object.values(row))
      .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : `${value}`))
      .join("\n");
  },
});

describe("two replicas on one database", () => {
  const chat = chatKeyOf("_default", "wecom-robot", "c1");
  const settlement = {
    disposition: Inbound_Disposition.ATTACHED,
    tenantId: "_default",
    sessionId: "s1",
    guidance: "",
  };
  const keyOf = ({ channelTenantId, inbound: { id }, token }: InboxRow) => ({ channelTenantId, id, token });
  const onReplicas = async (
    leaseMs: number,
    work: (replicas: readonly [InboxStore, InboxStore]) => Promise<void>,
  ) => {
    const dataDir = mkdtempSync(join(tmpdir(), "hil-inbox-replicas-"));
    const vault = openVault({ dataDir, environment: {} });
    url = await server.createDatabase(`inbox${++databases}`);
    const replicas = [await open(vault, leaseMs), await open(vault, leaseMs)] as const;
    try {
      await work(replicas);
    } finally {
      for (const replica of replicas) await replica.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
  };

  test("I2: of 40 copies that come to both at the same time one is kept, with an id and without", () =>
    onReplicas(60_000, async (replicas) => {
      for (const id of ["m1", ""]) {
        const added = await Promise.all(
          Array.from({ length: 40 }, (_, index) => replicas[index % 2]!.add(message({ id }))),
        );
        expect(added.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
        expect(new Set(added.map((each) => each.id)).size).toBe(1);
      }
    }));

  test("C1: a chat is one replica's until nothing waits there, or it lets go", () =>
    onReplicas(60_000, async ([one, other]) => {
      await one.add(message({ id: "m1" }));
      await other.add(message({ id: "m2" }));
      const first = (await one.firstPending(chat)) as InboxRow;
      expect(await other.firstPending(chat)).toBe(TAKEN);
      expect(await other.pendingChats()).toEqual([]);
      expect(await other.firstNotice(chat)).toBeUndefined();
      await one.settle(keyOf(first), settlement, new Date());
      expect(await other.firstPending(chat)).toBe(TAKEN);
      const second = (await one.firstPending(chat)) as InboxRow;
      expect(second.inbound.vendorMessageId).toBe("m2");
      await one.settle(keyOf(second), settlement, new Date());
      expect(await one.firstPending(chat)).toBeUndefined();
      await other.add(message({ id: "m3" }));
      const third = (await other.firstPending(chat)) as InboxRow;
      expect(third.inbound.vendorMessageId).toBe("m3");
      await other.close();
      expect(((await one.firstPending(chat)) as InboxRow).inbound.id).toBe(third.inbound.id);
    }));

  test("C2: a replica that stood still is overruled: nothing it decides counts", () =>
    onReplicas(600, async ([one, other]) => {
      const { id } = await one.add(message({ id: "m1" }));
      const stale = (await one.firstPending(chat)) as InboxRow;
      // Until another has the chat: a renewal in between would be of a claim that is nobody else's yet.
      const renewed = vi.spyOn(Postgres.prototype, "query").mockResolvedValue([]);
      const taken = await vi.waitUntil(
        async () => {
          const head = await other.firstPending(chat);
          return head !== TAKEN && (head as InboxRow);
        },
        { timeout: 20_000, interval: 50 },
      );
      renewed.mockRestore();
      expect(taken.inbound.id).toBe(id);
      expect(BigInt(taken.token!) > BigInt(stale.token!)).toBe(true);
      expect(await one.recordMatch(keyOf(stale), { tenantId: "t9", sessionId: "s9" })).toBe(false);
      expect(await one.settle(keyOf(stale), { ...settlement, sessionId: "s9" }, new Date())).toBe(false);
      await one.recordFailure(keyOf(stale), { error: "no", attemptCount: 5, dead: true });
      expect(await one.firstPending(chat)).toBe(TAKEN);
      expect(await other.settle(keyOf(taken), settlement, new Date())).toBe(true);
      expect((await other.get("_default", id))?.inbound).toMatchObject({
        disposition: Inbound_Disposition.ATTACHED,
        sessionId: "s1",
        lastError: "",
      });
    }));

  test("C1: a claim outlives its lease while its process lives", () =>
    onReplicas(1_500, async ([one, other]) => {
      await one.add(message({ id: "m1" }));
      const row = (await one.firstPending(chat)) as InboxRow;
      await new Promise((resolve) => setTimeout(resolve, 3_500));
      expect(await other.firstPending(chat)).toBe(TAKEN);
      expect(await one.settle(keyOf(row), settlement, new Date())).toBe(true);
    }));

  test("X2: what was kept elsewhere before counts once, whichever way it comes and whatever was answered", () =>
    onReplicas(60_000, async ([one, other]) => {
      const at = (seconds: number) => new Date(Date.UTC(2026, 10, 20, 10, 0, seconds));
      const early = { ...message({ time: at(0) }), ackTime: at(1) };
      const late = message({ time: at(5) });
      expect((await one.add(late)).duplicate).toBe(false);
      // The earlier one got its yes, so the later was no repetition of it, although it was here first.
      expect(await other.add(early)).toEqual({ id: early.inbound.id, duplicate: false });
      // The same again, as of one whose commit was not heard of.
      expect(await other.add(early)).toEqual({ id: early.inbound.id, duplicate: false });
      expect(
        await one.list({ tenantId: "_default", dispositions: [], chatId: "", limit: 9, beforeId: "" }),
      ).toHaveLength(2);
    }));
});
