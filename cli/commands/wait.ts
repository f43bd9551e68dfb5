import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { findSession } from "../session-lookup.ts";
import { waitAtTerminal } from "../waiting.ts";

export function addWait(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  program
    .command("wait")
    .argument("<id>", t("the session: its id or short id", "会话编号或短编号"))
    .description(t("wait for the answer to a question that was asked before", "等待之前提问的回答"))
    .option("--json", t("print the whole session as JSON", "以 JSON 输出整个会话"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil wait abc12345\n\n${t('It exits as "hil ask" does.', '退出码与 "hil ask" 相同。')}`,
    )
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const connection = await context.connect();
      const session = await findSession(connection.sessions, id, t);
      context.endWith(await waitAtTerminal(session, connection, context.terminal, { json }));
    });
}
