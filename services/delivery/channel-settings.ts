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
  if (given.relayNames.length > 0) {
    throw invalid("settings.relay_names", "no channel runs on relays in this version; leave it empty");
  }
  switch (given.kind.case) {
    case "wecomRobot":
      return readWecomRobot(given.kind.value, guard);
    case undefined:
      throw invalid("settings", "settings of a kind that is not known; set wecom_robot");
  }
}

/** The settings as they change. Throws INVALID_REQUEST where they are of another kind. */
export function changedSettings(before: ChannelSettings, { settings, secret }: ReadSettings): ReadSettings {
  if (before.kind.case !== settings.kind.case) {
    throw invalid("settings", "a channel's kind cannot change; add another channel");
  }
  return { settings, secret };
}

/** What is needed to send has to be there from the beginning. */
export function requireSecret({ secret }: ReadSettings): string {
  if (secret !== undefined) return secret;
  throw invalid(BOT_KEY_FIELD, "the robot's key is missing: it is what follows key= in its webhook address");
}

/** What the audit log keeps. Never a secret. */
export function settingsRecord({ kind }: ChannelSettings): object {
  switch (kind.case) {
    case "wecomRobot":
      return {
        kind: "wecom_robot",
        api_url: kind.value.apiUrl,
        mode: kind.value.mode === WecomRobotSettings_Mode.GROUP ? "group" : "callback",
      };
    case undefined:
      return {};
  }
}

async function readWecomRobot(
  { botKey, apiUrl, mode }: WecomRobotSettings,
  guard: Pick<EgressGuard, "check">,
): Promise<ReadSettings> {
  if (!/^[^\s/?&=#\u0000-\u001f]*$/.test(botKey)) {
    throw invalid(BOT_KEY_FIELD, "must be the robot's key alone: what follows key= in its webhook address");
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
        hasBotKey: true,
      },
    },
  });
  return { settings, secret: botKey === "" ? undefined : botKey };
}

function invalid(field: string, problem: string) {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, `${field}: ${problem}`, {
    field,
    rule: "channel_settings",
  });
}
