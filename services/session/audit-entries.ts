// Which changes of a session are recorded, and what of them.
//
// A record says what was decided by whom, never on what in plain text: audit logs are read by more people and kept
// longer than sessions. Digests tie it to the text; of a sensitive session there are none, because a short answer is
// found from its digest by trying. What is recorded: the question, a moved deadline and the end. Deliveries, replies
// that did not end it and the taking of the answer are in the session's own log.

import { hash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Answer,
  AnswerValueSchema,
  type Session,
  Session_OutcomeSchema,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { type AuditEntry, SYSTEM_PRINCIPAL } from "@hil/platform/audit/audit-log.ts";
import { questionDigest, stateName } from "./session.ts";

/** What to record of a change of a session; `before` is undefined for a new one. Undefined: nothing. */
export function auditEntryOf(
  before: Session | undefined,
  after: Session,
  principalId: string,
): AuditEntry | undefined {
  const action = actionOf(before, after);
  if (action === undefined) return undefined;
  return {
    tenantId: after.tenantId,
    principalId: action === "session.expired" ? SYSTEM_PRINCIPAL : principalId,
    action,
    resource: `session/${after.id}`,
    ...(before && { before: stateOf(before, action) }),
    after: { ...stateOf(after, action), ...detailsOf(after, action) },
    time: timestampDate(after.updateTime ?? after.createTime!),
  };
}

type Action =
  | "session.created"
  | "session.extended"
  | "session.answered"
  | "session.expired"
  | "session.cancelled"
  | "session.undeliverable";

function actionOf(before: Session | undefined, after: Session): Action | undefined {
  if (!before) return "session.created";
  if (before.state !== after.state) {
    switch (after.state) {
      case Session_State.ANSWERED:
        return "session.answered";
      case Session_State.EXPIRED:
        return "session.expired";
      case Session_State.CANCELLED:
        return "session.cancelled";
      case Session_State.UNDELIVERABLE:
        return "session.undeliverable";
      case Session_State.OPEN:
      case Session_State.UNSPECIFIED:
        return undefined;
    }
  }
  return deadlineMs(before) === deadlineMs(after) ? undefined : "session.extended";
}

/** How it stood: the same on both sides of a change. */
function stateOf(session: Session, action: Action): object {
  const state = { state: stateName(session.state), version: Number(session.version) };
  return action === "session.extended" ? { ...state, expire_time: deadlineOf(session) } : state;
}

/** What only the record of this change says. */
function detailsOf(session: Session, action: Action): object {
  switch (action) {
    case "session.created":
      return {
        expire_time: deadlineOf(session),
        ...(!session.sensitive && { question_digest: questionDigest(session) }),
      };
    case "session.answered":
    case "session.expired":
      return {
        outcome: Session_OutcomeSchema.value[session.outcome]?.localName,
        ...(session.answer && { answer: answerOf(session.answer, session.sensitive) }),
      };
    case "session.extended":
    case "session.cancelled":
    case "session.undeliverable":
      return {};
  }
}

function answerOf({ value, responder, channelId, inboundId, evidence }: Answer, sensitive: boolean): object {
  return {
    channel_id: channelId,
    inbound_id: inboundId,
    responder: {
      principal_id: responder?.principalId,
      member_id: responder?.memberId,
      user_id: responder?.userId,
    },
    ...(!sensitive && value && { answer_digest: digestOf(toBinary(AnswerValueSchema, value)) }),
    ...(!sensitive && { question_digest: evidence?.questionDigest }),
  };
}

function deadlineMs({ expireTime }: Session): number | undefined {
  return expireTime && timestampMs(expireTime);
}

/** ISO 8601; null where it waits for ever. */
function deadlineOf({ expireTime }: Session): string | null {
  return expireTime ? timestampDate(expireTime).toISOString() : null;
}

function digestOf(bytes: Uint8Array): string {
  return hash("sha256", bytes);
}
