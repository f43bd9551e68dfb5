import type { AnswerValue, Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useApp } from "../app-context.ts";
import { settings } from "../settings/settings.ts";
import { text } from "../text/text.ts";
import { announce } from "../ui/announcer.tsx";
import { type AnswerDraft, dropDraft, readDraft, writeDraft } from "./answer-draft.ts";
import { createRequestId } from "./request-id.ts";
import { type Submission, submissionOf } from "./submission.ts";

/** What a person enters for one session, and where sending it stands. */
export interface AnswerInHand {
  readonly draft: Signal<AnswerDraft>;
  readonly submission: Signal<Submission>;
  /** Names what is sent from this page. */
  readonly requestId: string;
  /** Changes the draft and keeps it in this browser. */
  edit(change: Partial<AnswerDraft>): void;
  /** Sends once; while it is under way, and once it is accepted, nothing more goes out. */
  send(value: AnswerValue): Promise<void>;
}

/** `take` shows the state of the session that the service returned. */
export function useAnswer(sessionId: string, take: (session: Session) => void): AnswerInHand {
  const { client, live } = useApp();
  const draft = useSignal<AnswerDraft>(readDraft(sessionId));
  const submission = useSignal<Submission>({ kind: "editing" });
  // Made when the page opens: whatever is sent from it, however often, answers once.
  const requestId = useRef<string | undefined>(undefined);
  requestId.current ??= createRequestId();

  return {
    draft,
    submission,
    requestId: requestId.current,
    edit(change) {
      draft.value = { ...draft.value, ...change };
      writeDraft(sessionId, draft.value);
      if (submission.peek().kind === "invalid") submission.value = { kind: "editing" };
    },
    async send(value) {
      const { kind } = submission.peek();
      if (kind === "sending" || kind === "accepted") return;
      submission.value = { kind: "sending" };
      try {
        const { session } = await client.answerSession(
          {
            sessionId,
            requestId: requestId.current!,
            value,
            note: draft.peek().note.trim(),
            responderName: settings.peek().name,
            channelId: "console",
          },
          { timeoutMs: 15_000 },
        );
        dropDraft(sessionId);
        submission.value = { kind: "accepted" };
        if (session) take(session);
      } catch (error) {
        const failed = submissionOf(error);
        submission.value = failed;
        if (failed.kind === "too-late" && failed.session) take(failed.session);
        if (failed.kind === "signed-out") live.signedOut();
        announceFailure(failed);
      }
    },
  };
}

function announceFailure(failed: Submission): void {
  const sentence = failureInWords(failed);
  if (sentence) announce(sentence, "assertive");
}

/** Why an answer did not get through, and what to do. Empty while nothing is wrong. */
export function failureInWords(submission: Submission): string {
  const t = text.value;
  switch (submission.kind) {
    case "invalid":
      return t.invalid(submission.message);
    case "signed-out":
      return t.signedOutSending;
    case "unknown":
      return t.noNetwork;
    case "failed":
      return t.sendingFailed(submission.message);
    case "editing":
    case "sending":
    case "accepted":
    case "too-late":
      return "";
  }
}
