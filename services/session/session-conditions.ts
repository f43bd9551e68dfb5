// What a list asks for, as SQL.

import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionQuery } from "./session-store.ts";
import type { Viewer } from "./visibility.ts";

type Value = string | number;

export interface Conditions {
  /** Terms on the table `session`, to be joined by AND. */
  readonly where: readonly string[];
  readonly values: readonly Value[];
}

export function conditionsOf(tenantId: string, query: SessionQuery): Conditions {
  const where = ["session.tenant_id = ?"];
  const values: Value[] = [tenantId];
  const and = (condition: string, ...given: Value[]) => {
    where.push(condition);
    values.push(...given);
  };
  // The literal lets SQLite use the index of open sessions; a placeholder would not.
  if (query.states.length === 1 && query.states[0] === Session_State.OPEN)
    and(`state = ${Session_State.OPEN}`);
  else if (query.states.length > 0)
    and(`state IN (${query.states.map(() => "?").join(", ")})`, ...query.states);
  if (query.projectName) and("project_name = ?", query.projectName);
  if (query.correlationId) and("correlation_id = ?", query.correlationId);
  if (query.shortId) and("short_id = ?", query.shortId);
  if (query.askerId !== undefined) and("asker_id = ?", query.askerId);
  if (query.untakenOnly) and("untaken = 1");
  if (query.withoutNotices) and("is_notice = 0");
  if (query.beforeId !== undefined) and("id < ?", query.beforeId);
  if (query.createdAfterMs !== undefined) and("id >= ?", firstIdOf(query.createdAfterMs));
  if (query.createdBeforeMs !== undefined) and("id < ?", firstIdOf(query.createdBeforeMs));
  if (query.chat) {
    and(
      "id IN (SELECT session_id FROM session_chat WHERE tenant_id = ? AND channel_id = ? AND chat_id = ?)",
      tenantId,
      query.chat.channelId,
      query.chat.chatId,
    );
  }
  if (query.label) {
    and(
      "id IN (SELECT session_id FROM session_label WHERE tenant_id = ? AND key = ? AND value = ?)",
      tenantId,
      query.label.key,
      query.label.value,
    );
  }
  const seen = seenBy(tenantId, query.viewer);
  if (seen) and(seen.where[0]!, ...seen.values);
  return { where, values };
}

/** What somebody sees of a tenant, as one term; undefined: all of it. visibility.ts says the same of one session. */
export function seenBy(tenantId: string, viewer: Viewer): Conditions | undefined {
  if (viewer.kind === "everything") return undefined;
  const { askerId, responder } = viewer;
  if (responder === undefined) return { where: ["session.asker_id = ?"], values: [askerId] };
  const named = `EXISTS (SELECT 1 FROM session_responder named WHERE named.tenant_id = ?
    AND named.session_id = session.id AND named.responder IN (${responder.map(() => "?").join(", ")}))`;
  return {
    where: [`(session.asker_id = ? OR session.restricted = 0 OR ${named})`],
    values: [askerId, tenantId, ...responder],
  };
}

/** Where the ids of a time begin: an id begins with its time of creation. */
export function firstIdOf(timeMs: number): string {
  const hex = Math.max(0, timeMs).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** When what an id names was created. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
