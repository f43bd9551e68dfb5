import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Reply_Disposition, type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { sessionJson } from "../outcome.ts";
import { clockTime, relativeTime } from "../relative-time.ts";
import { findSession } from "../session-lookup.ts";
import {
  answeredBy,
  answerWords,
  deliveryLine,
  interactionLines,
  nameOf,
  stateWord,
} from "../session-words.ts";
import { oneLine, printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function addShow(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("show")
    .argument("<id>", t("the session: its id or short id", "会话编号或短编号"))
    .description(t("show one question and what became of it", "查看一个提问及其结果"))
    .option("--json", t("print the whole session as JSON", "以 JSON 输出整个会话"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil show abc12345`)
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const { sessions } = await context.connect();
      const session = await findSession(sessions, id, t);
      if (json) await terminal.out(sessionJson(session));
      else for (const line of sessionLines(session, terminal)) await terminal.out(line);
    });
}

/** A session for people: what is asked, of whom, and what became of it. */
export function sessionLines(
  session: Session,
  { t, now, locale }: Pick<Terminal, "t" | "now" | "locale">,
): string[] {
  const at = (time: Timestamp | undefined) => {
    if (!time) return "–";
    const date = timestampDate(time);
    return `${clockTime(date, now(), locale)} (${relativeTime(date, now(), locale)})`;
  };
  const lines = [
    `[#${session.shortId}${session.projectName ? ` ${oneLine(session.projectName)}` : ""}] ${stateWord(session.state, t)}`,
    "",
  ];
  if (session.title) lines.push(oneLine(session.title), "");
  if (session.body) lines.push(printable(session.body), "");
  lines.push(...interactionLines(session.interaction, t));
  for (const { key, value } of session.context) lines.push(`  ${oneLine(key)}: ${oneLine(value)}`);
  if (session.defaultAnswer) {
    const value = answerWords(session, session.defaultAnswer);
    lines.push(
      "",
      t(`If nobody answers in time, the answer is: ${value}`, `若超时无人回答，将采用：${value}`),
    );
  }
  lines.push(
    "",
    `${t("asked", "提问")}     ${at(session.createTime)} ${t("by", "来自")} ${oneLine(session.asker?.clientName || session.asker?.principalId || "–")}`,
  );
  if (session.state === Session_State.OPEN) {
    lines.push(
      `${t("deadline", "截止")}  ${session.expireTime ? at(session.expireTime) : t("none", "不限时")}`,
    );
  } else {
    lines.push(
      `${t("ended", "结束")}     ${at(session.endTime)}${session.endReason ? ` · ${oneLine(session.endReason)}` : ""}`,
    );
  }
  if (session.answer?.value) {
    lines.push(
      `${t("answer", "回答")}    ${answerWords(session, session.answer.value)} · ${answeredBy(session.answer, t)}`,
    );
    if (session.answer.note) lines.push(`${t("note", "备注")}      ${printable(session.answer.note)}`);
  }
  for (const delivery of session.deliveries)
    lines.push(`${t("delivery", "投递")}  ${deliveryLine(delivery, t)}`);
  for (const reply of session.replies) {
    if (reply.disposition === Reply_Disposition.ACCEPTED) continue;
    const late = reply.disposition === Reply_Disposition.LATE ? t("late", "迟到") : t("not taken", "未采纳");
    lines.push(
      `${t("reply", "回复")}     ${late} · ${nameOf(reply.sender)}: ${oneLine(reply.text)}${reply.reason ? ` (${oneLine(reply.reason)})` : ""}`,
    );
  }
  lines.push(`${t("id", "编号")}        ${session.id}`);
  return lines;
}
