import { expect, test } from "vitest";
import { type LaneRequest, sliceMsOf, timeoutSOf } from "./lanes.ts";

const unknown: LaneRequest = {
  clientName: undefined,
  hasProgressToken: false,
  askedS: undefined,
  configuredS: undefined,
};

test.each<[string, Partial<LaneRequest>, number]>([
  ["an unknown client waits less than 60 s", {}, 45],
  ["a client that listens for progress waits 4 minutes", { hasProgressToken: true }, 240],
  ["Claude Code waits 4 minutes", { clientName: "claude-code", hasProgressToken: true }, 240],
  [
    "Claude Desktop waits less than 60 s, progress or not",
    { clientName: "claude-ai", hasProgressToken: true },
    45,
  ],
  ["Cursor waits 4 minutes", { clientName: "cursor-vscode" }, 240],
  ["a model may ask for less", { hasProgressToken: true, askedS: 30 }, 30],
  ["a model may not ask for next to nothing", { askedS: 1 }, 10],
  ["a model may not ask for more than the client bears", { askedS: 3600 }, 45],
  ["a configured slice wins", { clientName: "claude-ai", configuredS: 600 }, 600],
  ["a configured slice may be short", { configuredS: 1, askedS: 5 }, 1],
])("%s", (_title, request, seconds) => {
  expect(sliceMsOf({ ...unknown, ...request })).toBe(seconds * 1000);
});

test.each<[string, number | undefined, number | undefined, number | undefined]>([
  ["the server decides where nobody says anything", undefined, undefined, undefined],
  ["a model cannot shorten the server's deadline", undefined, 1, undefined],
  ["a model can lengthen the server's deadline", undefined, 3600, 3600],
  ["a model cannot shorten a configured deadline", 600, 300, 600],
  ["a model can lengthen a configured deadline", 600, 900.4, 900],
  ["a model can lengthen it by a week at most", 600, 1e9, 604_800],
  ["no deadline stays no deadline", 0, 300, 0],
])("%s", (_title, configured, asked, expected) => {
  expect(timeoutSOf(configured, asked)).toBe(expected);
});
