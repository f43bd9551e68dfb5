import type { Command } from "commander";
import { makeSignInLink } from "../administration/sign-in-links.ts";
import type { CommandContext } from "../context.ts";

export function addSignIn(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("sign-in")
    .description(
      t("print a fresh link that signs the owner in to the console, once", "打印一个一次性的所有者登录链接"),
    )
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil sign-in\n\n${t('It needs the owner key, or to be run on the server\'s machine. For somebody else: "hil member sign-in-link".', "需要所有者密钥，或在服务所在机器上运行。为他人登录请用 “hil member sign-in-link”。")}`,
    )
    .action(async () => {
      await terminal.out(await makeSignInLink(await context.connect(), {}, t));
    });
}
