import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVault, type Vault } from "@hil/platform/secrets/vault.ts";
import { storageUnavailable } from "@hil/platform/storage/storage-unavailable.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { message } from "./inbox-store.contract.ts";
import type { NewInbound } from "./inbox-store.ts";
import { openLeftSpool, openSpool } from "./spool.ts";
import { createSpooledInbox } from "./spooled-inbox.ts";

let dataDir: string;
let vault: Vault;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hil-spool-"));
  vault = openVault({ dataDir, environment: {} });
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = () => openSpool({ dataDir, vault, log: silentLog });
const openLeft = () => openLeftSpool({ dataDir, vault, log: silentLog });
const idsOf = (messages: readonly { readonly inbound: { readonly id: string } }[]) =>
  messages.map(({ inbound }) => inbound.id);

test("G1: what is in a spool is there after a restart, in order, with the yes that was said, and sealed (X5)", async () => {
  const words = "the-launch-code-is-0000";
  const spool = open();
  const [first, second] = [message({ id: "m1" }), message()];
  await spool.add({ ...first, vendorMessage: words });
  await spool.add(second);
  expect(await spool.add(message({ id: "m1" }))).toEqual({ id: first.inbound.id, duplicate: true });
  const said = new Date("2026-11-20T10:00:01Z");
  const relayed = { ...message(), relayInboundId: "r1", ackTime: said };
  await spool.add(relayed);
  expect(await spool.acknowledge({ channelTenantId: "_default", id: second.inbound.id }, said)).toBe(true);
  expect(await spool.acknowledge({ channelTenantId: "t2", id: first.inbound.id }, said)).toBe(false);
  const folder = join(dataDir, "callback-spool", "1");
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)).toString("latin1"));
  expect(files.join("")).not.toContain(words);
  spool.close();

  const again = open();
  expect(again.size).toBe(3);
  const kept = again.oldest(10);
  expect(kept.map((each) => each.message)).toEqual([
    { ...first, vendorMessage: words, ackTime: undefined },
    { ...second, ackTime: said },
    relayed,
  ]);
  expect(await again.remove(kept.map(({ seq }) => seq))).toEqual([
    { seq: kept[1]!.seq, ackTime: said },
    { seq: kept[2]!.seq, ackTime: said },
  ]);
  again.close();
  expect(existsSync(join(folder, "spool.db"))).toBe(false);
});

test("G2: processes on one folder have a spool each, and what a dead one left is another's to bring on", async () => {
  const [one, other] = [open(), open()];
  const left = message({ id: "m1" });
  await one.add(left);
  expect(openLeft()).toBeUndefined(); // both live
  one.close();
  const added: NewInbound[] = [];
  const brought: string[] = [];
  const inbox = createSpooledInbox({
    store: {
      add: async (each) => {
        added.push(each);
        return { id: each.inbound.id, duplicate: false };
      },
      acknowledge: async () => {},
    },
    spool: other,
    openLeft,
    brought: (chatKey) => brought.push(chatKey),
    log: silentLog,
  });
  await vi.waitFor(() => expect(idsOf(added)).toEqual([left.inbound.id]));
  await vi.waitFor(() => expect(brought).toHaveLength(1));
  await inbox.close();
  expect(openLeft()).toBeUndefined();
});

test("U1, U2: while the database does not answer messages are kept aside, and brought on in order before any other", async () => {
  let state: "away" | "hangs" | "there" = "hangs";
  const added: NewInbound[] = [];
  const inbox = createSpooledInbox({
    store: {
      add: (each) => {
        if (state === "hangs") return new Promise(() => {});
        if (state === "away") return Promise.reject(storageUnavailable("it is away"));
        added.push(each);
        return Promise.resolve({ id: each.inbound.id, duplicate: false });
      },
      acknowledge: async () => {},
    },
    spool: open(),
    openLeft: () => undefined,
    brought: () => {},
    patienceMs: 20,
    log: silentLog,
  });
  const sent = Array.from({ length: 5 }, (_, index) => message({ id: `m${index}` }));
  state = "away";
  for (const each of sent.slice(0, 4)) expect((await inbox.add(each)).duplicate).toBe(false);
  expect(inbox.spooled()).toMatchObject({ messages: 4 });
  state = "there";
  await inbox.add(sent[4]!);
  await vi.waitFor(() => expect(inbox.spooled().messages).toBe(0));
  expect(idsOf(added)).toEqual(idsOf(sent));
  state = "hangs";
  const last = message({ id: "last" });
  expect((await inbox.add(last)).id).toBe(last.inbound.id);
  expect(inbox.spooled().messages).toBe(1);
  await inbox.close();
});

test("what fails for another reason than the database's absence is not kept aside", async () => {
  const inbox = createSpooledInbox({
    store: { add: () => Promise.reject(new Error("a fault")), acknowledge: async () => {} },
    spool: open(),
    openLeft: () => undefined,
    brought: () => {},
    log: silentLog,
  });
  await expect(inbox.add(message())).rejects.toThrow("a fault");
  expect(inbox.spooled().messages).toBe(0);
  await inbox.close();
});
