import { expect, test, vi } from "vitest";
import type { BusMessage, EventBus } from "./event-bus.ts";

const message = (subject: string, id: string): BusMessage => ({
  subject,
  id,
  data: new TextEncoder().encode(id),
});

/** What every carrier of events does. `open` gives two ends of one bus, which may be the same. */
export function eventBusContract(open: () => Promise<{ publisher: EventBus; listener: EventBus }>): void {
  test("B2: every subscriber of a subject gets every message, with its data", async () => {
    const { publisher, listener } = await open();
    const seen: string[][] = [[], []];
    for (const list of seen) {
      await listener.subscribe("hil.t.v1.thing.made.1", ({ data }) =>
        list.push(new TextDecoder().decode(data)),
      );
    }
    await publisher.publish([message("hil.t.v1.thing.made.1", "a"), message("hil.t.v1.thing.made.2", "b")]);
    await vi.waitUntil(() => seen.every((list) => list.length === 1));
    expect(seen).toEqual([["a"], ["a"]]);
    await Promise.all([publisher.close(), listener.close()]);
  });

  test("a pattern that ends in .> takes everything below it and nothing beside it, in order", async () => {
    const { publisher, listener } = await open();
    const seen: string[] = [];
    await listener.subscribe("hil.t.v1.thing.>", ({ id }) => seen.push(id));
    await publisher.publish([
      message("hil.t.v1.thing.made.1", "a"),
      message("hil.t.v1.thingamajig.made.1", "x"),
      message("hil.t.v1.thing.gone.2", "b"),
    ]);
    await vi.waitUntil(() => seen.length >= 2);
    expect(seen).toEqual(["a", "b"]);
    await Promise.all([publisher.close(), listener.close()]);
  });

  test("B2: a handler that throws keeps no other from the message, nor itself from the next", async () => {
    const { publisher, listener } = await open();
    const seen: string[] = [];
    await listener.subscribe("hil.t.v1.thing.>", ({ id }) => {
      seen.push(id);
      throw new Error("a handler of the test fails");
    });
    await listener.subscribe("hil.t.v1.thing.>", ({ id }) => seen.push(`${id}'`));
    await publisher.publish([message("hil.t.v1.thing.made.1", "a")]);
    await publisher.publish([message("hil.t.v1.thing.made.1", "b")]);
    await vi.waitUntil(() => seen.length === 4);
    expect(seen.toSorted()).toEqual(["a", "a'", "b", "b'"]);
    await Promise.all([publisher.close(), listener.close()]);
  });

  test("B4: nothing is delivered after close() returned", async () => {
    const { publisher, listener } = await open();
    const seen: string[] = [];
    const other: string[] = [];
    const subscription = await listener.subscribe("hil.t.v1.thing.>", ({ id }) => seen.push(id));
    await listener.subscribe("hil.t.v1.thing.>", ({ id }) => other.push(id));
    await subscription.close();
    await publisher.publish([message("hil.t.v1.thing.made.1", "a")]);
    await vi.waitUntil(() => other.length === 1);
    expect(seen).toEqual([]);
    await Promise.all([publisher.close(), listener.close()]);
  });
}
