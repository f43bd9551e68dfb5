import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Inbound_Disposition, Inbound_Kind, InboundSchema } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { openVault, type Vault } from "@hil/platform/secrets/vault.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatKeyOf, type InboxRow, type InboxStore, type NewInbound, type NoticeRow } from "./inbox-store.ts";

const start = new Date("2026-11-20T10:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);

const key = (id: string, channelTenantId = "_default") => ({ channelTenantId, id });

/** What every InboxStore does. `reopen` closes the store and opens it again on what it kept. */
export function inboxStoreContract({
  open,
  reopen: reopenWith,
  onDisk,
}: {
  /** On an empty database. */
  open(vault: Vault): Promise<InboxStore>;
  reopen(store: InboxStore, vault: Vault): Promise<InboxStore>;
  /** All that is kept, as it is kept. */
  onDisk(store: InboxStore): Promise<string>;
}): void {
  let dataDir: string;
  let store: InboxStore;
  const reopen = (store: InboxStore, vault = openVault({ dataDir, environment: {} })) =>
    reopenWith(store, vault);
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "hil-inbox-contract-"));
    store = await open(openVault({ dataDir, environment: {} }));
  });
  afterEach(async () => {
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  describe("with an id of the vendor (I2, F20)", () => {
    test("a repetition is a duplicate, however late and however many at a time", async () => {
      const first = await store.add(message({ id: "m1" }));
      expect(first.duplicate).toBe(false);
      const again = await Promise.all(
        [0, 15, 86_400].map((seconds) =>
          store.add(message({ id: "m1", time: at(seconds), digest: "other" })),
        ),
      );
      expect(again).toEqual([0, 1, 2].map(() => ({ id: first.id, duplicate: true })));
    });

    test.each([{ userId: "wang" }, { chatId: "c2" }, { channelId: "other" }, { channelTenantId: "t2" }])(
      "the same id with %j is another message",
      async (difference) => {
        await store.add(message({ id: "m1" }));
        expect(await store.add(message({ id: "m1", ...difference }))).toMatchObject({ duplicate: false });
      },
    );
  });

  describe("without an id", () => {
    test("an equal message within 60 s of one whose yes was never written out is a repetition", async () => {
      const [first, second] = await Promise.all([store.add(message()), store.add(message({ time: at(5) }))]);
      expect(second).toEqual({ id: first.id, duplicate: true });
      expect(await store.add(message({ time: at(60) }))).toEqual({ id: first.id, duplicate: true });
    });

    test("an equal message after our yes was written out is one of its own", async () => {
      const ids = new Set<string>();
      for (const seconds of [0, 1, 2]) {
        const { id, duplicate } = await store.add(message({ time: at(seconds) }));
        expect(duplicate).toBe(false);
        await store.acknowledge(key(id), at(seconds));
        ids.add(id);
      }
      expect(ids.size).toBe(3);
    });

    test("an equal message after 60 s is one of its own", async () => {
      await store.add(message());
      expect(await store.add(message({ time: at(61) }))).toMatchObject({ duplicate: false });
    });

    test("an equal message after others of the same were cleaned up is one of its own (I1)", async () => {
      const days = [0, 1, 20];
      const settlement = {
        disposition: Inbound_Disposition.IGNORED,
        tenantId: "_default",
        sessionId: "",
        guidance: "",
      };
      for (const day of days) {
        const { id } = await store.add(message({ time: at(day * 86_400) }));
        await store.settle(key(id), settlement, at(day * 86_400));
      }
      expect(await store.deleteSettledBefore("_default", at(2 * 86_400), 1)).toBe(1);
      expect(await store.add(message({ time: at(31 * 86_400) }))).toMatchObject({ duplicate: false });
    });

    test("another body is never a duplicate", async () => {
      await store.add(message());
      expect(await store.add(message({ digest: "d2" }))).toMatchObject({ duplicate: false });
      expect(await store.add(message({ channelTenantId: "t2" }))).toMatchObject({ duplicate: false });
    });
  });

  describe("kept by a relay before, without an id of the vendor (I9)", () => {
    const relayed = (relayInboundId: string, ackTime: Date | undefined, time = start) => ({
      ...message({ time }),
      relayInboundId,
      ackTime,
    });

    test("what the relay repeats is there once, however often and whatever came between", async () => {
      const first = await store.add(relayed("r1", at(0)));
      const second = await store.add(relayed("r2", at(1), at(1)));
      expect([first, second]).toMatchObject([{ duplicate: false }, { duplicate: false }]);
      expect(await store.add(relayed("r1", at(0)))).toEqual({ id: first.id, duplicate: true });
      const again = await Promise.all([
        store.add(relayed("r2", at(1), at(1))),
        store.add(relayed("r1", at(0))),
      ]);
      expect(again).toEqual([
        { id: second.id, duplicate: true },
        { id: first.id, duplicate: true },
      ]);
    });

    test("a vendor's repetition to which the relay's yes did not get is one message", async () => {
      const first = await store.add(relayed("r1", undefined));
      expect(await store.add(relayed("r2", at(5), at(5)))).toEqual({ id: first.id, duplicate: true });
      // The yes to the repetition counts for the message: who says the same again means it.
      expect(await store.add(relayed("r3", at(9), at(9)))).toMatchObject({ duplicate: false });
    });

    test("a yes that the relay knows of only at its repetition counts from then on", async () => {
      const first = await store.add(relayed("r1", undefined));
      expect(await store.add(relayed("r1", at(0)))).toEqual({ id: first.id, duplicate: true });
      expect(await store.add(relayed("r2", at(3), at(3)))).toMatchObject({ duplicate: false });
    });

    test("the same id of another tenant's relay is another message (I6)", async () => {
      await store.add(relayed("r1", at(0)));
      const other = { ...message({ channelTenantId: "t2" }), relayInboundId: "r1", ackTime: at(0) };
      expect(await store.add(other)).toMatchObject({ duplicate: false });
    });
  });

  test("what was kept is there after the file is opened again (I1)", async () => {
    const { id } = await store.add(message({ id: "m1" }));
    store = await reopen(store);
    expect(await store.pendingChats()).toEqual([chatKeyOf("_default", "wecom-robot", "c1")]);
    expect((await store.get("_default", id))?.inbound.vendorMessageId).toBe("m1");
  });

  test("a message is decided once: a late second decision changes nothing (I2)", async () => {
    const { id } = await store.add(message());
    const decide = (disposition: Inbound_Disposition, sessionId: string) =>
      store.settle(key(id), { disposition, tenantId: "_default", sessionId, guidance: "" }, start);
    await decide(Inbound_Disposition.ATTACHED, "s1");
    await decide(Inbound_Disposition.UNMATCHED, "");
    expect((await store.get("_default", id))?.inbound).toMatchObject({
      disposition: Inbound_Disposition.ATTACHED,
      sessionId: "s1",
    });
  });

  test("clean-up takes what a tenant kept long enough, and leaves what still waits for something", async () => {
    const ids: string[] = [];
    for (const [index, seconds] of [0, 1, 2, 3].entries()) {
      const added = await store.add(message({ id: `m${index}`, time: at(seconds) }));
      ids.push(added.id);
    }
    const foreign = await store.add(message({ id: "m0", channelTenantId: "t2" }));
    const settled = (tenantId: string, guidance = "") => ({
      disposition: Inbound_Disposition.IGNORED,
      tenantId,
      sessionId: "",
      guidance,
    });
    await store.settle(key(ids[0]!), settled("_default"), at(5));
    await store.settle(key(ids[1]!), settled("_default", "to be told"), at(5));
    await store.settle(key(ids[3]!), settled("_default"), at(5));
    await store.settle(key(foreign.id, "t2"), settled("t2"), at(5));
    expect((await store.tenantIds()).toSorted()).toEqual(["_default", "t2"]);
    expect(await store.deleteSettledBefore("_default", at(3), 10)).toBe(1);
    const kept = await Promise.all(ids.map((id) => store.get("_default", id)));
    expect(kept.map((row) => row !== undefined)).toEqual([false, true, true, true]);
    expect(await store.get("t2", foreign.id)).toBeDefined();
    await store.settleNotice(key(ids[1]!), "");
    expect(await store.deleteSettledBefore("_default", at(3), 10)).toBe(1);
  });

  describe("what people wrote and were told (X5)", () => {
    const words = "the-launch-code-is-0000";
    test("is in no file in plain text, and is read back as it came", async () => {
      const { id } = await store.add(withWords(message({ id: "m1" }), words));
      await store.settle(
        key(id),
        { disposition: Inbound_Disposition.INVALID, tenantId: "t1", sessionId: "s1", guidance: words },
        start,
      );
      expect(await onDisk(store)).not.toContain(words);
      store = await reopen(store);
      expect(await store.get("t1", id)).toMatchObject({
        vendorMessage: words,
        inbound: { text: words, quotedText: words, imageUrls: [words], guidance: words },
      });
    });

    test("is not kept with a code that was in it", async () => {
      const { id } = await store.add(withWords(message({ id: "m1" }), words));
      const settlement = {
        disposition: Inbound_Disposition.LINKED,
        tenantId: "t1",
        sessionId: "",
        guidance: "",
      };
      await store.settle(key(id), { ...settlement, text: "link ********" }, start);
      expect(await store.get("t1", id)).toMatchObject({
        vendorMessage: "{}",
        inbound: { text: "link ********" },
      });
    });

    test("is wrapped anew after a rotation of the master key, and then needs the new key alone", async () => {
      const rotated = { HIL_MASTER_KEY: `${"b".repeat(64)},${"a".repeat(64)}` };
      const rewrapped = async (environment: NodeJS.ProcessEnv) => {
        store = await reopen(store, openVault({ dataDir, environment }));
      };
      rmSync(join(dataDir, "credentials"), { recursive: true });
      await rewrapped({ HIL_MASTER_KEY: "a".repeat(64) });
      const { id } = await store.add(withWords(message({ id: "m1" }), words));
      const settlement = {
        disposition: Inbound_Disposition.INVALID,
        tenantId: "t1",
        sessionId: "",
        guidance: words,
      };
      await store.settle(key(id), settlement, start);
      await rewrapped(rotated);
      expect(await store.rewrapSome(10)).toBe(2);
      expect(await store.rewrapSome(10)).toBe(0);
      await rewrapped({ HIL_MASTER_KEY: "b".repeat(64) });
      expect((await store.get("t1", id))?.inbound).toMatchObject({ text: words, guidance: words });
    });
  });

  describe("work", () => {
    const chat = chatKeyOf("_default", "wecom-robot", "c1");
    const pending = async () => (await store.firstPending(chat)) as InboxRow | undefined;
    const notice = async () => (await store.firstNotice(chat)) as NoticeRow | undefined;
    const settlement = {
      disposition: Inbound_Disposition.INVALID,
      tenantId: "t1",
      sessionId: "s1",
      guidance: "be clear",
    };

    test("waits in the order in which it came, chat by chat, and is looked for by its chat (W1)", async () => {
      const ids: string[] = [];
      for (const id of ["m1", "m2", "m3"]) ids.push((await store.add(message({ id }))).id);
      await store.add(message({ id: "m1", chatId: "c2" }));
      expect(await store.pendingChats()).toEqual([chat, chatKeyOf("_default", "wecom-robot", "c2")]);
      expect(await store.backlog()).toEqual({ messages: 4, oldestTimeMs: start.getTime() });
      for (const id of ids) {
        const row = (await pending())!;
        expect(row.inbound.id).toBe(id);
        expect(await store.recordMatch({ ...key(id), token: row.token }, settlement)).toBe(true);
        expect(await pending()).toMatchObject({ tenantId: "t1", inbound: { sessionId: "s1" } });
        expect(await store.settle({ ...key(id), token: row.token }, settlement, start)).toBe(true);
      }
      expect(await pending()).toBeUndefined();
      for (const id of ids) {
        const row = (await notice())!;
        expect(row).toMatchObject({ settleTime: start, inbound: { id, guidance: "be clear" } });
        await store.recordNoticeFailure({ ...key(id), token: row.token }, { error: "no", attemptCount: 2 });
        expect((await notice())?.noticeAttemptCount).toBe(2);
        await store.settleNotice({ ...key(id), token: row.token }, "");
      }
      expect(await notice()).toBeUndefined();
      expect(await store.noticeChats()).toEqual([]);
    });

    test("that failed too often is dead until somebody drives it again, which is in the audit log (F23, I11)", async () => {
      const { id } = await store.add(message({ id: "m1" }));
      await store.recordFailure(key(id), { error: "no", attemptCount: 1, dead: false });
      expect((await pending())?.inbound).toMatchObject({ attemptCount: 1, lastError: "no" });
      await store.recordFailure(key(id), { error: "no", attemptCount: 5, dead: true });
      expect(await pending()).toBeUndefined();
      const redrive = { tenantId: "_default", id, principalId: "ann", time: start };
      expect([await store.redrive(redrive), await store.redrive(redrive)]).toEqual([true, false]);
      expect((await pending())?.inbound.attemptCount).toBe(0);
      expect(await store.audit.list("_default", {}, 10)).toMatchObject([{ action: "inbound.redriven" }]);
    });
  });
}

export function message({
  id = "",
  userId = "lina",
  chatId = "c1",
  channelId = "wecom-robot",
  channelTenantId = "_default",
  digest = "d1",
  time = start,
} = {}): NewInbound {
  return {
    channelTenantId,
    vendorMessage: "{}",
    bodyDigest: digest,
    inbound: create(InboundSchema, {
      id: uuidV7(time.getTime()),
      channelId,
      chatId,
      sender: { userId },
      kind: Inbound_Kind.MESSAGE,
      vendorMessageId: id,
      receiveTime: timestampFromDate(time),
    }),
  };
}

function withWords(given: NewInbound, words: string): NewInbound {
  const inbound = { ...given.inbound, text: words, quotedText: words, imageUrls: [words] };
  return { ...given, inbound, vendorMessage: words };
}
