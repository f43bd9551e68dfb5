// Tells how a session ended: the answer to stdout, everything else to stderr.

import { type Session, Session_Outcome, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { prettyJson } from "./contract-json.ts";
import { exitCodeOf } from "./exit-code.ts";
import { answeredBy, valueLines } from "./session-words.ts";
import { oneLine, printable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Prints the end of a session, and gives the exit code for it. */
export async function printOutcome(
  session: Session,
  terminal: Terminal,
  { json }: { json: boolean },
): Promise<number> {
  if (json) await terminal.out(sessionJson(session));
  else
    for (const line of session.answer?.value ? valueLines(session.answer.value) : [])
      await terminal.out(printable(line));
  terminal.note(outcomeSentence(session, terminal));
  const note = session.answer?.note;
  if (note) terminal.note(`${terminal.t("Note", "备注")}: ${printable(note)}`);
  return exitCodeOf(session.outcome);
}

/** A session as JSON, by the field names of the contract. */
export function sessionJson(session: Session): string {
  return prettyJson(SessionSchema, session);
}

function outcomeSentence(session: Session, { t }: Terminal): string {
  const tag = `[#${session.shortId}]`;
  const reason = session.endReason ? `: ${oneLine(session.endReason)}` : "";
  switch (session.outcome) {
    case Session_Outcome.ANSWERED:
      return t(`${tag} answered by ${by(session, t)}`, `${tag} 已由 ${by(session, t)} 回答`);
    case Session_Outcome.REJECTED:
      return t(`${tag} refused by ${by(session, t)}`, `${tag} 已被 ${by(session, t)} 拒绝`);
    case Session_Outcome.EXPIRED:
      return session.answer
        ? t(
            `${tag} nobody answered in time; this is the default answer`,
            `${tag} 超时无人回答，以上是默认答案`,
          )
        : t(`${tag} nobody answered in time`, `${tag} 超时无人回答`);
    case Session_Outcome.CANCELLED:
      return t(`${tag} was taken back${reason}`, `${tag} 已取消${reason}`);
    case Session_Outcome.UNDELIVERABLE:
      return t(`${tag} could not be shown to anybody${reason}`, `${tag} 无法送达任何人${reason}`);
    default:
      return t(`${tag} ended in a way that this version does not know`, `${tag} 以当前版本不认识的方式结束`);
  }
}

function by(session: Session, t: Terminal["t"]): string {
  return session.answer ? answeredBy(session.answer, t) : "";
}
