// Waits at the terminal for a session, as `ask` and `wait` both do.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Connection } from "./client.ts";
import { followSession } from "./following.ts";
import { printOutcome } from "./outcome.ts";
import { clockTime, relativeTime } from "./relative-time.ts";
import { deliveryLine } from "./session-words.ts";
import { printable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Ctrl-C and a terminated process leave the question open: 128 and the signal's number. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

/** Says which session is waited for and where to answer it. */
function announce(session: Session, connection: Connection, terminal: Terminal): void {
  const { t, locale } = terminal;
  const until = session.expireTime && timestampDate(session.expireTime);
  const deadline = until
    ? t(
        `until ${clockTime(until, terminal.now(), locale)}, ${relativeTime(until, terminal.now(), locale)}`,
        `截止 ${clockTime(until, terminal.now(), locale)}（${relativeTime(until, terminal.now(), locale)}）`,
      )
    : t("without a deadline", "不限时");
  terminal.note(t(`[#${session.shortId}] waits ${deadline}`, `[#${session.shortId}] 等待回答，${deadline}`));
  terminal.note(`  ${t("session", "会话")}  ${session.id}`);
  terminal.note(`  ${t("answer", "回答")}   ${connection.service.baseUrl}/s/${session.id}`);
  terminal.note(`  ${t("or", "或")}       hil answer ${session.shortId} …`);
}

/** Says what is waited for, waits for the end, prints it and gives the exit code. */
export async function waitAtTerminal(
  start: Session,
  connection: Connection,
  terminal: Terminal,
  { json }: { json: boolean },
): Promise<number> {
  const { t } = terminal;
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => stop.abort(signal);
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  if (start.state === Session_State.OPEN) announce(start, connection, terminal);
  const told = new Map<string, string>();
  const tellDeliveries = (session: Session) => {
    for (const delivery of session.deliveries) {
      if (delivery.target?.channelId === "console") continue;
      const line = deliveryLine(delivery, t);
      if (told.get(delivery.deliveryId) !== line) terminal.note(`  ${line}`);
      told.set(delivery.deliveryId, line);
    }
  };
  tellDeliveries(start);
  try {
    const session = await followSession(start, {
      sessions: connection.sessions,
      now: terminal.now,
      signal: stop.signal,
      onChange: tellDeliveries,
      onConnection: (connected) =>
        terminal.note(
          connected
            ? t("the server is there again; still waiting", "已重新连接，继续等待")
            : t("lost the server; trying again", "与服务断开，正在重试"),
        ),
    });
    const exitCode = await printOutcome(session, terminal, { json });
    await acknowledge(session, connection, terminal);
    return exitCode;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    terminal.note(
      t(
        `\n[#${start.shortId}] stays open. To wait again: hil wait ${start.shortId}   To take it back: hil cancel ${start.shortId}`,
        `\n[#${start.shortId}] 仍在等待回答。继续等待：hil wait ${start.shortId}   取消提问：hil cancel ${start.shortId}`,
      ),
    );
    return INTERRUPTED[stop.signal.reason as keyof typeof INTERRUPTED];
  } finally {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

/** The answer is printed: from now on it is not offered again. Failing at this loses nothing. */
async function acknowledge(session: Session, { sessions }: Connection, terminal: Terminal): Promise<void> {
  if (!session.answer || session.takenTime) return;
  try {
    await sessions.acknowledgeAnswer({ sessionId: session.id }, { timeoutMs: 5000 });
  } catch (error) {
    const { rawMessage } = ConnectError.from(error);
    terminal.note(
      terminal.t(
        `the answer was not marked as taken, so it will be offered again (${printable(rawMessage)})`,
        `未能标记答案已取走，之后会再次提供（${printable(rawMessage)}）`,
      ),
    );
  }
}
