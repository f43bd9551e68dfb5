import { type NatsServer, startNats } from "@hil/testing/servers/nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { silentLog } from "../telemetry/log.ts";
import { eventBusContract } from "./event-bus.contract.ts";
import type { EventBus } from "./event-bus.ts";
import { openNatsBus, STREAM } from "./nats-bus.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server[Symbol.asyncDispose]());

let opened = 0;
const open = () => openNatsBus({ url: server.url, name: `test-${++opened}`, log: silentLog });
const message = (id: string) => ({ subject: "hil.t.v1.thing.made.1", id, data: new Uint8Array() });
/** What reaches a listener, by id. */
const heardBy = async (bus: EventBus) => {
  const heard: string[] = [];
  await bus.subscribe("hil.t.v1.>", ({ id }) => heard.push(id));
  return heard;
};

describe("the contract of every bus", () => {
  eventBusContract(async () => ({ publisher: await open(), listener: await open() }));
});

test("J1: a message that is published again is kept once for other systems", async () => {
  const bus = await open();
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  const { messages: before } = (await manager.streams.info(STREAM)).state;
  await bus.publish([message("once/1"), message("once/2")]);
  await bus.publish([message("once/1")]);
  expect((await manager.streams.info(STREAM)).state.messages - before).toBe(2);
  await connection.close();
  await bus.close();
});

test("J3, J4, F6: killed and wiped, NATS comes back without a restart of ours, and listeners are told", async () => {
  const [publisher, listener] = [await open(), await open()];
  const heard = await heardBy(listener);
  const gap = vi.fn();
  listener.onGap(gap);
  await publisher.publish([message("gap/before")]);
  await vi.waitUntil(() => heard.includes("gap/before"));
  await server.kill();
  await expect(publisher.publish([message("gap/lost")])).rejects.toThrow();
  server.wipe();
  await server.restart();
  await vi.waitUntil(() => gap.mock.calls.length > 0, { timeout: 10_000 });
  const again = async () => {
    try {
      await publisher.publish([message("gap/after")]);
      return true;
    } catch {
      return false; // still connecting
    }
  };
  await vi.waitUntil(again, { timeout: 10_000 });
  await vi.waitUntil(() => heard.includes("gap/after"));
  await Promise.all([publisher.close(), listener.close()]);
});

test("J3: it waits for a server that is not there yet", async () => {
  await server.kill();
  const opening = open();
  await server.restart();
  const bus = await opening;
  const heard = await heardBy(bus);
  await vi.waitUntil(async () => {
    await bus.publish([message("late/1")]).catch(() => {});
    return heard.includes("late/1");
  });
  await bus.close();
});
