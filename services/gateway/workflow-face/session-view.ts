// A session as workflows read it.

import { type Timestamp, timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type AnswerValue,
  type Interaction,
  type Session,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import { zonedTime } from "../zoned-time.ts";
import { isMultiple, toResponseData } from "./response-data.ts";

export type WorkflowStatus = "pending" | "completed" | "timeout" | "cancelled" | "error";

export interface ResponseView {
  readonly session_id: string;
  readonly response_data: Record<string, unknown>;
  readonly submitted_at: string | null;
  readonly user_id: string | null;
}

export interface SessionView {
  readonly session_id: string;
  readonly workflow_id: string | null;
  readonly callback_url: null;
  readonly status: WorkflowStatus;
  readonly created_at: string | null;
  readonly updated_at: string | null;
  /** null: it waits for ever. */
  readonly expires_at: string | null;
  readonly error_message: string | null;
  /** Why it was taken back. Absent unless it was. */
  readonly cancellation_reason?: string;
  readonly interaction_data: Record<string, unknown>;
  /** Absent, not null, before there is an answer: clients ask whether the key is there. */
  readonly response?: ResponseView;
}

export function sessionView(session: Session): SessionView {
  const status = statusOf(session);
  const reason = session.endReason === "" ? null : session.endReason;
  const response = responseView(session);
  return {
    session_id: session.id,
    workflow_id: session.correlationId === "" ? null : session.correlationId,
    callback_url: null,
    status,
    created_at: time(session.createTime),
    updated_at: time(session.updateTime),
    expires_at: time(session.expireTime),
    error_message: status === "cancelled" || status === "error" ? reason : null,
    ...(status === "cancelled" && { cancellation_reason: reason ?? "" }),
    interaction_data: interactionView(session),
    ...(response && { response }),
  };
}

/** The short form: where a session stands, and its answer at the top level. */
export function statusView(session: Session) {
  const response = responseView(session);
  return {
    session_id: session.id,
    status: statusOf(session),
    expires_at: time(session.expireTime),
    ...(response && { response }),
  };
}

export function statusOf(session: Session): WorkflowStatus {
  switch (session.state) {
    case Session_State.ANSWERED:
      return "completed";
    case Session_State.EXPIRED:
      return "timeout";
    case Session_State.CANCELLED:
      return "cancelled";
    case Session_State.UNDELIVERABLE:
      return "error";
    default: // OPEN; a state of a newer version is not an end that this face knows
      return "pending";
  }
}

/** The answer, also the one that the deadline gave; undefined while there is none. */
function responseView(session: Session): ResponseView | undefined {
  const { answer } = session;
  if (!answer) return undefined;
  const person = answer.responder;
  return {
    session_id: session.id,
    response_data: toResponseData(answer, session.interaction),
    submitted_at: time(answer.answerTime),
    user_id: person?.userId || person?.name || person?.principalId || null,
  };
}

/** All keys are always there. What stood in the request in a shorter form is given in the long one. */
function interactionView(session: Session): Record<string, unknown> {
  const { interaction } = session;
  return {
    interaction_type: typeName(interaction),
    title: session.title,
    message: session.body,
    options: optionsOf(interaction),
    fields: null,
    default_value: defaultValue(session.defaultAnswer, interaction),
    timeout: timeoutSeconds(session),
    multiple: isMultiple(interaction),
    accept_types: null,
    max_file_size: null,
  };
}

function typeName(interaction: Interaction | undefined): string {
  switch (interaction?.kind.case) {
    case "confirmation":
      return "confirmation";
    case "selection":
      return "selection";
    case "text":
      return "text_input";
    case "notice":
      return "notice";
    case undefined:
      return "custom"; // of a newer version: pages show its words and answer nothing
  }
}

function optionsOf(interaction: Interaction | undefined): { value: string; label: string }[] | null {
  const kind = interaction?.kind;
  if (kind?.case !== "confirmation" && kind?.case !== "selection") return null;
  return kind.value.options.map(({ value, label }) => ({ value, label: label || value }));
}

function defaultValue(value: AnswerValue | undefined, interaction: Interaction | undefined): unknown {
  switch (value?.kind.case) {
    case "confirmation":
      return value.kind.value.value;
    case "selection":
      return isMultiple(interaction) ? value.kind.value.values : (value.kind.value.values[0] ?? null);
    case "text":
      return value.kind.value.text;
    case undefined:
      return null;
  }
}

function timeoutSeconds({ createTime, expireTime }: Session): number | null {
  return createTime && expireTime ? (timestampMs(expireTime) - timestampMs(createTime)) / 1000 : null;
}

function time(timestamp: Timestamp | undefined): string | null {
  return timestamp ? zonedTime(timestampDate(timestamp)) : null;
}
