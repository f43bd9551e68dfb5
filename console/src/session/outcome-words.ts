import {
  type Answer,
  type AnswerValue,
  type Option,
  type Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { listed } from "../text/format.ts";
import { language, text } from "../text/text.ts";
import { timeText } from "../ui/time.tsx";

/** The options of a question, with our own words for a yes and no that the asker left as they are. */
export function optionsOf(session: Session): readonly Option[] {
  const kind = session.interaction?.kind;
  return kind?.case === "confirmation" || kind?.case === "selection" ? kind.value.options : [];
}

/** What people read for an option. */
export function labelOf(option: Pick<Option, "value" | "label">): string {
  if (option.label) return option.label;
  if (option.value === "yes") return text.value.yes;
  if (option.value === "no") return text.value.no;
  return option.value;
}

/** An answer in words: what was written, or the labels of what was chosen. */
export function answerInWords(session: Session, value: AnswerValue | undefined): string {
  const label = (chosen: string) =>
    labelOf(optionsOf(session).find((option) => option.value === chosen) ?? { value: chosen, label: "" });
  switch (value?.kind.case) {
    case "text":
      return value.kind.value.text;
    case "confirmation":
      return label(value.kind.value.value);
    case "selection": {
      const { values, other } = value.kind.value;
      return listed(language.value, [...values.map(label), ...(other ? [other] : [])]);
    }
    case undefined:
      return "";
  }
}

export function channelName(channelId: string): string {
  return text.value.channels[channelId] ?? channelId;
}

/** Who gave an answer, as far as it is known. */
export function responderOf(answer: Answer): string {
  const { responder } = answer;
  return (
    responder?.name || responder?.alias || responder?.userId || responder?.principalId || text.value.somebody
  );
}

/** How a session ended, in one word or two. */
export function outcomeWord(session: Session): string {
  const words = text.value.outcome;
  switch (session.outcome) {
    case Session_Outcome.ANSWERED:
      return words.answered;
    case Session_Outcome.REJECTED:
      return words.rejected;
    case Session_Outcome.EXPIRED:
      return words.expired;
    case Session_Outcome.CANCELLED:
      return words.cancelled;
    case Session_Outcome.UNDELIVERABLE:
      return words.undeliverable;
    case Session_Outcome.UNSPECIFIED:
      return "";
    default:
      return ""; // an outcome of a newer server
  }
}

/** How a session ended, for its row: "Answered by Li Wei in WeCom". */
export function endedInWords(session: Session): string {
  const { answer } = session;
  if (session.state === Session_State.ANSWERED && answer) {
    return text.value.answeredBy(responderOf(answer), channelName(answer.channelId));
  }
  return outcomeWord(session);
}

/** How a session ended, in a sentence with the time. */
export function endSentence(session: Session): string {
  const t = text.value;
  const time = session.endTime ? timeText(session.endTime) : "";
  switch (session.state) {
    case Session_State.ANSWERED: {
      const { answer } = session;
      return answer ? t.answeredAt(responderOf(answer), channelName(answer.channelId), time) : "";
    }
    case Session_State.EXPIRED:
      return session.answer ? t.answeredByDefault(time) : t.expiredAt(time);
    case Session_State.CANCELLED:
      return t.cancelledAt(time);
    case Session_State.UNDELIVERABLE:
      return t.undeliverableAt(time);
    default:
      return ""; // open, or a state of a newer server
  }
}

/** What becomes of an open session when nobody answers. */
export function timeoutInWords(session: Session): string {
  const t = text.value.timeout;
  if (!session.expireTime) return t.none;
  const time = timeText(session.expireTime);
  return session.defaultAnswer
    ? t.defaults(time, answerInWords(session, session.defaultAnswer))
    : t.expires(time);
}
