// What a tenant says about a channel of its own: read, checked, and split into what may be shown and what may not.

import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  type ChannelSettings,
  ChannelSettingsSchema,
  type WecomRobotSettings,
  WecomRobotSettings_Mode,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { addressRefused } from "@hil/platform/egress/address-refused.ts";
import type { EgressGuard } from "@hil/platform/egress/egress-guard.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";

/** Settings without their secret, and the secret. */
export interface ReadSettings {
  readonly settings: ChannelSettings;
  /** Undefined: none was given. */
  readonly secret: string | undefined;
}

const BOT_KEY_FIELD = "settings.wecom_robot.bot_key";
const API_URL_FIELD = "settings.wecom_robot.api_url";

/** Throws INVALID_REQUEST or ADDRESS_REFUSED. */
export async function readChannelSettings(
  given: ChannelSettings,
  guard: Pick<EgressGuard, "check">,
): Promise<ReadSettings> {
  switch (given.kind.case) {
    case "wecomRobot":
      return readWecomRobot(given.kind.value, readRelayNames(given.relayNames), guard);
    case undefined:
      throw invalid("settings", "settings of a kind that is not known; set wecom_robot");
  }
}

/** The settings as they change. Throws INVALID_REQUEST where they are of another kind. */
export function changedSettings(before: ChannelSettings, given: ReadSettings): ReadSettings {
  if (before.kind.case !== given.settings.kind.case) {
    throw invalid("settings", "a channel's kind cannot change; add another channel");
  }
  // One that goes to relays leaves its key here no longer; one that comes back brings it.
  const moves = before.relayNames.length > 0 !== given.settings.relayNames.length > 0;
  return moves ? { ...given, secret: requireSecret(given) } : given;
}

/** What is needed to send has to be there from the beginning. Empty for a channel that relays run: they have it. */
export function requireSecret({ settings, secret }: ReadSettings): string {
  if (secret !== undefined) return secret;
  if (settings.relayNames.length > 0) return "";
  throw invalid(BOT_KEY_FIELD, "the robot's key is missing: it is what follows key= in its webhook address");
}

/** What the audit log keeps. Never a secret. */
export function settingsRecord({ kind, relayNames }: ChannelSettings): object {
  switch (kind.case) {
    case "wecomRobot":
      return {
        kind: "wecom_robot",
        api_url: kind.value.apiUrl,
        mode: kind.value.mode === WecomRobotSettings_Mode.GROUP ? "group" : "callback",
        ...(relayNames.length > 0 && { relay_names: relayNames }),
      };
    case undefined:
      return {};
  }
}

async function readWecomRobot(
  { botKey, apiUrl, mode }: WecomRobotSettings,
  relayNames: string[],
  guard: Pick<EgressGuard, "check">,
): Promise<ReadSettings> {
  if (!/^[^\s/?&=#\u0000-\u001f]*$/.test(botKey)) {
    throw invalid(BOT_KEY_FIELD, "must be the robot's key alone: what follows key= in its webhook address");
  }
  if (relayNames.length > 0) {
    if (botKey !== "") throw invalid(BOT_KEY_FIELD, "must be empty: the relays have the key, on their hosts");
    if (apiUrl !== "") throw invalid(API_URL_FIELD, "must be empty: it is set on the relays' hosts");
  }
  if (apiUrl !== "") {
    if (apiUrl.includes("?")) throw invalid(API_URL_FIELD, "must be an address without a query");
    if (await guard.check(apiUrl)) throw addressRefused(API_URL_FIELD);
  }
  const settings = create(ChannelSettingsSchema, {
    kind: {
      case: "wecomRobot",
      value: {
        apiUrl: apiUrl.replace(/\/+$/, ""),
        mode: mode || WecomRobotSettings_Mode.CALLBACK,
        hasBotKey: relayNames.length === 0,
      },
    },
    relayNames,
  });
  return { settings, secret: botKey === "" ? undefined : botKey };
}

/** In the order given: work goes to the first that is attached. */
function readRelayNames(names: readonly string[]): string[] {
  if (new Set(names).size < names.length) throw invalid("settings.relay_names", "names a relay twice");
  return [...names];
}

function invalid(field: string, problem: string) {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, `${field}: ${problem}`, {
    field,
    rule: "channel_settings",
  });
}
