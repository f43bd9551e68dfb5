import { create } from "@bufbuild/protobuf";
import {
  type Channel,
  Channel_Kind,
  Channel_State,
  ChannelSchema,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { expect, test } from "vitest";
import type { Connection } from "../client.ts";
import { processTerminal } from "../terminal.ts";
import { checkChannels } from "./server.ts";

const terminal = { ...processTerminal(), t: (en: string) => en };
const found = (channel: Partial<Pick<Channel, "runsOnRelays" | "attachedRelays" | "state">>) => {
  const robot = { id: "wecom-robot", kind: Channel_Kind.WECOM_ROBOT, capabilities: { replies: true } };
  const channels = [create(ChannelSchema, { ...robot, state: Channel_State.READY, ...channel })];
  const delivery = { listChannels: async () => ({ channels }) } as unknown as Connection["delivery"];
  return checkChannels({ delivery } as Connection, terminal);
};

test("a channel that relays run is well while one of them is attached, and hears nothing at this server", async () => {
  expect(await found({ runsOnRelays: true, attachedRelays: ["plant-2"] })).toMatchObject([
    { kind: "ok", what: expect.stringContaining("plant-2") },
  ]);
  expect(await found({ runsOnRelays: true })).toMatchObject([
    { kind: "problem", what: expect.stringContaining("none of the relays") },
  ]);
  expect(await found({ runsOnRelays: true, state: Channel_State.NOT_CONFIGURED })).toMatchObject([
    { what: expect.stringContaining("not configured") },
  ]);
  expect(await found({})).toHaveLength(2); // the callback address is to be looked at
});
