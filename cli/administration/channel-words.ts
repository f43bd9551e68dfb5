// Channels in words for a terminal.

import {
  type Channel,
  Channel_KindSchema,
  Channel_StateSchema,
  WecomRobotSettings_Mode,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { enumWord } from "../enum-words.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { whenExactly } from "./times.ts";

/** The channels as lines, with a head. */
export function channelTable(
  channels: readonly Channel[],
  { t, columns }: Pick<Terminal, "t" | "columns">,
): string[] {
  const head = [
    t("ID", "编号"),
    t("KIND", "类型"),
    t("NAME", "名称"),
    t("STATE", "状态"),
    t("OF", "属于"),
    t("LAST ERROR", "最近错误"),
  ];
  const rows = channels.map((channel) => [
    channel.id,
    enumWord(Channel_KindSchema, channel.kind),
    oneLine(channel.name) || "–",
    enumWord(Channel_StateSchema, channel.state),
    channel.tenantId || t("the deployment", "服务"),
    oneLine(channel.lastError) || "–",
  ]);
  return tableLines([head, ...rows], { columns, flexible: 5 });
}

/** A channel for people. */
export function channelLines(channel: Channel, terminal: Pick<Terminal, "t" | "now" | "locale">): string[] {
  const { t } = terminal;
  const robot = channel.settings?.kind.case === "wecomRobot" ? channel.settings.kind.value : undefined;
  return [
    `${channel.id} · ${oneLine(channel.name) || channel.id} · ${enumWord(Channel_StateSchema, channel.state)}`,
    `  ${t("kind", "类型")}       ${enumWord(Channel_KindSchema, channel.kind)}`,
    `  ${t("of", "属于")}         ${channel.tenantId || t("the deployment", "服务")}`,
    ...(robot
      ? [
          `  ${t("mode", "模式")}       ${robot.mode === WecomRobotSettings_Mode.GROUP ? "group" : "callback"}`,
        ]
      : []),
    ...(channel.runsOnRelays ? relayLines(channel, t) : []),
    ...(robot && !channel.runsOnRelays
      ? [
          `  ${t("vendor", "平台")}     ${oneLine(robot.apiUrl) || "https://qyapi.weixin.qq.com"}`,
          `  ${t("key", "密钥")}        ${robot.hasBotKey ? t("set", "已设置") : t("missing", "未设置")}`,
        ]
      : []),
    `  ${t("last sent", "发送")}  ${whenExactly(channel.lastSentTime, terminal)}`,
    ...(channel.lastError ? [`  ${t("last error", "错误")} ${oneLine(channel.lastError)}`] : []),
  ];
}

/** Which relays run it, in the order in which they get its work, and which of them are there. */
function relayLines({ settings, attachedRelays }: Channel, t: Terminal["t"]): string[] {
  const names = settings?.relayNames.length ? settings.relayNames : attachedRelays;
  const words = names.map((name) =>
    attachedRelays.includes(name)
      ? t(`${oneLine(name)} (attached)`, `${oneLine(name)}（已接入）`)
      : t(`${oneLine(name)} (away)`, `${oneLine(name)}（未接入）`),
  );
  return [`  ${t("relays", "中转")}     ${words.join(", ") || t("none is attached", "没有已接入的")}`];
}
