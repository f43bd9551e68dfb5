import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { findSession } from "../session-lookup.ts";

export function addCancel(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("cancel")
    .argument("<id>", t("the session: its id or short id", "会话编号或短编号"))
    .description(t("take a question back", "取消一个提问"))
    .option("--reason <text>", t("why, shown to people", "原因，会展示给回答者"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil cancel abc12345 --reason "found it myself"`)
    .action(async (id: string, { reason = "" }: { reason?: string }) => {
      const { sessions } = await context.connect();
      const session = await findSession(sessions, id, t);
      await sessions.cancelSession({ sessionId: session.id, reason });
      terminal.note(t(`[#${session.shortId}] taken back`, `[#${session.shortId}] 已取消`));
    });
}
