// Every command of `hil`, with its help.

import { Command } from "commander";
import { addAnswer } from "./commands/answer.ts";
import { addAsk } from "./commands/ask.ts";
import { addAudit } from "./commands/audit.ts";
import { addCancel } from "./commands/cancel.ts";
import { addChannel } from "./commands/channel.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addKey } from "./commands/key.ts";
import { addMember } from "./commands/member.ts";
import { addReceipt } from "./commands/receipt.ts";
import { addRelay } from "./commands/relay.ts";
import { addRotate } from "./commands/rotate.ts";
import { addServe } from "./commands/serve.ts";
import { addSessions } from "./commands/sessions.ts";
import { addShow } from "./commands/show.ts";
import { addSignIn } from "./commands/sign-in.ts";
import { addTemplate } from "./commands/template.ts";
import { addTenant } from "./commands/tenant.ts";
import { addWait } from "./commands/wait.ts";
import { addWhoAmI } from "./commands/whoami.ts";
import type { CommandContext } from "./context.ts";
import { version } from "./version.ts";

/** Makes the commands. Nothing runs until the result parses a command line. */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const { t } = terminal;
  const program = new Command("hil")
    .description(t("Carries questions to people and their answers back.", "把问题带给人，把回答带回来。"))
    .version(version(), "-V, --version", t("print the version", "打印版本"))
    .helpOption("-h, --help", t("show help", "显示帮助"))
    .helpCommand("help [command]", t("show help for a command", "显示命令帮助"))
    .option(
      "--service-url <url>",
      t(
        "the server; default: HIL_SERVICE_URL, else this machine",
        "服务地址；默认取 HIL_SERVICE_URL，否则为本机",
      ),
    )
    .addHelpText(
      "after",
      `
${t("Examples", "示例")}:
  hil serve
  hil ask "Shall I go on?" --confirm
  hil answer abc12345 yes

${t('The key comes from HIL_API_KEY, or from the data folder of a server on this machine.\n"hil COMMAND --help" tells more.', '密钥取自 HIL_API_KEY，或本机服务的数据目录。\n用 "hil 命令 --help" 查看详情。')}`,
    )
    .exitOverride();

  for (const add of [
    addServe,
    addAsk,
    addWait,
    addSessions,
    addShow,
    addAnswer,
    addCancel,
    addSignIn,
    addWhoAmI,
    addTenant,
    addMember,
    addKey,
    addRelay,
    addChannel,
    addTemplate,
    addAudit,
    addReceipt,
    addRotate,
    addDoctor,
  ]) {
    add(program, context);
  }
  program
    .command("version")
    .description(t("print the version", "打印版本"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil version`)
    .action(() => terminal.out(version()));

  return program;
}

/** The address that the command line names for every command. */
export function serviceUrlOf(program: Command): string | undefined {
  return program.opts<{ serviceUrl?: string }>().serviceUrl;
}
