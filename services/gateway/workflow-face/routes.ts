// The HTTP face that workflows of the Human-in-the-Loop component speak: open a session, read it, answer it.
//
// H1. Creating answers exactly 200, and a session has `response` only once there is one: clients test for both.
// H2. Errors are `{error, reason}`: 400 for what the caller can change, a session that is not pending included.

import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import { type Session, Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { DEFAULT_TENANT } from "@hil/platform/auth/principal.ts";
import { z } from "zod";
import { createSession } from "../create-session.ts";
import { BadRequest } from "../rest-error.ts";
import { type Answer, type Call, idempotencyKeyOf, type Route } from "../route-table.ts";
import { toSessionId } from "../session-id.ts";
import { tenantHeaders } from "../tenant-claim.ts";
import { parse, readWorkflowAsk } from "./interaction-data.ts";
import { readResponse } from "./response-data.ts";
import { sessionView, statusView } from "./session-view.ts";
import { statisticsView } from "./statistics-view.ts";
import { TEMPLATES } from "./templates.ts";

type Sessions = Client<typeof SessionService>;

/** The most sessions of one list; `next_page_token` leads to the rest. */
const MAX_LISTED = 1000;
const PAGE_SIZE = 200;

export function workflowRoutes({ sessions }: { sessions: Sessions }): readonly Route[] {
  const route = (
    method: Route["method"],
    pattern: string,
    handle: (call: Call, sessions: Sessions) => Promise<Answer>,
  ): Route => ({ method, pattern, prefix: "api", access: "key", handle: (call) => handle(call, sessions) });
  return [
    route("POST", "/sessions", open),
    route("GET", "/sessions", list),
    route("GET", "/sessions/{id}", get),
    route("GET", "/sessions/{id}/status", status),
    route("POST", "/sessions/{id}/respond", respond),
    route("POST", "/sessions/{id}/cancel", cancel),
    route("GET", "/statistics", statistics),
    route("GET", "/templates", async () => ok({ templates: TEMPLATES })),
  ];
}

async function open(call: Call, sessions: Sessions): Promise<Answer> {
  const {
    session: asked,
    timeoutUnsaid,
    tenantId,
  } = readWorkflowAsk(await objectBody(call), idempotencyKeyOf(call));
  const session = await createSession(sessions, asked, {
    mayUseDefault: timeoutUnsaid,
    headers: tenantHeaders(call, tenantId),
  });
  return ok({ session_id: session.id, session: sessionView(session) });
}

/** Those that wait; with workflow_id all of that workflow, whatever became of them. Newest first. */
async function list(call: Call, sessions: Sessions): Promise<Answer> {
  const workflowId = call.query.get("workflow_id") ?? "";
  const filter =
    workflowId === ""
      ? { states: [Session_State.OPEN], withoutNotices: true }
      : { correlationId: workflowId };
  const found: Session[] = [];
  let pageToken = call.query.get("page_token") ?? "";
  do {
    const page = await sessions.listSessions(
      { filter, pageSize: PAGE_SIZE, pageToken },
      { headers: tenantHeaders(call), signal: call.signal },
    );
    found.push(...page.sessions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < MAX_LISTED);
  return ok({
    sessions: found.map(sessionView),
    ...(pageToken !== "" && { next_page_token: pageToken }),
  });
}

async function get(call: Call, sessions: Sessions): Promise<Answer> {
  return ok({ session: sessionView(await read(call, sessions)) });
}

async function status(call: Call, sessions: Sessions): Promise<Answer> {
  return ok(statusView(await read(call, sessions)));
}

const respondBody = z.object({ user_id: z.string().max(200).nullish() });

async function respond(call: Call, sessions: Sessions): Promise<Answer> {
  const body = await objectBody(call);
  if (!Object.hasOwn(body, "response") || body.response === null) {
    throw new BadRequest('response is missing; send {"response": {…}}');
  }
  const { user_id: userId } = parse(respondBody, body);
  const session = await read(call, sessions);
  const { value, note } = readResponse(body.response, session.interaction);
  await sessions.answerSession(
    {
      sessionId: session.id,
      requestId: idempotencyKeyOf(call) || randomUUID(),
      value,
      note,
      responderName: userId ?? "",
      channelId: "api",
    },
    { headers: tenantHeaders(call) },
  );
  return ok({ message: "响应已提交" });
}

const cancelBody = z.object({ reason: z.string().nullish() });

async function cancel(call: Call, sessions: Sessions): Promise<Answer> {
  const { reason } = parse(cancelBody, (await call.body.json()) ?? {});
  await sessions.cancelSession(
    { sessionId: toSessionId(call.id), reason: reason ?? "用户取消" },
    { headers: tenantHeaders(call) },
  );
  return ok({ message: "会话已取消" });
}

/** Since the beginning, as the earlier component counted. Another tenant's only for an owner. */
async function statistics(call: Call, sessions: Sessions): Promise<Answer> {
  const claimed = call.query.get("tenant_id") ?? "";
  const counted = await sessions.getStatistics(
    // Clients that configure none call it "_default": whatever tenant their key is of.
    { tenantId: claimed === DEFAULT_TENANT ? "" : claimed, since: { seconds: 0n } },
    { headers: tenantHeaders(call), signal: call.signal },
  );
  return ok({ statistics: statisticsView(counted) });
}

async function read(call: Call, sessions: Sessions): Promise<Session> {
  const { session } = await sessions.getSession(
    { sessionId: toSessionId(call.id) },
    { headers: tenantHeaders(call), signal: call.signal },
  );
  return session!;
}

async function objectBody(call: Call): Promise<Record<string, unknown>> {
  const body = await call.body.json();
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new BadRequest("the body must be a JSON object");
  }
  return body as Record<string, unknown>;
}

function ok(body: Record<string, unknown>): Answer {
  return { status: 200, body: { success: true, ...body } };
}
