import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { ConnectError } from "@connectrpc/connect";
import { SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Command } from "commander";
import { readAnswer } from "../answer-reading.ts";
import type { CommandContext } from "../context.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { findSession } from "../session-lookup.ts";
import { answeredBy, answerWords, interactionLines, stateWord } from "../session-words.ts";

export function addAnswer(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("answer")
    .argument("<id>", t("the session: its id or short id", "会话编号或短编号"))
    .argument(
      "<answer>",
      t("the text, yes or no, or an option by number, label or value", "文本、是/否，或选项的序号、名称、值"),
    )
    .description(t("answer a question", "回答一个提问"))
    .option("--note <text>", t("a remark for the asker", "给提问者的备注"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil answer abc12345 yes --note "after 18:00"\n  hil answer abc12345 1,3`,
    )
    .action(async (id: string, text: string, { note = "" }: { note?: string }) => {
      const { sessions } = await context.connect();
      const session = await findSession(sessions, id, t);
      const reading = session.interaction && readAnswer(session.interaction, text);
      if (reading?.kind !== "value") {
        const options = interactionLines(session.interaction, t).join("\n");
        throw new CommandError(
          EXIT.refused,
          t(
            `${JSON.stringify(text)} is not an answer to this. It asks for:\n${options}`,
            `${JSON.stringify(text)} 不是有效的回答。可以回答：\n${options}`,
          ),
        );
      }
      try {
        const answered = await sessions.answerSession({
          sessionId: session.id,
          requestId: randomUUID(),
          value: reading.value,
          note,
          responderName: userInfo().username,
          channelId: "cli",
        });
        const words = answerWords(answered.session!, reading.value);
        terminal.note(
          t(`[#${session.shortId}] answered: ${words}`, `[#${session.shortId}] 已回答：${words}`),
        );
      } catch (error) {
        throw endedBefore(error, t) ?? error;
      }
    });
}

/** Who loses a race is told who was faster: the error brings the session as it stands. */
function endedBefore(error: unknown, t: CommandContext["terminal"]["t"]): CommandError | undefined {
  const session = error instanceof ConnectError ? error.findDetails(SessionSchema)[0] : undefined;
  if (!session) return undefined;
  const answer = session.answer;
  const how = answer?.value
    ? t(
        `answered by ${answeredBy(answer, t)}: ${answerWords(session, answer.value)}`,
        `${answeredBy(answer, t)} 已回答：${answerWords(session, answer.value)}`,
      )
    : stateWord(session.state, t);
  return new CommandError(
    EXIT.refused,
    t(
      `[#${session.shortId}] has ended before (${how}); your answer is kept with it as late`,
      `[#${session.shortId}] 已结束（${how}）；你的回答已作为迟到回复保存`,
    ),
    { cause: error },
  );
}
