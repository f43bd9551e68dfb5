// The stream of relays as a delivery service serves it, on a real port.

import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { Attempt_Outcome, Channel_Kind, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { Relay_State } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { png, pngChunk } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { callbacksAway } from "../testing/fake-callbacks.ts";
import { delivered, openRawRelay, type RawRelay, ROBOT } from "../testing/raw-relay.ts";
import { type DeliveryBench, order, startDelivery } from "../testing/start-delivery.ts";

let bench: DeliveryBench;
let count = 0;

beforeAll(async () => {
  bench = await startDelivery({ environment: { BOT_KEY: "", HIL_MODE: "relay", HIL_RELAY_PORT: "0" } });
});
afterAll(() => bench.close());

/** A relay of a name of its own. */
const open = (name = `plant-${++count}`, tenantId?: string): RawRelay =>
  openRawRelay(bench.relayPort, { token: bench.access.relayKey(name, tenantId) });
const orderTo = (chatId: string) => order({}, { chatId });
const deliver = async (chatId: string) => {
  const given = orderTo(chatId);
  await bench.delivery.deliver({ orders: [given] });
  return given.deliveryId!;
};
const stateOf = async (deliveryId: string) => (await bench.delivery.getDelivery({ deliveryId })).delivery!;

describe("a relay is let in", () => {
  test("with its name, the rules and the channels that it may not run", async () => {
    await using relay = open("plant-in");
    const instanceId = randomUUID();
    const welcome = await relay.hello({
      instanceId,
      channels: [
        ROBOT,
        { channelId: "console", kind: Channel_Kind.CONSOLE },
        { channelId: "night", kind: Channel_Kind.WECOM_ROBOT },
      ],
    });
    expect(welcome).toMatchObject({ protocolVersion: 1, relayName: "plant-in", window: 64, epoch: 1n });
    expect(welcome.refusedChannels.map(({ channelId }) => channelId)).toEqual(["console", "night"]);
    const { relays } = await bench.delivery.listRelays({ attachedOnly: true });
    expect(relays).toEqual([
      expect.objectContaining({
        name: "plant-in",
        state: Relay_State.ATTACHED,
        instanceId,
        channels: [expect.objectContaining({ channelId: "wecom-robot" })],
      }),
    ]);
    const { channel } = await bench.delivery.getChannel({ channelId: "wecom-robot" });
    expect(channel).toMatchObject({ runsOnRelays: true, attachedRelays: ["plant-in"] });
    relay.end();
    expect(await relay.ended).toBeUndefined();
    await vi.waitFor(async () => {
      expect((await bench.delivery.listRelays({ attachedOnly: true })).relays).toEqual([]);
    });
  });

  test.each<[string, string | undefined, ErrorReason]>([
    ["nobody", undefined, ErrorReason.CREDENTIAL_INVALID],
    ["a credential that is not known", "wrong", ErrorReason.CREDENTIAL_INVALID],
    ["a credential that is no relay's", "agent", ErrorReason.ROLE_MISSING],
  ])("not %s, before its Hello", async (_, token, reason) => {
    await using relay = openRawRelay(bench.relayPort, token === undefined ? {} : { token });
    const error = await relay.ended;
    expect(reasonOf(error)).toBe(reason);
  });

  test("not with rules that are too old, or without Hello first", async () => {
    await using none = open();
    await expect(none.hello({ protocolVersion: 0 })).rejects.toMatchObject({ code: Code.InvalidArgument });
    await using other = open();
    other.inbound("{}");
    expect(reasonOf(await other.ended)).toBe(ErrorReason.INVALID_REQUEST);
  });

  test("with rules of later versions: the greatest that both know holds", async () => {
    await using relay = open();
    expect(await relay.hello({ protocolVersion: 7 })).toMatchObject({ protocolVersion: 1 });
  });

  test("F17, I9: the newest stream of a name wins, and the older one is told by whom", async () => {
    await using older = open("twin");
    await older.hello();
    await using newer = open("twin");
    const instanceId = randomUUID();
    const { epoch } = await newer.hello({ instanceId });
    const error = await older.ended;
    expect([error!.code, reasonOf(error)]).toEqual([Code.Aborted, ErrorReason.RELAY_SUPERSEDED]);
    expect(metadataOf(error!)).toMatchObject({
      relay_name: "twin",
      instance_id: instanceId,
      epoch: String(epoch),
    });
    newer.inbound("{}");
    await vi.waitFor(() => expect(newer.acknowledged).toBe(1n));
  });

  test("F17, S6: a credential that is revoked ends a stream that stands", async () => {
    const relay = open("revoked");
    await relay.hello();
    bench.access.revoke(bench.access.relayKey("revoked"));
    expect(reasonOf(await relay.ended)).toBe(ErrorReason.CREDENTIAL_INVALID);
    await vi.waitFor(async () => {
      const { relays } = await bench.delivery.listRelays({});
      const { state, detachReason } = relays.find(({ name }) => name === "revoked")!;
      expect([state, detachReason]).toEqual([Relay_State.DETACHED, "this credential is not known"]);
    });
  });
});

describe("what vendors say", () => {
  test("I9: is acknowledged once it is kept, in its order, and once under its id", async () => {
    await using relay = open();
    await relay.hello({ time: timestampFromMs(Date.now() - 3_600_000) });
    bench.callbacks.failure = callbacksAway();
    const came = Date.now() - 3_600_000 - 5_000;
    const ids = ["a", "b", "c"].map((body) => relay.inbound(body, { receiveTimeMs: came }));
    relay.inbound("b", { inboundId: ids[1]! });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(relay.acknowledged).toBe(0n);
    bench.callbacks.failure = undefined;
    await vi.waitFor(() => expect(relay.acknowledged).toBe(4n));
    const taken = bench.callbacks.taken.slice(-3);
    expect(taken.map(({ relayInboundId }) => relayInboundId)).toEqual(ids);
    // The relay's clock was an hour behind.
    const receiveMs = Number(taken[0]!.receiveTime!.seconds) * 1000;
    expect(Math.abs(receiveMs - (Date.now() - 5_000))).toBeLessThan(30_000);
  });

  test.each<[string, (relay: RawRelay) => void]>([
    [
      "a frame is missing",
      (relay) => relay.say({ message: { case: "frames", value: { firstNumber: 2n, frames: [{}] } } }),
    ],
    ["a channel was refused", (relay) => void relay.inbound("{}", { channelId: "night" })],
    ["it acknowledges what was never sent", (relay) => relay.say({ acknowledgedNumber: 9n })],
    ["Hello comes again", (relay) => void relay.hello().catch(() => {})],
    ["its id is no id", (relay) => void relay.inbound("{}", { inboundId: "x" })],
  ])("ends the stream where %s", async (_, breakRules) => {
    await using relay = open();
    await relay.hello();
    breakRules(relay);
    expect(reasonOf(await relay.ended)).toBe(ErrorReason.INVALID_REQUEST);
  });

  test("F22: more frames than the window end the stream, and what was not kept stays the relay's", async () => {
    await using relay = open();
    await relay.hello();
    const before = bench.callbacks.taken.length;
    bench.callbacks.failure = callbacksAway();
    for (let index = 0; index < 65; index += 1) relay.inbound(`flood ${index}`);
    expect(reasonOf(await relay.ended)).toBe(ErrorReason.INVALID_REQUEST);
    bench.callbacks.failure = undefined;
    expect(bench.callbacks.taken.length).toBe(before);
  });
});

describe("messages to chats", () => {
  test("wait for a relay, say so, and go out as one attaches, under an id that stays", async () => {
    const deliveryId = await deliver("early");
    await vi.waitFor(async () => {
      const { state, reason, attemptCount } = await stateOf(deliveryId);
      expect([state, attemptCount]).toEqual([Delivery_State.QUEUED, 0]);
      expect(reason).toMatch(/waits for a relay/);
    });
    await using relay = open();
    relay.answer = delivered;
    await relay.hello();
    await vi.waitFor(async () => expect((await stateOf(deliveryId)).state).toBe(Delivery_State.SENT));
    expect(relay.commands).toMatchObject([{ commandId: `_default/${deliveryId}/0`, chatId: "early" }]);
  });

  test("are given up at the deadline with what they waited for", async () => {
    const given = order({ expireTime: timestampFromMs(Date.now() + 300) }, { chatId: "late" });
    await bench.delivery.deliver({ orders: [given] });
    await vi.waitFor(async () => {
      const { state, reason } = await stateOf(given.deliveryId!);
      expect(state).toBe(Delivery_State.FAILED);
      expect(reason).toMatch(/^given up at the deadline: waits for a relay/);
    });
  });

  test("I9, R4: a stream that is lost leaves UNKNOWN, and the same id is said again on the next", async () => {
    const name = `plant-${++count}`;
    const first = open(name);
    await first.hello();
    const deliveryId = await deliver("lost");
    await vi.waitFor(() => expect(first.commands.length).toBe(1));
    first.cut();
    await using second = open(name);
    second.answer = delivered;
    await second.hello();
    await vi.waitFor(async () => expect((await stateOf(deliveryId)).state).toBe(Delivery_State.SENT));
    expect(second.commands.map(({ commandId }) => commandId)).toEqual([first.commands[0]!.commandId]);
    const { attempts } = await stateOf(deliveryId);
    expect(attempts.map(({ outcome }) => outcome)).toEqual([
      Attempt_Outcome.UNKNOWN,
      Attempt_Outcome.DELIVERED,
    ]);
  });

  test("end as the relay says: refused for good, retried after its time", async () => {
    await using relay = open();
    await relay.hello();
    let tries = 0;
    relay.answer = ({ commandId, chatId }) => {
      if (chatId === "refused") {
        return { commandId, outcome: Attempt_Outcome.REFUSED, reason: "errcode 40058" };
      }
      tries += 1;
      return tries === 1
        ? { commandId, outcome: Attempt_Outcome.RETRYABLE, reason: "busy", retryAfter: { nanos: 50_000_000 } }
        : { commandId, outcome: Attempt_Outcome.DELIVERED };
    };
    const [refused, retried] = [await deliver("refused"), await deliver("retried")];
    await vi.waitFor(async () => {
      expect(await stateOf(refused)).toMatchObject({ state: Delivery_State.FAILED, reason: "errcode 40058" });
      expect((await stateOf(retried)).state).toBe(Delivery_State.SENT);
    });
    expect(tries).toBe(2);
  });

  test("an outcome of a later version counts as UNKNOWN: the message is said again under its id", async () => {
    await using relay = open();
    await relay.hello();
    relay.answer = ({ commandId }) => ({
      commandId,
      outcome: relay.commands.length === 1 ? (77 as Attempt_Outcome) : Attempt_Outcome.DELIVERED,
    });
    const deliveryId = await deliver("of later");
    await vi.waitFor(async () => expect((await stateOf(deliveryId)).state).toBe(Delivery_State.SENT));
    const { attempts } = await stateOf(deliveryId);
    expect(attempts.map(({ outcome }) => outcome)).toEqual([
      Attempt_Outcome.UNKNOWN,
      Attempt_Outcome.DELIVERED,
    ]);
    expect(new Set(relay.commands.map(({ commandId }) => commandId)).size).toBe(1);
  });

  test("a picture goes in parts, and what other chats are told goes between them", async () => {
    await using relay = open();
    relay.answer = delivered;
    await relay.hello();
    const image = png(2, 2, [
      pngChunk("tEXt", Buffer.concat([Buffer.from("a\0"), Buffer.alloc(300_000, "b")])),
    ]);
    bench.sessions.pictures.set(1, image);
    const withPicture = order({ attachments: [{ number: 1 }] }, { chatId: "pictures" });
    await bench.delivery.deliver({ orders: [withPicture] });
    await vi.waitFor(() => expect(relay.pictureParts.length).toBeGreaterThan(0));
    await bench.delivery.deliver({ orders: [order({}, { chatId: "others" })] });
    await vi.waitFor(async () => {
      expect((await stateOf(withPicture.deliveryId!)).state).toBe(Delivery_State.SENT);
    });
    await vi.waitFor(() => expect(relay.commands).toHaveLength(3));
    const picture = relay.commands.find(({ message }) => message.case === "image")!;
    expect(picture.message.value).toMatchObject({ sizeBytes: image.length });
    const parts = relay.pictureParts.filter(({ commandId }) => commandId === picture.commandId);
    expect(Buffer.concat(parts.map(({ data }) => data)).equals(image)).toBe(true);
  });

  test("a relay that drains gets none; it finishes what it has, and attaches again", async () => {
    const name = `plant-${++count}`;
    const first = open(name);
    await first.hello();
    const under = await deliver("under way");
    await vi.waitFor(() => expect(first.commands.length).toBe(1));
    await bench.delivery.drainRelay({ relayName: name, reason: "maintenance" });
    await vi.waitFor(() => {
      expect(first.received.at(-1)!.message).toMatchObject({
        case: "drain",
        value: { reason: "maintenance" },
      });
    });
    const later = await deliver("later");
    first.result(delivered(first.commands[0]!));
    first.end();
    expect(await first.ended).toBeUndefined();
    await using second = open(name);
    second.answer = delivered;
    await second.hello();
    await vi.waitFor(async () => {
      expect((await stateOf(under)).state).toBe(Delivery_State.SENT);
      expect((await stateOf(later)).state).toBe(Delivery_State.SENT);
    });
    expect([first.commands.length, second.commands.length]).toEqual([1, 1]);
  });

  test("TestChannel says what the relay says, and that none is attached", async () => {
    const target = { channelId: "wecom-robot", chatId: "test" };
    await vi.waitFor(async () => {
      expect((await bench.delivery.listRelays({ attachedOnly: true })).relays).toEqual([]);
    });
    const none = await bench.delivery.testChannel({ target });
    expect(none.attempt).toMatchObject({ outcome: Attempt_Outcome.RETRYABLE });
    expect(none.attempt!.detail).toMatch(/waits for a relay/);
    await using relay = open();
    relay.answer = delivered;
    await relay.hello();
    expect((await bench.delivery.testChannel({ target })).attempt).toMatchObject({
      outcome: Attempt_Outcome.DELIVERED,
    });
  });
});

test("R7: a process that ends tells its relays, and lets the command under way end", async () => {
  const own = await startDelivery({
    environment: { BOT_KEY: "", HIL_MODE: "relay", HIL_RELAY_PORT: "0" },
  });
  const relay = openRawRelay(own.relayPort, { token: own.access.relayKey("plant") });
  await relay.hello();
  await own.delivery.deliver({ orders: [orderTo("under way")] });
  await vi.waitFor(() => expect(relay.commands).toHaveLength(1));
  const closing = own.restart({ HIL_RELAY_PORT: "0" });
  await vi.waitFor(() => expect(relay.received.at(-1)!.message.case).toBe("drain"));
  relay.result(delivered(relay.commands[0]!));
  relay.end();
  expect(await relay.ended).toBeUndefined();
  await closing;
  const { deliveries } = await own.delivery.listDeliveries({});
  expect(deliveries.map(({ state }) => state)).toEqual([Delivery_State.SENT]);
  await own.close();
});

describe("a tenant's own channel on relays", () => {
  const settings = (relayNames: string[]) => ({
    kind: { case: "wecomRobot" as const, value: {} },
    relayNames,
  });
  const night = { channelId: "night", kind: Channel_Kind.WECOM_ROBOT };

  test("I6: is run by those that it names, of that tenant alone; without a key here", async () => {
    const acme = bench.for("acme");
    await expect(
      acme.createChannel({
        channelId: "night",
        settings: { kind: { case: "wecomRobot", value: { botKey: "k" } }, relayNames: ["a"] },
      }),
    ).rejects.toMatchObject({ code: Code.InvalidArgument });
    const made = await acme.createChannel({ channelId: "night", settings: settings(["second", "first"]) });
    expect(made.channel).toMatchObject({
      runsOnRelays: true,
      attachedRelays: [],
      settings: { relayNames: ["second", "first"] },
    });

    await using foreign = open("first", "other");
    expect((await foreign.hello({ channels: [night] })).refusedChannels).toHaveLength(1);
    await using third = open("third", "acme");
    expect((await third.hello({ channels: [night] })).refusedChannels).toHaveLength(1);
    await using first = open("first", "acme");
    first.answer = delivered;
    expect(
      (await first.hello({ channels: [night, ROBOT] })).refusedChannels.map(({ channelId }) => channelId),
    ).toEqual(["wecom-robot"]);
    const one = order({ tenantId: "acme" }, { channelId: "night", chatId: "c" });
    await acme.deliver({ orders: [one] });
    await vi.waitFor(() => expect(first.commands).toHaveLength(1));

    // The first of its names that is attached has the work; another takes over.
    const second = open("second", "acme");
    second.answer = delivered;
    await second.hello({ channels: [night] });
    const two = order({ tenantId: "acme" }, { channelId: "night", chatId: "c" });
    await acme.deliver({ orders: [two] });
    await vi.waitFor(() => expect(second.commands).toHaveLength(1));
    second.cut();
    await second.ended;
    const three = order({ tenantId: "acme" }, { channelId: "night", chatId: "c" });
    await acme.deliver({ orders: [three] });
    await vi.waitFor(() => expect(first.commands).toHaveLength(2));

    // What holds for a stream changes with the channel.
    await acme.updateChannel({ channelId: "night", name: "Night", settings: settings(["second"]) });
    const error = await first.ended;
    expect([error!.code, reasonOf(error)]).toEqual([Code.Unavailable, ErrorReason.NOT_READY]);
  });
});
