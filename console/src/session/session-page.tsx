import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { useSignal } from "@preact/signals";
import { Link, useSearch } from "wouter-preact";
import { isNotice, titleOf } from "../inbox/inbox-order.ts";
import { text } from "../text/text.ts";
import { Countdown, useDeadlineAnnouncements } from "../ui/countdown.tsx";
import { Kind } from "../ui/icons.tsx";
import { timeText } from "../ui/time.tsx";
import { usePageHeading } from "../ui/use-page-heading.ts";
import { AnswerForm } from "./answer-form.tsx";
import { Evidence } from "./evidence.tsx";
import { Outcome } from "./outcome.tsx";
import { timeoutInWords } from "./outcome-words.ts";
import { SessionLog } from "./session-log.tsx";
import { useAnswer } from "./use-answer.ts";
import { useSession } from "./use-session.ts";

/** /s/{id}: what is asked, what happens if nobody answers, the evidence, the answer, the log. */
export function SessionPage({ sessionId }: { sessionId: string }) {
  const search = useSearch();
  const { view, take, reload } = useSession(sessionId);
  const state = view.value;
  const session = state.kind === "shown" ? state.session : undefined;
  const answer = useAnswer(sessionId, take);
  const evidenceRead = useSignal(false);
  const heading = usePageHeading(state.kind === "loading" ? undefined : `session ${sessionId}`);
  useDeadlineAnnouncements(session?.state === Session_State.OPEN ? session : undefined);

  const t = text.value;
  const back = (
    <Link href={`/inbox${search ? `?${search}` : ""}`} class="back">
      <span aria-hidden="true">←</span> {t.back}
    </Link>
  );
  if (!session) {
    return (
      <article class="session" aria-busy={state.kind === "loading"}>
        {back}
        <h1 ref={heading} tabIndex={-1}>
          {state.kind === "loading" ? t.loading : state.kind === "gone" ? t.sessionGone : t.sessionFailed}
        </h1>
        {state.kind === "gone" ? <p class="quiet">{t.sessionGoneHint}</p> : null}
        {state.kind === "failed" ? (
          <>
            <p class="quiet">{state.message}</p>
            <button type="button" class="button" onClick={reload}>
              {t.retry}
            </button>
          </>
        ) : null}
      </article>
    );
  }

  const isOpen = session.state === Session_State.OPEN;
  const asker = session.asker?.clientName || session.asker?.principalId;
  return (
    <article class="session">
      {back}
      <header>
        <p class="session-facts">
          <Kind session={session} />
          {session.projectName ? <span class="badge">{session.projectName}</span> : null}
          <span class="mono">#{session.shortId}</span>
        </p>
        <h1 ref={heading} tabIndex={-1}>
          {titleOf(session) || t.untitled}
        </h1>
        <p class="quiet">
          {session.createTime ? (
            <time dateTime={timestampDate(session.createTime).toISOString()}>
              {t.askedAt(timeText(session.createTime))}
            </time>
          ) : null}
          {asker ? <> · {t.askedBy(asker)}</> : null}
        </p>
        {isOpen && !isNotice(session) ? (
          <p class={session.defaultAnswer ? "timeout warning" : "timeout"}>
            {session.expireTime ? <Countdown session={session} /> : null}
            <span>{timeoutInWords(session)}</span>
          </p>
        ) : null}
      </header>
      {isOpen ? null : <Outcome session={session} answer={answer} />}
      <Evidence
        session={session}
        onRead={() => {
          evidenceRead.value = true;
        }}
      />
      {isOpen ? <AnswerForm session={session} answer={answer} evidenceRead={evidenceRead} /> : null}
      <SessionLog session={session} />
    </article>
  );
}
