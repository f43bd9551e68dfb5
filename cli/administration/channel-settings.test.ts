import { create } from "@bufbuild/protobuf";
import {
  type ChannelSettings,
  ChannelSettingsSchema,
  WecomRobotSettings_Mode,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { Command } from "commander";
import { expect, test } from "vitest";
import { EXIT } from "../exit-code.ts";
import { processTerminal } from "../terminal.ts";
import { addSettingsOptions, settingsOf, settingsOver } from "./channel-settings.ts";

const terminal = { ...processTerminal(), t: (en: string) => en, readInput: async () => "a-key\n" };

/** What the flags on a command line say. */
const said = (...words: string[]) =>
  settingsOf(
    addSettingsOptions(new Command(), (en) => en)
      .parse(words, { from: "user" })
      .opts(),
    terminal,
  );
const over = async (before: ChannelSettings, ...words: string[]) => {
  const { kind, relayNames } = settingsOver(before, (await said(...words))!);
  const { botKey, apiUrl, mode } = kind.value!;
  return { botKey, apiUrl, mode, relayNames };
};

const settings = (value: object, relayNames: string[] = []) =>
  create(ChannelSettingsSchema, { kind: { case: "wecomRobot", value }, relayNames });
const { GROUP } = WecomRobotSettings_Mode;
const here = settings({ apiUrl: "https://robots.example.com", mode: GROUP, hasBotKey: true });
const onRelays = settings({ mode: GROUP }, ["plant-2", "plant-3"]);

test("what flags do not say of a channel stays, its relays too", async () => {
  expect(await said()).toBeUndefined();
  expect(await over(here, "--mode", "callback")).toMatchObject({
    botKey: "",
    apiUrl: "https://robots.example.com",
    relayNames: [],
  });
  expect(await over(onRelays, "--mode", "callback")).toMatchObject({ relayNames: ["plant-2", "plant-3"] });
});

test("relays take a channel over, without its key and address, and a key brings it back", async () => {
  const there = { botKey: "", apiUrl: "", mode: GROUP };
  expect(await over(here, "--relay", "plant-3", "--relay", "plant-2")).toEqual({
    ...there,
    relayNames: ["plant-3", "plant-2"],
  });
  expect(await over(onRelays, "--relay", "plant-4")).toEqual({ ...there, relayNames: ["plant-4"] });
  expect(await over(onRelays, "--bot-key-file", "-")).toMatchObject({ botKey: "a-key", relayNames: [] });
});

test("a key or an address beside relays is a fault of the command line", async () => {
  for (const other of [
    ["--bot-key-file", "-"],
    ["--api-url", "https://robots.example.com"],
  ]) {
    await expect(said("--relay", "plant-2", ...other)).rejects.toMatchObject({ exitCode: EXIT.usage });
  }
});
