// The HTTP face that clients of hil-mcp (WeCom) speak: send a message, poll for the reply.
//
// M1. A refusal of what is sent goes out with 200 and words: those clients show an agent nothing else.
// M2. "not found" is said only of a session that is not there; "not now" is always 503, and 429 where the caller asks too
//     much: pollers go on after both.
// M3. Polling and the client's own timeout never take an answer away (I3).
// M4. Sending does not count as waiting: a notice of the earliest client never makes a plain reply ambiguous.

import { type Client, ConnectError } from "@connectrpc/connect";
import { Channel_Kind, Channel_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { publicError, reasonName, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { BodyError } from "@hil/platform/http/request-body.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createSession } from "../create-session.ts";
import { isNotNow, isSessionUnknown, restError, retryAfter } from "../rest-error.ts";
import { type Answer, type Call, idempotencyKeyOf, type Route } from "../route-table.ts";
import { isSessionId } from "../session-id.ts";
import { tenantHeaders } from "../tenant-claim.ts";
import { invalidBody, unreadableBody } from "./invalid-body.ts";
import { pollAnswerOf, unknownAnswer } from "./poll-answer.ts";
import { sendOutcomeOf } from "./send-outcome.ts";
import { type SendRequest, sendRequest, toSession, UNSAID_TIMEOUT_S } from "./send-request.ts";
import { POLL_UNKNOWN, SENT, type Texts } from "./texts.ts";
import { uploadImage } from "./upload-image.ts";

/** How long /send waits for the vendor: the clients give up after 30 s. */
const SEND_PATIENCE_S = 20;
/** The most of a question's own time that it waits, so that it is told of as under way before it can end. */
const SEND_PATIENCE_SHARE = 0.5;
/** How long what is said of a message that is under way waits for more about its channel. */
const CHANNEL_PATIENCE_MS = 1_000;

/** What lies with the caller, and is 429; other kinds of "not now" lie with us. */
const ASKS_TOO_MUCH: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.RATE_LIMITED,
  ErrorReason.QUOTA_EXCEEDED,
  ErrorReason.OVERLOADED,
]);

export interface MessageFaceOptions {
  readonly sessions: Client<typeof SessionService>;
  readonly delivery: Client<typeof DeliveryService>;
  /** Headers to call as the gateway itself. */
  readonly ownCredential: Record<string, string>;
  readonly texts: Texts;
  readonly log: Log;
}

export function messageRoutes(options: MessageFaceOptions): readonly Route[] {
  return [
    {
      method: "POST",
      pattern: "/send",
      prefix: "either",
      access: "earlier",
      handle: (call) => send(call, options),
      refuse: notSent,
    },
    {
      method: "GET",
      pattern: "/poll/{id}",
      prefix: "either",
      access: "earlier",
      handle: (call) => poll(call, options),
    },
    {
      method: "POST",
      pattern: "/session/{id}/timeout",
      prefix: "either",
      access: "earlier",
      handle: (call) => endWait(call, options),
    },
    {
      method: "POST",
      pattern: "/upload-image",
      prefix: "either",
      access: "earlier",
      handle: (call) => uploadImage(call, options.texts),
    },
  ];
}

async function send(call: Call, options: MessageFaceOptions): Promise<Answer> {
  const { texts } = options;
  const body = await readBody(call);
  if (body.kind === "unreadable") return unreadableBody(body.message);
  const parsed = sendRequest.safeParse(body.value);
  if (!parsed.success) return invalidBody(body.value, parsed.error);
  try {
    const chatId = parsed.data.chat_id?.trim() ?? "";
    if (chatId === "" && !(await takesNoChat(options))) return notSent(texts.chatRequired);
    return await sendTo(chatId, parsed.data, call, options);
  } catch (thrown) {
    // M1: what is refused, and what cannot be done now, in words. Nothing was accepted.
    const error = publicError(thrown);
    if (!(thrown instanceof ConnectError)) options.log.error({ err: thrown }, "a message could not be sent");
    return { ...notSent(texts.notSent(error.rawMessage)), headers: retryAfter(error) ?? {} };
  }
}

async function sendTo(
  chatId: string,
  given: SendRequest,
  call: Call,
  options: MessageFaceOptions,
): Promise<Answer> {
  const { sessions, ownCredential, texts } = options;
  const requestId = given.request_id || idempotencyKeyOf(call);
  const { session: asked, skippedImages } = toSession(given, chatId, "", requestId);
  const created = await createSession(sessions, asked, {
    mayUseDefault: given.timeout === undefined || given.timeout === null,
    headers: tenantHeaders(call, given.tenant_id),
  });
  const patienceS = Math.min((given.timeout ?? UNSAID_TIMEOUT_S) * SEND_PATIENCE_SHARE, SEND_PATIENCE_S);
  const session = await waitForVendor(created, patienceS, call.signal, sessions, ownCredential);
  const outcome = sendOutcomeOf(session);
  const isNotice = session.interaction?.kind.case === "notice";
  const sent = (message: string): Answer => ({
    status: 200,
    body: {
      success: true,
      session_id: isNotice ? null : session.id,
      message: skippedImages > 0 ? message + texts.skippedImages(skippedImages) : message,
      error: null,
    },
  });
  switch (outcome.kind) {
    case "sent":
      return sent(SENT);
    case "console-only":
      return sent(texts.consoleOnly);
    case "under-way":
      return sent((await waitsForRelay(session, options)) ? texts.noRelay : texts.underWay);
    case "failed":
      return notSent(texts.notSent(outcome.reason));
  }
}

