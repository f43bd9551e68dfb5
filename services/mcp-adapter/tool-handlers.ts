// What the tools do. Nothing is kept here between calls: every question lives in SessionService.
//
// H1. A call that its client gave up detaches and changes nothing.
// H2. An answer is acknowledged once its result was handed over to a client that still listened. Whether it
//     arrived cannot be known, so it stays readable afterwards.
// H3. Whatever fails is told in a sentence, and what may be repeated says so.

import type { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { DeliverySummary_State, type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { ask } from "./asking.ts";
import type { Caller } from "./caller.ts";
import { readImages } from "./images.ts";
import { FREE_TEXT, interactionOf } from "./interactions.ts";
import { sliceMsOf, timeoutSOf } from "./lanes.ts";
import { type Question, requestFor } from "./question.ts";
import { askResult, isWorthTaking, joinedRemark, nextCall, noticeResult, pendingEntry } from "./results.ts";
import { type NotDone, type RpcOptions, SHORT_MS, tryShortly } from "./retrying.ts";
import type { SessionClient } from "./session-client.ts";
import { taskOf } from "./session-tasks.ts";
import type { Task } from "./tasks.ts";
import type {
  AskHumanInput,
  AskResult,
  CancelInput,
  ListPendingResult,
  PlainResult,
  SendAndWaitInput,
  SendOnlyInput,
  WaitInput,
} from "./tool-schemas.ts";
import { held, type Slice, type Waited, waitOn, waitOnId } from "./waiting.ts";

/** What a handler knows about its call. */
export interface ToolCall {
  readonly caller: Caller;
  /** Aborts when the client cancels the call, gives it up or goes away. */
  readonly signal: AbortSignal;
  /** clientInfo.name. */
  readonly clientName: string | undefined;
  readonly hasProgressToken: boolean;
  /** The client takes a task for an answer, and asks about it later. */
  readonly takesTask: boolean;
}

/** What a call is answered with. */
export type Handed<T> = Result<T> | { readonly task: Task };

/** A result, and what to do once the client has it. */
export interface Result<T> {
  readonly result: T;
  /** Says that the asker has the answer. Present only where there is one. */
  readonly acknowledge?: () => Promise<void>;
}

export type ToolHandlers = ReturnType<typeof createToolHandlers>;

/** How long a notice waits to hear that the chat took it. */
const DELIVERY_MS = 8_000;
/** Questions on one page of resources. */
const PAGE_SIZE = 50;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface ToolHandlersOptions {
  readonly client: SessionClient;
  /** Tells what went wrong, in a sentence for the agent. */
  readonly failed: (error: ConnectError) => string;
  readonly now: () => Date;
}

export function createToolHandlers({ client, failed, now }: ToolHandlersOptions) {
  const headersOf = ({ caller }: ToolCall) => ({ ...caller.headers });
  const sliceOf = (call: ToolCall, askedS: number | undefined): Slice => ({
    until: new Date(now().getTime() + sliceMsOf({ ...call, askedS, configuredS: call.caller.sliceS })),
    signal: call.signal,
    drain: call.caller.drain,
    headers: headersOf(call),
    now,
  });
  const shortly = <T>(call: ToolCall, rpc: (options: RpcOptions) => Promise<T>) =>
    tryShortly(rpc, { signal: call.signal, headers: headersOf(call), now });

  function told(ended: Waited | NotDone, remarks: readonly string[], call: ToolCall): Result<AskResult> {
    switch (ended.kind) {
      case "known": {
        const { session } = ended;
        const result = askResult(session, remarks);
        if (!isWorthTaking(session)) return { result };
        return { result, acknowledge: () => acknowledge(session.id, call) };
      }
      case "lost":
        return {
          result: {
            status: "waiting",
            replies: [],
            message: `${failed(ended.error)} The question is kept and can still be answered.`,
            session_id: ended.sessionId,
            next: nextCall(ended.sessionId),
          },
        };
      case "unreachable":
        return {
          result: {
            status: "error",
            replies: [],
            message: `${failed(ended.error)} Call again with the same arguments: nothing is asked twice.`,
          },
        };
      case "refused":
        return { result: { status: "error", replies: [], message: failed(ended.error) } };
      case "detached":
        return {
          result: { status: "waiting", replies: [], message: "The call was given up; the question is kept." },
        };
    }
  }

  async function acknowledge(sessionId: string, call: ToolCall): Promise<void> {
    // A failure leaves the answer on offer in list_pending, which is where it was.
    await client
      .acknowledgeAnswer({ sessionId }, { timeoutMs: SHORT_MS, headers: headersOf(call) })
      .catch(() => {});
  }

  /** Waits until the chats took a notice or refused it, and not for long. */
  async function delivered(from: Session, call: ToolCall): Promise<Session> {
    let session = from;
    const slice = { ...sliceOf(call, undefined), until: new Date(now().getTime() + DELIVERY_MS) };
    const isUnderWay = () =>
      session.state === Session_State.OPEN &&
      session.deliveries.some(({ state }) => state === DeliverySummary_State.PENDING);
    while (isUnderWay() && now() < slice.until && !call.signal.aborted && !slice.drain.aborted) {
      try {
        const { session: next } = await held(slice, (wait, options) =>
          client.waitSession({ sessionId: session.id, afterVersion: session.version, wait }, options),
        );
        session = next!;
      } catch {
        break; // the notice is stored, and that is what the result will say
      }
    }
    return session;
  }

  /** Asks a question, and waits for its answer or tells of it as a task. */
  async function askAndWait(
    question: Question,
    { requestId, maxWaitS }: { requestId: string | undefined; maxWaitS: number | undefined },
    remarks: readonly string[],
    call: ToolCall,
  ): Promise<Handed<AskResult>> {
    const slice = sliceOf(call, maxWaitS);
    const origin = call.caller.origin ?? `http ${call.clientName ?? ""}`;
    const asking = { requestId: requestId || undefined, origin, waits: !call.takesTask };
    const asked = await ask(client, question, asking, slice);
    const before = [...consoleOnly(question), ...remarks];
    if (asked.kind !== "done") return told(asked, before, call);
    const { session, isJoined } = asked.value;
    const all = [...before, ...(isJoined ? [joinedRemark(session)] : [])];
    if (call.takesTask) return asTask(session, all, call);
    return told(await waitOn(client, session, slice), all, call);
  }

  /** A question as a task while it is open, and as its result afterwards. */
  function asTask(session: Session, remarks: readonly string[], call: ToolCall): Handed<AskResult> {
    if (session.state === Session_State.OPEN) return { task: taskOf(session, now(), remarks) };
    return told({ kind: "known", session }, remarks, call);
  }

  /** The deadline that a model asks for, with what holds where the tenant does not allow it. */
  function deadlineOf(call: ToolCall, askedS: number | undefined): Pick<Question, "timeoutS" | "instead"> {
    const { timeoutS: configuredS } = call.caller;
    const timeoutS = timeoutSOf(configuredS, askedS);
    return timeoutS === configuredS ? { timeoutS } : { timeoutS, instead: { timeoutS: configuredS } };
  }

  return {
    async askHuman(input: AskHumanInput, call: ToolCall): Promise<Handed<AskResult>> {
      const interaction = interactionOf(input);
      if (typeof interaction === "string") {
        return { result: { status: "error", replies: [], message: interaction } };
      }
      const { images, skipped } = await readImages(input.images ?? [], call.caller);
      const question: Question = {
        message: input.question,
        interaction,
        facts: input.facts ?? {},
        // A model does not choose who decides: the entry that a person wrote says which chat is asked.
        chatId: call.caller.chatId,
        projectName: input.project_name || call.caller.projectName,
        images,
        mentions: [],
        ...deadlineOf(call, input.timeout),
        clientName: call.clientName,
      };
      const { request_id: requestId, max_wait_seconds: maxWaitS } = input;
      return askAndWait(question, { requestId, maxWaitS }, leftOut(skipped), call);
    },

    async sendAndWaitReply(input: SendAndWaitInput, call: ToolCall): Promise<Handed<AskResult>> {
      const { images, skipped } = await readImages(input.image_paths ?? [], call.caller);
      const question: Question = {
        message: input.message,
        interaction: FREE_TEXT,
        chatId: input.chat_id || call.caller.chatId,
        projectName: input.project_name || call.caller.projectName,
        images,
        mentions: [],
        ...deadlineOf(call, input.timeout),
        clientName: call.clientName,
      };
      const { request_id: requestId, max_wait_seconds: maxWaitS } = input;
      return askAndWait(question, { requestId, maxWaitS }, leftOut(skipped), call);
    },

    async sendMessageOnly(input: SendOnlyInput, call: ToolCall): Promise<Handed<PlainResult>> {
      const { images, skipped } = await readImages(input.image_paths ?? [], call.caller);
      const notice: Question = {
        message: input.message,
        interaction: { kind: { case: "notice", value: {} } },
        chatId: input.chat_id || call.caller.chatId,
        projectName: input.project_name || call.caller.projectName,
        images,
        mentions: input.mentioned_list ?? [],
        timeoutS: undefined,
        clientName: call.clientName,
      };
      const requestId = input.request_id || `hil-mcp:${crypto.randomUUID()}`;
      const request = requestFor(notice, { requestId });
      const created = await shortly(call, (options) => client.createSession(request, options));
      if (created.kind === "detached")
        return { result: { status: "error", message: "The call was given up." } };
      if (created.kind !== "done") return { result: { status: "error", message: failed(created.error) } };
      const session = await delivered(created.value.session!, call);
      return { result: noticeResult(session, [...consoleOnly(notice), ...leftOut(skipped)]) };
    },

    async waitForReply(input: WaitInput, call: ToolCall): Promise<Handed<AskResult>> {
      const { session_id: sessionId, max_wait_seconds: maxWaitS } = input;
      if (call.takesTask) {
        const found = await shortly(call, (options) => client.getSession({ sessionId }, options));
        if (found.kind === "done") return asTask(found.value.session!, [], call);
        return withId(told(found, [], call), sessionId);
      }
      return withId(told(await waitOnId(client, sessionId, sliceOf(call, maxWaitS)), [], call), sessionId);
    },

    async listPending(call: ToolCall): Promise<Handed<ListPendingResult>> {
      const listed = await shortly(call, (options) =>
        Promise.all([
          client.listSessions({ filter: { mine: true, untakenOnly: true } }, options),
          client.listSessions(
            { filter: { mine: true, states: [Session_State.OPEN], withoutNotices: true } },
            options,
          ),
        ]),
      );
      if (listed.kind === "detached") {
        return { result: { status: "error", pending: [], message: "The call was given up." } };
      }
      if (listed.kind !== "done") {
        return { result: { status: "error", pending: [], message: failed(listed.error) } };
      }
      const pending = listed.value.flatMap(({ sessions }) => sessions.map(pendingEntry));
      const message =
        pending.length === 0
          ? "Nothing is open, and no reply waits to be read."
          : "Read a reply, or go on waiting, with wait_for_reply and the session_id.";
      return { result: { status: "success", pending, message } };
    },

    async cancelRequest(input: CancelInput, call: ToolCall): Promise<Handed<PlainResult>> {
      const { session_id: sessionId, reason = "" } = input;
      const cancelled = await shortly(call, (options) =>
        client.cancelSession({ sessionId, reason }, options),
      );
      const result = (status: PlainResult["status"], message: string) => ({
        result: { status, message, session_id: sessionId },
      });
      if (cancelled.kind === "done") return result("success", "The question was taken back.");
      if (cancelled.kind === "detached") return result("error", "The call was given up.");
      if (reasonOf(cancelled.error) === ErrorReason.SESSION_ENDED) {
        return result("error", "The question has ended already; wait_for_reply reads how.");
      }
      return result("error", failed(cancelled.error));
    },

    /** The task that a session of the caller is. Undefined: it has none of this id. */
    async readTask(taskId: string, call: ToolCall): Promise<Result<Task> | undefined> {
      const session = await ownSession(taskId, call);
      if (!session) return undefined;
      const result = taskOf(session, now());
      return isWorthTaking(session)
        ? { result, acknowledge: () => acknowledge(session.id, call) }
        : { result };
    },

    /** Takes the question of a task back. False: the caller has none of this id. */
    async cancelTask(taskId: string, call: ToolCall): Promise<boolean> {
      const session = await ownSession(taskId, call);
      if (!session) return false;
      const cancelled = await shortly(call, (options) =>
        client.cancelSession({ sessionId: taskId }, options),
      );
      if (cancelled.kind === "done" || cancelled.kind === "detached") return true;
      if (reasonOf(cancelled.error) === ErrorReason.SESSION_ENDED) return true;
      throw new Error(failed(cancelled.error));
    },

    /** A page of the caller's questions, newest first, and where the next one starts; "" after the last. */
    async listOwn(cursor: string, call: ToolCall): Promise<{ sessions: Session[]; next: string }> {
      const filter = { mine: true, withoutNotices: true };
      const request = { filter, pageSize: PAGE_SIZE, pageToken: cursor };
      const listed = await shortly(call, (options) => client.listSessions(request, options));
      if (listed.kind === "done") {
        return { sessions: listed.value.sessions, next: listed.value.nextPageToken };
      }
      if (listed.kind === "detached") return { sessions: [], next: "" };
      throw new Error(failed(listed.error));
    },

    readOwn: ownSession,
  };

  /** A session that the caller asked. Throws a sentence where that cannot be found out. */
  async function ownSession(sessionId: string, call: ToolCall): Promise<Session | undefined> {
    if (!UUID.test(sessionId)) return undefined;
    const found = await shortly(call, (options) => client.getSession({ sessionId }, options));
    switch (found.kind) {
      case "done": {
        const session = found.value.session!;
        const { principalId } = call.caller;
        const isForeign = principalId !== undefined && session.asker?.principalId !== principalId;
        return isForeign ? undefined : session;
      }
      case "refused":
        if (reasonOf(found.error) === ErrorReason.SESSION_NOT_FOUND) return undefined;
        throw new Error(failed(found.error));
      case "unreachable":
        throw new Error(failed(found.error));
      case "detached":
        return undefined; // nobody hears it
    }
  }
}

function withId({ result, ...more }: Result<AskResult>, sessionId: string): Result<AskResult> {
  return { result: { ...result, session_id: sessionId }, ...more };
}

function consoleOnly({ chatId }: Question): string[] {
  return chatId === "" ? ["No chat_id is set, so this is shown in the console only."] : [];
}

function leftOut(skipped: readonly string[]): string[] {
  return skipped.length > 0 ? [`Pictures left out: ${skipped.join(", ")}.`] : [];
}
