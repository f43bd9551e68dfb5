// Questions as resources, for people who look through them in their client. Reading one never takes its answer.

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import { askResult } from "./results.ts";

const URI = /^hil:\/\/sessions\/([0-9a-f-]{36})$/;
const MIME_TYPE = "application/json";
const MOST_TITLE = 80;

/** The template that all of them fit. */
export const TEMPLATE = {
  uriTemplate: "hil://sessions/{session_id}",
  name: "session",
  title: "A question and its answer",
  description: "What was asked and what people replied, by the session_id of a result.",
  mimeType: MIME_TYPE,
};

/** The session that an address names; undefined where it names none. */
export function sessionIdOf(uri: string): string | undefined {
  return URI.exec(uri)?.[1];
}

/** One line of resources/list. */
export function resourceOf(session: Session) {
  const question = session.title || session.body;
  return {
    uri: `hil://sessions/${session.id}`,
    name: session.shortId,
    title: question.length > MOST_TITLE ? `${question.slice(0, MOST_TITLE)}…` : question,
    description: askResult(session).message,
    mimeType: MIME_TYPE,
    annotations: { lastModified: iso(session.updateTime ?? session.createTime) },
  };
}

/** What resources/read tells of a session. */
export function contentsOf(session: Session) {
  const result = askResult(session);
  const told = {
    ...result,
    short_id: session.shortId,
    question: session.body || session.title,
    kind: session.interaction?.kind.case,
    project_name: session.projectName,
    created_at: iso(session.createTime),
    expires_at: iso(session.expireTime),
    ended_at: iso(session.endTime),
  };
  return [{ uri: `hil://sessions/${session.id}`, mimeType: MIME_TYPE, text: JSON.stringify(told) }];
}

function iso(time: Timestamp | undefined): string | undefined {
  return time && timestampDate(time).toISOString();
}
