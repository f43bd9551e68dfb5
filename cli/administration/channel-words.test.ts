import { create } from "@bufbuild/protobuf";
import { Channel_State, ChannelSchema } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { expect, test } from "vitest";
import { channelLines } from "./channel-words.ts";

const lines = (channel: object) =>
  channelLines(create(ChannelSchema, { id: "plant-robot", state: Channel_State.READY, ...channel }), {
    t: (en) => en,
    now: () => new Date(0),
    locale: "en",
  }).join("\n");

test("of a channel that relays run it is told which, in their order, and which of them are attached", () => {
  const kind = { case: "wecomRobot", value: {} };
  const own = { runsOnRelays: true, settings: { kind, relayNames: ["plant-3", "plant-2"] } };
  expect(lines({ ...own, attachedRelays: ["plant-2"] })).toMatch(
    /relays +plant-3 \(away\), plant-2 \(attached\)/,
  );
  expect(lines(own)).not.toMatch(/key|vendor/); // both are on the relays' hosts
  expect(lines({ runsOnRelays: true })).toMatch(/relays +none is attached/);
  expect(lines({ settings: { kind } })).toMatch(/key +missing/);
  expect(lines({ settings: { kind } })).not.toContain("relays");
});
