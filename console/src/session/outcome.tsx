import {
  Reply_Disposition,
  type Session,
  Session_Outcome,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Link, useSearch } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { nextWaiting, titleOf } from "../inbox/inbox-order.ts";
import { sessionPath } from "../page.ts";
import { text } from "../text/text.ts";
import { announce } from "../ui/announcer.tsx";
import { timeText } from "../ui/time.tsx";
import { dropDraft, isEmpty, writtenText } from "./answer-draft.ts";
import { answerInWords, endSentence, outcomeWord } from "./outcome-words.ts";
import type { AnswerInHand } from "./use-answer.ts";

/** How a session ended: the receipt of one's own answer, or what counts instead and what one had written. */
export function Outcome({ session, answer }: { session: Session; answer: AnswerInHand }) {
  const { kind } = answer.submission.value;
  // The reply to one's own answer may be lost while the answer is not: then the session names it.
  const mine = kind === "accepted" || isAnsweredBy(session, answer.requestId);
  const unsent = useRef(
    mine || isEmpty(answer.draft.peek()) ? "" : writtenText(answer.draft.peek(), session),
  );
  const t = text.value;
  const receipt =
    mine && session.answer?.answerTime ? t.received(timeText(session.answer.answerTime)) : undefined;
  const said = receipt ?? endSentence(session);

  const wasOpen = useRef(kind !== "editing" || !isEmpty(answer.draft.peek()));
  useEffect(() => {
    // What was written is shown now, to be copied; it can be sent no more.
    dropDraft(session.id);
    if (wasOpen.current) announce(said, mine ? "polite" : "assertive");
  }, []);

  return (
    <section class="outcome" data-outcome={toneOf(session)} aria-label={t.yourAnswer}>
      {kind === "too-late" ? (
        <p>{session.state === Session_State.ANSWERED ? t.someoneWasFaster : t.endedMeanwhile}</p>
      ) : null}
      <p class="outcome-head">
        <strong>{receipt ?? outcomeWord(session)}</strong>
        {receipt ? null : <span>{said}</span>}
      </p>
      {session.answer ? <p class="body answer-text">{answerInWords(session, session.answer.value)}</p> : null}
      {session.answer?.note ? <p class="body quiet">{session.answer.note}</p> : null}
      {session.endReason ? <p class="quiet">{t.reason(session.endReason)}</p> : null}
      {unsent.current ? <Unsent written={unsent.current} /> : null}
      {mine ? <MoveOn sessionId={session.id} /> : null}
    </section>
  );
}

/** After an answer: the next question, one key away. It has the focus, so Enter goes on and a second click hits nothing. */
function MoveOn({ sessionId }: { sessionId: string }) {
  const { live } = useApp();
  const search = useSearch();
  const link = useRef<HTMLDivElement>(null);
  useEffect(() => link.current?.querySelector("a")?.focus({ preventScroll: true }), []);
  const next = nextWaiting(live.list.sessions.value.values(), sessionId);
  const t = text.value;
  return (
    <div class="move-on" ref={link}>
      {next ? (
        <Link href={sessionPath(next.id, search)} class="button">
          {t.nextQuestion(titleOf(next) || t.untitled)}
        </Link>
      ) : (
        <>
          <span class="quiet">{t.noneLeft}</span>{" "}
          <Link href={`/inbox${search ? `?${search}` : ""}`} class="button">
            {t.backToInbox}
          </Link>
        </>
      )}
    </div>
  );
}

function Unsent({ written }: { written: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const copied = useSignal(false);
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(written);
    } catch {
      document.execCommand("copy"); // pages that came by plain http have no clipboard
    }
    copied.value = true;
  };
  const t = text.value;
  return (
    <div class="field">
      <label for="unsent">{t.unsent}</label>
      <textarea id="unsent" ref={field} readOnly rows={3} value={written} />
      <button type="button" class="button small" onClick={() => void copy()}>
        {copied.value ? t.copied : t.copy}
      </button>
    </div>
  );
}

function isAnsweredBy(session: Session, requestId: string): boolean {
  return session.replies.some(
    ({ id, disposition }) => id === requestId && disposition === Reply_Disposition.ACCEPTED,
  );
}

function toneOf(session: Session): "good" | "refused" | "ended" {
  if (session.outcome === Session_Outcome.ANSWERED) return "good";
  return session.outcome === Session_Outcome.REJECTED ? "refused" : "ended";
}
