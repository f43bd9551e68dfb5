// Two replicas on one database, one of which is killed under load; and a database that goes away under load.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { Reply_Disposition, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService, type SubmitReplyRequest } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { startListener } from "@hil/platform/http/listener.ts";
import { createOriginGuard } from "@hil/platform/http/origin-guard.ts";
import { defineService, type Handlers } from "@hil/platform/rpc/service.ts";
import { openVault } from "@hil/platform/secrets/vault.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { startProcess } from "@hil/testing/processes/start-process.ts";
import { startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { expect, test, vi } from "vitest";
import { openPostgresInboxStore } from "./inbox-store-postgres.ts";
import { createFakeSessions } from "./testing/fake-sessions.ts";
import { startCallbackService } from "./testing/start-callback-service.ts";

const CHATS = 50;
const EACH = 20;

const body = (chatId: string, number: number) => ({
  chatid: chatId,
  chattype: "group",
  msgtype: "text",
  from: { userid: "lina" },
  msgid: `${chatId}-${number}`,
  text: { content: `${number}` },
});

/** The numbers of what each chat's session got, in the order in which it first got each message. */
function firstHandOvers(submitted: readonly SubmitReplyRequest[]): Map<string, number[]> {
  const seen = new Set<string>();
  const numbers = new Map<string, number[]>();
  for (const { inboundId, chatId, text } of submitted) {
    if (seen.has(inboundId)) continue;
    seen.add(inboundId);
    numbers.set(chatId, [...(numbers.get(chatId) ?? []), Number(text)]);
  }
  return numbers;
}

/** A session service that other processes reach. A session waits in every chat. */
async function serveSessions(submitted: SubmitReplyRequest[]) {
  const handlers: Partial<Handlers<typeof SessionService>> = {
    findSessionsForReply: ({ by }) => {
      if (by.case !== "chat") return {};
      const { channelId, chatId } = by.value;
      const audience = { targets: [{ channelId, chatId }] };
      const id = `01930000-0000-7000-8000-${chatId.slice(1).padStart(12, "0")}`;
      return { sessions: [{ id, tenantId: "_default", state: Session_State.OPEN, audience }] };
    },
    async submitReply(request) {
      submitted.push(request);
      await pause(2);
      return { disposition: Reply_Disposition.ACCEPTED };
    },
  };
  return startListener({
    host: "127.0.0.1",
    port: 0,
    services: [
      defineService(SessionService, handlers as Handlers<typeof SessionService>, {
        authenticate: () => ({ kind: "service", id: "test", tenantId: "_default", roles: [Role.SERVICE] }),
        log: silentLog,
      }),
    ],
    fallback: (_, response) => void response.writeHead(404).end(),
    guard: createOriginGuard({ listenHost: "127.0.0.1", allowedHosts: [] }),
    isInner: true,
    log: silentLog,
  });
}

test("I1, I2, W1: 1,000 messages of 50 chats, some repeated, and a replica killed: each is settled once, in order", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase("callback");
  const dataDir = mkdtempSync(join(tmpdir(), "hil-callback-replicas-"));
  const submitted: SubmitReplyRequest[] = [];
  const sessions = await serveSessions(submitted);
  await using ending = new AsyncDisposableStack();
  ending.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  ending.defer(() => sessions.close(0));
  const start = () =>
    startProcess(join(import.meta.dirname, "testing", "callback-replica.ts"), [], {
      DATA_DIR: dataDir,
      POSTGRES_URL: url,
      SESSIONS_URL: `http://127.0.0.1:${sessions.port}`,
    });
  await using again = new AsyncDisposableStack();
  const vault = openVault({ dataDir, environment: {} });
  await using first = await start();
  await using second = await start();
  const replicas = [first, second];
  let answered = 0;
  const post = async (replica: number, chatId: string, number: number): Promise<boolean> => {
    try {
      const { status } = await fetch(`http://127.0.0.1:${replicas[replica]!.port}/callback`, {
        method: "POST",
        body: JSON.stringify(body(chatId, number)),
      });
      return status === 200;
    } catch {
      return false; // the replica was killed: as a vendor does, send it again
    }
  };
  /** As the vendor: the next message of a chat comes after the last was answered. */
  const talk = async (chat: number): Promise<void> => {
    for (let number = 0; number < EACH; ) {
      const replica = (chat + number) % 2;
      const isRepeated = (chat + number) % 5 === 0;
      const tries = await Promise.all(
        (isRepeated ? [replica, 1 - replica, replica] : [replica]).map((each) =>
          post(each, `c${chat}`, number),
        ),
      );
      if (!tries.includes(true) && !(await post(1 - replica, `c${chat}`, number))) {
        await pause(50);
        continue;
      }
      answered += 1;
      number += 1;
      if (number % 7 === 0) await post(replica, `c${chat}`, number - 3); // long after
    }
  };
  const killing = (async () => {
    await vi.waitUntil(() => answered > (CHATS * EACH) / 3, { timeout: 60_000 });
    await replicas[0]!.kill("SIGKILL");
    await vi.waitUntil(() => answered > (CHATS * EACH) / 2, { timeout: 60_000 });
    replicas[0] = again.use(await start());
  })();
  await Promise.all([killing, ...Array.from({ length: CHATS }, (_, chat) => talk(chat))]);

  const store = await openPostgresInboxStore({ url, vault, log: silentLog });
  await vi.waitUntil(async () => (await store.backlog()).messages === 0, { timeout: 30_000, interval: 100 });
  const page = { tenantId: "_default", chatId: "", limit: 2 * CHATS * EACH, beforeId: "" };
  const kept = await store.list({ ...page, dispositions: [] });
  expect(kept).toHaveLength(CHATS * EACH);
  expect(await store.list({ ...page, dispositions: [Inbound_Disposition.ATTACHED] })).toHaveLength(
    CHATS * EACH,
  );
  const handOvers = firstHandOvers(submitted);
  expect(handOvers.size).toBe(CHATS);
  for (const numbers of handOvers.values()) {
    expect(numbers).toEqual(Array.from({ length: EACH }, (_, number) => number));
  }
  await store.close();
}, 180_000);

