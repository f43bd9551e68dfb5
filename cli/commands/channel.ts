import {
  Attempt_Outcome,
  Attempt_OutcomeSchema,
  AttemptSchema,
  type Channel,
  ChannelSchema,
} from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { Command } from "commander";
import {
  addSettingsOptions,
  type SettingsOptions,
  settingsOf,
  settingsOver,
} from "../administration/channel-settings.ts";
import { channelLines, channelTable } from "../administration/channel-words.ts";
import { confirm } from "../confirmation.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { enumWord } from "../enum-words.ts";
import { EXIT } from "../exit-code.ts";
import { allOf, pages } from "../paging.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function addChannel(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const channel = program
    .command("channel")
    .description(t("administer the ways to reach the people of a tenant", "管理租户触达成员的渠道"))
    .helpCommand(false)
    .addHelpText(
      "after",
      `\n${t("A channel is of the key's own tenant: use a key of an administrator there.", "渠道属于密钥所在的租户：请使用该租户管理员的密钥。")}`,
    );
  for (const add of [addList, addShow, addAdd, addUpdate, addRemove, addTest]) add(channel, context);
}

function addList(channel: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  channel
    .command("list")
    .description(t("list the channels, by id", "列出渠道"))
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil channel list`)
    .action(async ({ json }: { json?: boolean }) => {
      const { delivery } = await connect();
      const load = async (page: { pageSize: number; pageToken: string }) => {
        const { channels, nextPageToken } = await delivery.listChannels(page);
        return { items: channels, nextPageToken };
      };
      const channels = await allOf(pages(load));
      const lines = json
        ? channels.map((each) => jsonLine(ChannelSchema, each))
        : channelTable(channels, terminal);
      for (const line of lines) await terminal.out(line);
    });
}

function addShow(channel: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  channel
    .command("show")
    .argument("<channel>", t("its id", "渠道编号"))
    .description(t("show one channel, without its secrets", "查看渠道（不含密钥）"))
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil channel show wecom-robot`)
    .action(async (channelId: string, { json }: { json?: boolean }) => {
      const { delivery } = await connect();
      const { channel: found } = await delivery.getChannel({ channelId });
      if (json) await terminal.out(prettyJson(ChannelSchema, found!));
      else for (const line of channelLines(found!, terminal)) await terminal.out(line);
    });
}

interface Named {
  readonly name?: string;
  readonly json?: boolean;
}

function addAdd(channel: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = channel
    .command("add")
    .argument("<channel>", t("its id: a-z, 0-9 and -", "渠道编号：a-z、0-9 和 -"))
    .description(t("add a WeCom robot of the tenant's own", "添加租户自己的企业微信机器人"))
    .option("--name <name>", t("the name to show", "显示名称"))
    .option("--json", t("print it as JSON", "以 JSON 输出"));
  addSettingsOptions(command, t)
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil channel add shop-robot --mode callback --bot-key-file bot.key\n  hil channel add plant-robot --relay plant-2 --relay plant-3\n\n${t("The key is kept encrypted and never shown again.", "key 加密保存，不会再次显示。")}`,
    )
    .action(async (channelId: string, options: SettingsOptions & Named) => {
      const settings = await settingsOf(options, terminal);
      if (!settings || (options.botKeyFile === undefined && !options.relay)) {
        command.error(
          `error: ${t("--bot-key-file is needed, or --relay", "需要 --bot-key-file 或 --relay")}`,
        );
      }
      const { delivery } = await connect();
      const { channel: made } = await delivery.createChannel({
        channelId,
        name: options.name ?? "",
        settings,
      });
      await print(made!, options, terminal);
    });
}

function addUpdate(channel: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = channel
    .command("update")
    .argument("<channel>", t("its id", "渠道编号"))
    .description(
      t("change a channel that was added; what is not said stays", "修改已添加的渠道，未指定的保持不变"),
    );
  addSettingsOptions(command, t)
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil channel update shop-robot --bot-key-file new.key`,
    )
    .action(async (channelId: string, options: SettingsOptions & Named) => {
      const settings = await settingsOf(options, terminal);
      if (!settings && options.name === undefined) {
        command.error(
          `error: ${t("nothing to change was said; see --help", "没有指定要修改的内容，见 --help")}`,
        );
      }
      const { delivery } = await connect();
      const before = (await delivery.getChannel({ channelId })).channel!;
      const { channel: updated } = await delivery.updateChannel({
        channelId,
        name: options.name,
        settings: settings && settingsOver(before.settings, settings),
      });
      await print(updated!, options, terminal);
    });
}

function addRemove(channel: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  channel
    .command("remove")
    .argument("<channel>", t("its id", "渠道编号"))
    .description(
      t(
        "take a channel away that was added; what waits for it fails",
        "移除已添加的渠道，待发送的消息将失败",
      ),
    )
    .option("-y, --yes", t("do not ask", "不再询问"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil channel remove shop-robot`)
    .action(async (channelId: string, options: { yes?: boolean }) => {
      await confirm(
        terminal,
        t(`Take ${channelId} away, with its key?`, `移除 ${channelId} 及其 key？`),
        options,
      );
      const { delivery } = await context.connect();
      await delivery.deleteChannel({ channelId });
      terminal.note(t(`${channelId} is gone`, `${channelId} 已移除`));
    });
}

function addTest(channel: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  channel
    .command("test")
    .argument("<channel>", t("its id", "渠道编号"))
    .argument(
      "[chat]",
      t("the chat to send to; not needed for a robot of one group", "发送到的会话；单群机器人无需指定"),
    )
    .description(t("send one message at once and tell how that ended", "立即发送一条测试消息并报告结果"))
    .option("--json", t("print the attempt as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil channel test shop-robot wrk123\n\n${t("It exits with 5 where the vendor did not take it.", "平台未接收时退出码为 5。")}`,
    )
    .action(async (channelId: string, chatId = "", { json }: { json?: boolean }) => {
      const { delivery } = await context.connect();
      const { attempt } = await delivery.testChannel({ target: { channelId, chatId } });
      const outcome = attempt!.outcome;
      if (json) await terminal.out(prettyJson(AttemptSchema, attempt!));
      else {
        const detail = attempt!.detail ? `: ${oneLine(attempt!.detail)}` : "";
        await terminal.out(`${enumWord(Attempt_OutcomeSchema, outcome)}${detail}`);
      }
      context.endWith(outcome === Attempt_Outcome.DELIVERED ? EXIT.ok : EXIT.undeliverable);
    });
}

async function print(channel: Channel, { json }: { json?: boolean }, terminal: Terminal): Promise<void> {
  if (json) await terminal.out(prettyJson(ChannelSchema, channel));
  else for (const line of channelLines(channel, terminal)) await terminal.out(line);
}
