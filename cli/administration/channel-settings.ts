// How a channel reaches its vendor, as flags. The secret comes from a file and never from the command line, where every
// process of the machine could read it.

import { create } from "@bufbuild/protobuf";
import {
  type ChannelSettings,
  ChannelSettingsSchema,
  WecomRobotSettings_Mode,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { type Command, Option } from "commander";
import { CommandError, EXIT } from "../exit-code.ts";
import { collect, readText } from "../option-values.ts";
import type { Terminal } from "../terminal.ts";

export interface SettingsOptions {
  readonly botKeyFile?: string;
  readonly apiUrl?: string;
  readonly mode?: "callback" | "group";
  readonly relay?: readonly string[];
}

const MODES = { callback: WecomRobotSettings_Mode.CALLBACK, group: WecomRobotSettings_Mode.GROUP };

/** Adds the flags to a command. */
export function addSettingsOptions(command: Command, t: Terminal["t"]): Command {
  return command
    .option(
      "--bot-key-file <file>",
      t(
        'a file with the robot\'s key, so that it stands in no list of processes; "-": stdin',
        '包含机器人 key 的文件，避免出现在进程列表中；"-" 为标准输入',
      ),
    )
    .option(
      "--api-url <url>",
      t(
        "where the vendor is; default: https://qyapi.weixin.qq.com",
        "平台地址，默认 https://qyapi.weixin.qq.com",
      ),
    )
    .addOption(
      new Option(
        "--mode <mode>",
        t(
          "callback: any chat, hears replies; group: one group, hears nothing",
          "callback：任意会话并接收回复；group：单个群，不接收回复",
        ),
      ).choices(Object.keys(MODES)),
    )
    .option(
      "--relay <name>",
      t(
        "a relay that runs it, instead of this deployment; repeat it: work goes to the first that is attached. The key and the vendor's address stand on the relay's host",
        "由该中转运行（而非本服务），可重复：任务交给第一个已接入的。key 与平台地址设在中转主机上",
      ),
      collect,
    );
}

/** The settings that the flags name; undefined where they name none. */
export async function settingsOf(
  { botKeyFile, apiUrl, mode, relay: relayNames = [] }: SettingsOptions,
  terminal: Terminal,
): Promise<ChannelSettings | undefined> {
  const reachesItself = botKeyFile !== undefined || apiUrl !== undefined;
  if (!reachesItself && mode === undefined && relayNames.length === 0) return undefined;
  if (reachesItself && relayNames.length > 0) {
    throw new CommandError(
      EXIT.usage,
      terminal.t(
        "--relay goes with neither --bot-key-file nor --api-url: the relays have the key and the address, on their hosts",
        "--relay 不能与 --bot-key-file 或 --api-url 同时使用：key 与平台地址设在中转主机上",
      ),
    );
  }
  const botKey = botKeyFile === undefined ? "" : (await readText(botKeyFile, terminal)).trim();
  if (botKeyFile !== undefined && !/^\S+$/.test(botKey)) {
    throw new CommandError(
      EXIT.usage,
      terminal.t(`${botKeyFile} must hold the robot's key alone`, `${botKeyFile} 应只包含机器人的 key`),
    );
  }
  return create(ChannelSettingsSchema, {
    kind: {
      case: "wecomRobot",
      value: {
        botKey,
        apiUrl: apiUrl ?? "",
        mode: mode ? MODES[mode] : WecomRobotSettings_Mode.UNSPECIFIED,
      },
    },
    relayNames: [...relayNames],
  });
}

/**
 * Settings are replaced as a whole, but for an empty secret: what was not said is taken from before. Relays take a channel
 * over from this deployment, and a key brings it back.
 */
export function settingsOver(before: ChannelSettings | undefined, said: ChannelSettings): ChannelSettings {
  if (before?.kind.case !== "wecomRobot" || said.kind.case !== "wecomRobot") return said;
  const { apiUrl, mode } = before.kind.value;
  const value = said.kind.value;
  const kept = value.botKey === "" ? before.relayNames : [];
  const relayNames = said.relayNames.length > 0 ? said.relayNames : kept;
  return create(ChannelSettingsSchema, {
    kind: {
      case: "wecomRobot",
      value: {
        botKey: value.botKey,
        apiUrl: value.apiUrl || (said.relayNames.length > 0 ? "" : apiUrl),
        mode: value.mode || mode,
      },
    },
    relayNames: [...relayNames],
  });
}
