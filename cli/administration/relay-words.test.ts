import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Relay_State, RelaySchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { translateTo } from "@hil/platform/config/locale.ts";
import { expect, test } from "vitest";
import { isRetired, knownRelays, relayTable } from "./relay-words.ts";

const now = new Date("2026-11-26T12:00:00Z");
const before = (minutes: number) => timestampFromDate(new Date(now.getTime() - minutes * 60_000));

const attached = create(RelaySchema, {
  name: "plant-2",
  state: Relay_State.ATTACHED,
  softwareVersion: "0.2.0",
  address: "10.20.0.7:51234",
  channels: [{ channelId: "wecom-robot" }, { channelId: "night-shift" }],
  attachTime: before(5),
  waitingInbounds: 7n,
});
const detached = create(RelaySchema, {
  name: "plant-3",
  state: Relay_State.DETACHED,
  attachTime: before(300),
  detachTime: before(120),
  detachReason: "its host \u001b[31mwas switched off",
});

const key = (relayName: string, state: ApiKey_State = ApiKey_State.ACTIVE, expireTime?: Date) =>
  create(ApiKeySchema, { relayName, state, expireTime: expireTime && timestampFromDate(expireTime) });

function table(...[relays, keys, locale = "en"]: [...Parameters<typeof knownRelays>, ("en" | "zh-CN")?]) {
  const t = translateTo(locale);
  const [, ...rows] = relayTable(knownRelays(relays, keys), {
    t,
    now: () => now,
    locale,
    columns: undefined,
  });
  return rows.map((row) => row.split(/ {2,}/));
}

test("a relay is told of with its stream and its credential, whichever of them there is", () => {
  const inThreeDays = new Date(now.getTime() + 3 * 86_400_000);
  const keys = [key("plant-2", ApiKey_State.ACTIVE, inThreeDays), key("plant-2"), key("night")];
  expect(table([attached, detached], keys)).toEqual([
    ["night", "never attached", "–", "–", "–", "–", "–", "works", "–"],
    [
      "plant-2",
      "attached",
      "5 min. ago",
      "0.2.0",
      "10.20.0.7:51234",
      "wecom-robot, night-shift",
      "7",
      "ends in 3 days",
      "–",
    ],
    ["plant-3", "detached", "2 hr. ago", "–", "–", "–", "0", "none", "its host [31mwas switched off"],
  ]);
  expect(table([detached], [key("plant-3")], "zh-CN")[0]!.slice(0, 3)).toEqual([
    "plant-3",
    "已断开",
    "2小时前",
  ]);
});

test("one credential that works is enough, and one whose time ran out is told apart from one that was ended", () => {
  const { EXPIRED, REVOKED, ACTIVE } = ApiKey_State;
  const word = (...states: ApiKey_State[]) =>
    table(
      [],
      states.map((state) => key("plant-2", state)),
    )[0]![7];
  expect(word(REVOKED, ACTIVE)).toBe("works");
  expect(word(REVOKED, EXPIRED)).toBe("expired");
  expect(word(REVOKED, REVOKED)).toBe("revoked");
});

test("only a relay that is away and has no credential but revoked ones is missed by nobody", () => {
  const retired = (...args: Parameters<typeof knownRelays>) => isRetired(knownRelays(...args)[0]!);
  const revoked = (name: string) => [key(name, ApiKey_State.REVOKED)];
  expect(retired([detached], revoked("plant-3"))).toBe(true);
  expect(retired([], revoked("plant-3"))).toBe(true);
  expect(retired([detached], [])).toBe(true);
  expect(retired([attached], revoked("plant-2"))).toBe(false);
  expect(retired([detached], [key("plant-3", ApiKey_State.EXPIRED)])).toBe(false);
  expect(retired([], [key("plant-3")])).toBe(false);
});