test("G10: PostgreSQL away for 20 s at 20 callbacks/s: every one is answered 200, and settled once, in order", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase("callback");
  const { client, submitted } = createFakeSessions();
  await using callback = await startCallbackService({
    sessions: client,
    storage: { kind: "postgres", url },
  });
  const chats = 10;
  const statuses: number[] = [];
  const slowest = { ms: 0 };
  const sent = new Map<string, number>();
  const posting: Promise<void>[] = [];
  const send = async (chatId: string) => {
    const number = sent.get(chatId) ?? 0;
    sent.set(chatId, number + 1);
    const since = performance.now();
    const { status } = await callback.post(body(chatId, number));
    statuses.push(status);
    slowest.ms = Math.max(slowest.ms, performance.now() - since);
  };
  const sendFor = async (ms: number) => {
    for (let tick = 0; tick < ms / 50; tick++) {
      posting.push(send(`c${tick % chats}`));
      await pause(50);
    }
  };
  await sendFor(1_000);
  await server.kill("SIGQUIT");
  await sendFor(20_000);
  await server.restart();
  await sendFor(2_000);
  await Promise.all(posting);
  const total = [...sent.values()].reduce((sum, each) => sum + each, 0);
  expect(statuses).toEqual(Array(total).fill(200));
  expect(slowest.ms).toBeLessThan(5_000); // then a vendor gives up

  const settled = async () => {
    const { inbounds } = await callback.owner.listInbound({
      dispositions: [Inbound_Disposition.ATTACHED],
      pageSize: 200,
    });
    return inbounds.length === 200 && firstHandOvers(submitted).size === chats ? submitted.length : 0;
  };
  await vi.waitUntil(async () => (await settled()) >= total, { timeout: 60_000, interval: 200 });
  const vault = openVault({ dataDir: callback.dataDir, environment: {} });
  const store = await openPostgresInboxStore({ url, vault, log: silentLog });
  await vi.waitUntil(async () => (await store.backlog()).messages === 0, { timeout: 10_000, interval: 100 });
  const page = { tenantId: "_default", chatId: "", limit: 2 * total, beforeId: "" };
  expect(await store.list({ ...page, dispositions: [Inbound_Disposition.ATTACHED] })).toHaveLength(total);
  expect(await store.list({ ...page, dispositions: [] })).toHaveLength(total);
  for (const [chatId, numbers] of firstHandOvers(submitted)) {
    expect(numbers).toEqual(Array.from({ length: sent.get(chatId)! }, (_, number) => number));
  }
  await store.close();
}, 180_000);
