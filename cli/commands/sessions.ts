import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Session, Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type Command, Option } from "commander";
import type { CommandContext } from "../context.ts";
import { jsonLine } from "../contract-json.ts";
import { readLimit } from "../option-values.ts";
import { allOf, pages } from "../paging.ts";
import { relativeTime } from "../relative-time.ts";
import { headline, stateWord } from "../session-words.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface SessionsOptions {
  readonly state: "open" | "all";
  readonly project?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export function addSessions(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("sessions")
    .description(t("list questions, newest first", "列出提问，最新的在前"))
    .addOption(
      new Option("--state <state>", t("which ones", "哪些")).choices(["open", "all"]).default("open"),
    )
    .option("--project <name>", t("only of this project", "仅此项目"))
    .option("--limit <number>", t("how many at most", "最多条数"), readLimit, 50)
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil sessions --state all --project shop --limit 20`)
    .action(async (options: SessionsOptions) => {
      const sessions = await list(context, options);
      if (options.json) {
        for (const session of sessions) await terminal.out(jsonLine(SessionSchema, session));
        return;
      }
      if (sessions.length === 0) {
        terminal.note(
          options.state === "open"
            ? t("Nothing waits for an answer.", "没有等待回答的提问。")
            : t("There are no questions.", "没有提问。"),
        );
        return;
      }
      for (const line of sessionTable(sessions, terminal)) await terminal.out(line);
    });
}

async function list(context: CommandContext, { state, project, limit }: SessionsOptions): Promise<Session[]> {
  const { sessions: client } = await context.connect();
  const filter = { states: state === "open" ? [Session_State.OPEN] : [], projectName: project ?? "" };
  const load = async (page: { pageSize: number; pageToken: string }) => {
    const { sessions, nextPageToken } = await client.listSessions({ filter, ...page });
    return { items: sessions, nextPageToken };
  };
  return allOf(pages(load, limit));
}

/** The sessions as lines, with a head. */
export function sessionTable(
  sessions: readonly Session[],
  { t, now, locale, columns }: Pick<Terminal, "t" | "now" | "locale" | "columns">,
): string[] {
  const head = [
    t("ID", "编号"),
    t("STATE", "状态"),
    t("PROJECT", "项目"),
    t("QUESTION", "问题"),
    t("ASKED", "提问"),
    t("DEADLINE", "截止"),
  ];
  const when = (time: Session["createTime"]) =>
    time ? relativeTime(timestampDate(time), now(), locale) : "–";
  const rows = sessions.map((session) => [
    session.shortId,
    stateWord(session.state, t),
    oneLine(session.projectName) || "–",
    headline(session),
    when(session.createTime),
    session.state === Session_State.OPEN ? when(session.expireTime) : "–",
  ]);
  return tableLines([head, ...rows], { columns, flexible: 3 });
}
