import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { CreateSessionRequest } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import type { Command } from "commander";
import { collectRoles } from "../administration/roles.ts";
import { type AskOptions, askRequest } from "../asking.ts";
import type { Connection } from "../client.ts";
import type { CommandContext } from "../context.ts";
import { collect } from "../option-values.ts";
import { sessionJson } from "../outcome.ts";
import { saidLocaleOf } from "../terminal.ts";
import { waitAtTerminal } from "../waiting.ts";

/** A server that restarts is back within this time; one that is not there at all should be told soon. */
const TRIES = 4;
const PAUSE_MS = 700;

export function addAsk(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  program
    .command("ask")
    .argument(
      "<question>",
      t('the question, as Markdown; "-" reads it from stdin', '问题（Markdown）；"-" 表示从标准输入读取'),
    )
    .description(t("ask people a question and wait for the answer", "向人提问并等待回答"))
    .option("--confirm", t("ask for yes or no", "只需回答是或否"))
    .option("--choice <value>", t("one option of a choice; repeat it", "一个选项，可重复"), collect)
    .option("--multiple", t("several options may be chosen", "可多选"))
    .option(
      "--timeout <time>",
      t("90s, 20m, 2h, 1d or none; default: the server's", "90s、20m、2h、1d 或 none；默认由服务决定"),
    )
    .option("--default <value>", t("the answer that the deadline gives", "超时后采用的默认答案"))
    .option("--title <line>", t("one line above the question", "问题标题（一行）"))
    .option("--project <name>", t("the project, shown to people", "项目名称，会展示给回答者"))
    .option(
      "--chat-id <id>",
      t("the chat to ask in; the console shows it too", "发送到的会话；控制台也会显示"),
    )
    .option("--channel <id>", t("the channel of that chat", "会话所在渠道"))
    .option(
      "--request-id <id>",
      t("names this ask, so that a repeat asks nothing anew", "提问编号，重复执行不会重复提问"),
    )
    .option(
      "--locale <language>",
      t(
        "zh-CN or en, for our words around the question; default: LANG where it says one of them, else the server's",
        "问题周围文字的语言：zh-CN 或 en；默认取 LANG，否则由服务决定",
      ),
    )
    .option(
      "--by-member <id>",
      t("only this member may answer; repeat it", "仅此成员可回答，可重复"),
      collect,
    )
    .option(
      "--by-role <role>",
      t("only members with this role may answer; repeat it", "仅此角色的成员可回答，可重复"),
      collectRoles,
    )
    .option(
      "--by-user <id>",
      t("only this user of the chat's vendor may answer; repeat it", "仅此平台用户可回答，可重复"),
      collect,
    )
    .option(
      "--sensitive",
      t("keep the question and its answer encrypted on disk", "在磁盘上加密保存问题与回答"),
    )
    .option("--json", t("print the whole session as JSON", "以 JSON 输出整个会话"))
    .option("--no-wait", t("print the session's id and do not wait", "只输出会话编号，不等待"))
    .addHelpText(
      "after",
      `
${t("Examples", "示例")}:
  hil ask "Deploy 1.4.2 to production?" --confirm --timeout 20m && ./deploy.sh
  hil ask "Which region?" --choice eu --choice us --default eu --timeout 1h
  git diff | hil ask - --title "Anything against this change?"
  hil ask "Pay 12,000 to Acme?" --confirm --by-role administrator --sensitive

${t("Exit codes", "退出码")}:
  0 ${t("answered", "已回答")} · 1 ${t("refused", "被拒绝")} · 3 ${t("expired", "已超时")} · 4 ${t("cancelled", "已取消")} · 5 ${t("undeliverable", "无法送达")}
  64 ${t("usage", "用法错误")} · 69 ${t("server unavailable", "服务不可用")} · 77 ${t("no credential", "没有凭证")} · 130 ${t("interrupted; the question stays open", "被中断，问题仍在等待")}`,
    )
    .action(async (question: string, options: AskOptions & { json?: boolean; wait: boolean }) => {
      const text = question === "-" ? (await context.terminal.readInput()).trimEnd() : question;
      const locale = options.locale ?? saidLocaleOf(context.terminal.environment);
      const request = askRequest(text, { ...options, locale }, randomUUID());
      const connection = await context.connect();
      const session = await create(request, connection);
      context.endWith(await follow(session, connection, context, options));
    });
}

async function follow(
  session: Session,
  connection: Connection,
  { terminal }: CommandContext,
  { json = false, wait }: { json?: boolean; wait: boolean },
): Promise<number> {
  if (!wait) {
    await terminal.out(json ? sessionJson(session) : session.id);
    return 0;
  }
  return waitAtTerminal(session, connection, terminal, { json });
}

/** Repeats are safe: the request carries its request_id. */
async function create(request: CreateSessionRequest, { sessions }: Connection): Promise<Session> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await sessions.createSession(request, { timeoutMs: 15_000 })).session!;
    } catch (error) {
      if (attempt === TRIES || !(error instanceof ConnectError) || !isTransient(error)) throw error;
      await pause(PAUSE_MS);
    }
  }
}
