// Two replicas of the service as callers see them: on one database, with one bus between them or none.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { EventBus } from "@hil/platform/events/event-bus.ts";
import { createInProcessBus } from "@hil/platform/events/in-process-bus.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { type PostgresServer, startPostgres } from "@hil/testing/servers/postgres-server.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startSessionService } from "./testing/start-session-service.ts";

const text = { kind: { case: "text" as const, value: {} } };
const chat = { targets: [{ channelId: "wecom-robot", chatId: "c1" }] };
const words = { kind: { case: "text" as const, value: { text: "yes" } } };
const patience = { seconds: 30n };

let server: PostgresServer;
let databases = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

async function startReplicas(bus: () => EventBus) {
  const storage = { kind: "postgres", url: await server.createDatabase(`service${++databases}`) } as const;
  const dataDir = mkdtempSync(join(tmpdir(), "hil-session-replicas-"));
  const one = await startSessionService({ storage, dataDir, bus });
  const other = await startSessionService({ storage, dataDir, bus });
  return {
    one,
    other,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

test("a wait at one replica ends with the answer that came through the other, and delivery hears once of each", async () => {
  const bus = createInProcessBus({ log: silentLog });
  await using replicas = await startReplicas(() => bus);
  const { one, other } = replicas;
  const { session } = await one.owner.createSession({
    requestId: "r",
    body: "Deploy?",
    interaction: text,
    audience: chat,
  });
  const sessionId = session!.id;
  const waiting = one.owner.waitSession({ sessionId, untilEnded: true, wait: patience });
  const answered = await other.owner.answerSession({ sessionId, requestId: "a", value: words });
  expect((await waiting).session).toEqual(answered.session);
  const again = await other.owner.createSession({
    requestId: "r",
    body: "Deploy?",
    interaction: text,
    audience: chat,
  });
  expect(again.session).toEqual(answered.session);
  await vi.waitUntil(() => [...one.endedAtDelivery, ...other.endedAtDelivery].includes(sessionId), {
    timeout: 10_000,
  });
  expect([...one.delivered, ...other.delivered].map((order) => order.session!.id)).toEqual([sessionId]);
});

/** A bus that carries nothing, and tells of a gap when it is told to. */
function createMuteBus() {
  const listeners = new Set<() => void>();
  const bus: EventBus = {
    publish: async () => {},
    subscribe: async () => ({ close: async () => {} }),
    onGap(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isConnected: () => false,
    close: async () => {},
  };
  return {
    bus,
    tellGap() {
      for (const listener of listeners) listener();
    },
  };
}

test("I7: where nothing comes over the bus the sweep finds the answer", async () => {
  await using replicas = await startReplicas(() => createMuteBus().bus);
  const { one, other } = replicas;
  const { session } = await one.owner.createSession({ body: "Deploy?", interaction: text });
  const sessionId = session!.id;
  const waiting = one.owner.waitSession({ sessionId, afterVersion: 1n, wait: patience });
  await other.owner.answerSession({ sessionId, requestId: "a", value: words });
  expect((await waiting).session!.state).toBe(Session_State.ANSWERED);
});

test("B3: after a gap waiters are compared with the database at once, and not only by the next sweep", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] }); // no sweep comes
  try {
    const { bus, tellGap } = createMuteBus();
    await using replicas = await startReplicas(() => bus);
    const { one, other } = replicas;
    const { session } = await one.owner.createSession({ body: "Deploy?", interaction: text });
    const sessionId = session!.id;
    const waiting = one.owner.waitSession({ sessionId, afterVersion: 1n, wait: patience });
    await other.owner.answerSession({ sessionId, requestId: "a", value: words });
    tellGap();
    expect((await waiting).session!.state).toBe(Session_State.ANSWERED);
  } finally {
    vi.useRealTimers();
  }
});