/** Waits until the message is sent or will not be. As the gateway, not as the asker (M4). */
async function waitForVendor(
  created: Session,
  patienceS: number,
  signal: AbortSignal,
  sessions: Client<typeof SessionService>,
  ownCredential: Record<string, string>,
): Promise<Session> {
  const patience = AbortSignal.timeout(Math.ceil(patienceS * 1000));
  const ended = AbortSignal.any([patience, signal]);
  let session = created;
  while (sendOutcomeOf(session).kind === "under-way" && !ended.aborted) {
    try {
      const seen = await sessions.waitSession(
        {
          sessionId: session.id,
          afterVersion: session.version,
          wait: { seconds: BigInt(SEND_PATIENCE_S) },
        },
        { headers: { ...ownCredential, [TENANT_HEADER]: created.tenantId }, signal: ended },
      );
      // Nothing new before our patience ended: the service drains, and asking again would turn in circles.
      if (!seen.session || seen.session.version === session.version) break;
      session = seen.session;
    } catch {
      // Our patience ended, the caller went, or the service cannot tell now. The message is stored, so it is
      // under way, whatever the reason.
      break;
    }
  }
  return session;
}

/** True where the message goes by relays and none of them is attached now. False where that cannot be told in time. */
async function waitsForRelay(
  { tenantId, deliveries }: Session,
  { delivery, ownCredential }: MessageFaceOptions,
): Promise<boolean> {
  const channelId = deliveries[0]?.target?.channelId;
  if (!channelId) return false;
  try {
    const { channel } = await delivery.getChannel(
      { channelId },
      {
        headers: { ...ownCredential, [TENANT_HEADER]: tenantId },
        signal: AbortSignal.timeout(CHANNEL_PATIENCE_MS),
      },
    );
    return channel?.runsOnRelays === true && channel.attachedRelays.length === 0;
  } catch {
    return false; // the message is stored whatever the reason, which is what is said then
  }
}

/** True where the robot sends to its own group, so that no chat need be named. */
async function takesNoChat({ delivery, ownCredential }: MessageFaceOptions): Promise<boolean> {
  const { channels } = await delivery.listChannels({ pageSize: 200 }, { headers: ownCredential });
  return channels.some(
    (channel) =>
      channel.kind === Channel_Kind.WECOM_ROBOT &&
      channel.state === Channel_State.READY &&
      channel.capabilities?.needsChat === false,
  );
}

async function poll(call: Call, { sessions, log }: MessageFaceOptions): Promise<Answer> {
  if (!isSessionId(call.id)) return pollUnknown(call);
  try {
    const { session } = await sessions.waitSession(
      { sessionId: call.id },
      { headers: tenantHeaders(call), signal: call.signal },
    );
    if (!session) return pollUnknown(call);
    const taken = session.state === Session_State.ANSWERED && !session.takenTime;
    return {
      status: 200,
      body: pollAnswerOf(session),
      ...(taken && { afterSent: () => acknowledge(call, sessions, log) }),
    };
  } catch (thrown) {
    if (isSessionUnknown(thrown)) return pollUnknown(call);
    return refusalOf(thrown);
  }
}

/** The asker has its answer. One that is not recorded is only offered once more. */
function acknowledge(call: Call, sessions: Client<typeof SessionService>, log: Log): void {
  sessions
    .acknowledgeAnswer({ sessionId: call.id }, { headers: tenantHeaders(call) })
    .catch((error: unknown) =>
      log.warn({ err: error, session_id: call.id }, "an answer that was read could not be marked as taken"),
    );
}

function pollUnknown(call: Call): Answer {
  return call.underApi
    ? { status: 200, body: unknownAnswer(call.id) }
    : { status: 404, body: { detail: POLL_UNKNOWN } };
}

async function endWait(call: Call, { sessions }: MessageFaceOptions): Promise<Answer> {
  if (!isSessionId(call.id)) return { status: 200, body: { success: false } };
  try {
    await sessions.expireSession({ sessionId: call.id }, { headers: tenantHeaders(call) });
    return { status: 200, body: { success: true } };
  } catch (thrown) {
    if (isSessionUnknown(thrown)) return { status: 200, body: { success: false } };
    return refusalOf(thrown);
  }
}

/** An error in this face's form: the sentence and the reason in `detail`. */
function refusalOf(thrown: unknown): Answer {
  const error = publicError(thrown);
  const answer = restError(error);
  const reason = reasonOf(error);
  const name = reason === ErrorReason.UNSPECIFIED ? "" : ` (${reasonName(reason)})`;
  const notNow = isNotNow(error);
  return {
    status: notNow && !ASKS_TOO_MUCH.has(reason) ? 503 : answer.status,
    body: { detail: `${error.rawMessage}${name}` },
    ...(notNow && { headers: retryAfter(error) ?? { "retry-after": "1" } }),
  };
}

function notSent(error: string): Answer {
  return { status: 200, body: { success: false, session_id: null, message: "", error } };
}

async function readBody(
  call: Call,
): Promise<{ kind: "value"; value: unknown } | { kind: "unreadable"; message: string }> {
  try {
    return { kind: "value", value: await call.body.json() };
  } catch (error) {
    if (error instanceof BodyError && error.kind === "malformed") {
      return { kind: "unreadable", message: error.message };
    }
    throw error;
  }
}
