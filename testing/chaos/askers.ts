// The agents of a run: each asks, waits for the answer through whatever breaks, and asks the next. Of some questions
// somebody else wants to decide the end at the same time as the people of the chat.

import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Session, Session_Outcome, Session_OutcomeSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { replyTextOf } from "./checkers.ts";
import type { Deployment } from "./deployment.ts";
import type { History, Rival } from "./history.ts";
import type { createRandom } from "./random.ts";

const PAUSE_MS = 50;
/** A waiter asks again at the latest after this, as every client behind a proxy does. */
const SLICE_S = 20n;
/** By when a rival has decided, about as long as people take to see a question and to answer it. */
const RIVAL_MS = 500;
/** How often each kind of rival is there, in a hundred questions. */
const RIVALS: readonly (readonly [Rival, number])[] = [
  ["answer", 8],
  ["cancel", 8],
  ["deadline", 8],
];

export type Sessions = Client<typeof SessionService>;

/** A client of a deployment. */
export function sessionsOf({ url, ownerKey }: Pick<Deployment, "url" | "ownerKey">): Sessions {
  return createClient(SessionService, transportOf({ url, ownerKey }));
}

export function transportOf({ url, ownerKey }: Pick<Deployment, "url" | "ownerKey">) {
  return createConnectTransport({
    baseUrl: url,
    httpVersion: "2",
    pingIntervalMs: 2_000,
    pingTimeoutMs: 2_000,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${ownerKey}`);
        return next(request);
      },
    ],
  });
}

/** Calls again until it succeeds: what a client does that wants to know. `stop` ends it with its reason. */
export async function persist<T>(call: () => Promise<T>, stop: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (stop.aborted) throw ConnectError.from(error);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Who races for the end of the next question. */
export function drawRival(random: ReturnType<typeof createRandom>): { rival: Rival; afterMs: number } {
  let draw = random.below(100);
  const afterMs = 1 + random.below(RIVAL_MS);
  for (const [rival, share] of RIVALS) {
    if (draw < share) return { rival, afterMs };
    draw -= share;
  }
  return { rival: "none", afterMs };
}

/** One question from asking to its end. Rejects only when `stop` was heard. */
export async function ask(
  sessions: Sessions,
  { request, chatId, rival, afterMs }: { request: string; chatId: string; rival: Rival; afterMs: number },
  history: History,
  stop: AbortSignal,
): Promise<void> {
  const limit =
    rival === "deadline"
      ? { timeout: { seconds: 0n, nanos: afterMs * 1_000_000 } }
      : { withoutDeadline: true };
  const created = await persist(async () => {
    const { session } = await sessions.createSession(
      {
        requestId: request,
        projectName: "chaos",
        body: `question ${request}`,
        interaction: { kind: { case: "text", value: {} } },
        audience: { targets: [{ channelId: "wecom-robot", chatId }] },
        ...limit,
      },
      { timeoutMs: 10_000 },
    );
    return session!;
  }, stop);
  history.add({ kind: "asked", request, session: created.id, shortId: created.shortId, rival });
  history.add({ kind: "waiting", request });
  const racing = race(sessions, created, { rival, afterMs }, history, stop);
  racing.catch(() => {}); // awaited below, unless the wait fails first
  await waitForEnd(sessions, created, request, history, stop);
  await racing;
}

/** Decides the end of a session directly, after a while. */
async function race(
  sessions: Sessions,
  { id: sessionId, shortId }: Session,
  { rival, afterMs }: { rival: Rival; afterMs: number },
  history: History,
  stop: AbortSignal,
): Promise<void> {
  if (rival !== "answer" && rival !== "cancel") return;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const value = { kind: { case: "text", value: { text: replyTextOf(shortId, 0) } } } as const;
  const end = async () => {
    const call =
      rival === "answer"
        ? sessions.answerSession({ sessionId, requestId: `rival-${sessionId}`, value }, { timeoutMs: 10_000 })
        : sessions.cancelSession({ sessionId }, { timeoutMs: 10_000 });
    try {
      return (await call).session;
    } catch (error) {
      if (ConnectError.from(error).code === Code.FailedPrecondition) return undefined; // somebody else was first
      throw error;
    }
  };
  const session = await persist(end, stop);
  if (session) history.add({ kind: "ended_directly", session: sessionId, ...endOf(session) });
}

async function waitForEnd(
  sessions: Sessions,
  created: Session,
  request: string,
  history: History,
  stop: AbortSignal,
): Promise<void> {
  for (let session: Session = created; ; ) {
    if (session.outcome !== Session_Outcome.UNSPECIFIED) {
      const { outcome, answer } = endOf(session);
      history.add({ kind: "resumed", request, session: session.id, outcome, answer });
      return;
    }
    if (stop.aborted) throw new Error("it was never told the end");
    session = await persist(async () => {
      const waited = await sessions.waitSession(
        { sessionId: created.id, untilEnded: true, wait: { seconds: SLICE_S } },
        { timeoutMs: Number(SLICE_S) * 1000 + 5_000, signal: stop },
      );
      return waited.session!;
    }, stop);
  }
}

/** How a session ended, in the words of the history. */
export function endOf({ outcome, answer }: Session): { outcome: string; answer: string } {
  const value = answer?.value?.kind;
  return {
    outcome: Session_OutcomeSchema.value[outcome]!.localName,
    answer: value?.case === "text" ? value.value.text : "",
  };
}
