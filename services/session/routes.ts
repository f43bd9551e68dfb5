import { create } from "@bufbuild/protobuf";
import {
  type Duration,
  durationMs,
  timestampDate,
  timestampFromDate,
  timestampMs,
} from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { Tenant } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  Event_Type,
  ResponderSchema,
  type Session,
  Session_State,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionFilter, SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { listAuditRecords } from "@hil/platform/audit/list-audit-records.ts";
import { hasRole, type Principal } from "@hil/platform/auth/principal.ts";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import { hilError, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { CallContext, Handlers } from "@hil/platform/rpc/service.ts";
import type { SigningKey } from "@hil/platform/signing/signing-key.ts";
import { currentTracing } from "@hil/platform/telemetry/tracing.ts";
import { mayAnswer, replierOf, responderNotAllowed } from "./answer-policy.ts";
import { checkAnswer } from "./check-answer.ts";
import type { CreationLimits } from "./limits.ts";
import { quotaExceeded } from "./limits.ts";
import { checkTimeout, newSession } from "./new-session.ts";
import { createReceipt } from "./receipt.ts";
import {
  acknowledgeAnswer,
  answerSession,
  beginWaiting,
  cancelSession,
  expireSession,
  extendDeadline,
  isEnded,
  isUntaken,
  reportDelivery,
  submitReply,
} from "./session.ts";
import {
  noAnswer,
  pageTokenInvalid,
  requestIdReused,
  sessionEnded,
  sessionNotFound,
  tenantMismatch,
  versionMismatch,
} from "./session-errors.ts";
import type { Decision, NewSession, ReplyClue, SessionQuery, SessionStore } from "./session-store.ts";
import { sharedReads } from "./shared-reads.ts";
import { dayOf, readStatistics } from "./statistics.ts";
import type { TenantSettings } from "./tenant-settings.ts";
import { isAsker, isVisible, viewerOf } from "./visibility.ts";
import type { Waiters } from "./waiters.ts";
import { type LogSignal, watchSessions } from "./watch.ts";

const DEFAULT_PAGE = 50;
const MAX_WAIT_MS = 600_000;
/** Sessions of one chat that a reply may be meant for. */
const MOST_FOR_REPLY = 1_000;
const STATISTICS_MS = 30 * 24 * 3_600_000;

export interface SessionDependencies {
  readonly store: SessionStore;
  readonly waiters: Waiters;
  readonly logSignal: LogSignal;
  readonly tenants: TenantDirectory;
  /** What a tenant lays down for its sessions. */
  readonly settingsOf: (tenant: Tenant) => TenantSettings;
  readonly creationLimits: CreationLimits;
  readonly signingKey: SigningKey;
  readonly now: () => Date;
}

/** Who may do something to a session, apart from its asker. */
const MANAGERS = [Role.OWNER, Role.SERVICE, Role.ADMINISTRATOR, Role.OPERATOR];
const STAND_INS = [Role.OWNER, Role.SERVICE, Role.ADMINISTRATOR];

interface WaitOptions {
  readonly afterVersion: number;
  readonly untilEnded: boolean;
  readonly waitMs: number;
  /** How many calls of the tenant may wait. 0: no limit. */
  readonly tenantLimit: number;
  readonly context: CallContext;
}

/** One short method for each RPC of SessionService. */
export function sessionHandlers({
  store,
  waiters,
  logSignal,
  tenants,
  settingsOf,
  creationLimits,
  signingKey,
  now,
}: SessionDependencies): Handlers<typeof SessionService> {
  /** At once where the tenant is remembered. */
  const settingsFor = ({ tenantId }: Principal): TenantSettings | Promise<TenantSettings> => {
    const tenant = tenants.get(tenantId);
    return tenant instanceof Promise ? tenant.then(settingsOf) : settingsOf(tenant);
  };
  /**
   * Decides on a session that `may` gives the caller a hand in. Throws SESSION_NOT_FOUND, and what `decide` throws. A
   * refusal is brought out of the write as a result: what is thrown in there costs its neighbours another run.
   */
  const change = async <T>(
    principal: Principal,
    id: string,
    may: (session: Session) => boolean,
    decide: (session: Session) => Decision<T>,
  ): Promise<T> => {
    type Outcome = { readonly value: T } | { readonly refusal: unknown };
    const outcome = await store.change<Outcome | undefined>(
      principal.tenantId,
      id,
      principal.id,
      (session) => {
        if (!may(session)) return { kind: "keep", result: undefined };
        try {
          const decision = decide(session);
          return { ...decision, result: { value: decision.result } };
        } catch (refusal) {
          return { kind: "keep", result: { refusal } };
        }
      },
    );
    if (!outcome) throw sessionNotFound(id);
    if ("refusal" in outcome) throw outcome.refusal;
    return outcome.value;
  };
  /** The asker and these roles: seeing a session by another role gives no hand in it. */
  const askerOr = (principal: Principal, roles: readonly Role[]) => (session: Session) =>
    isAsker(session, principal) || hasRole(principal, ...roles);
  const get = (tenantId: string, id: string) => store.get(tenantId, id);
  /** For waits: one answer may end ten thousand of them at once. */
  const getWoken = sharedReads(get);
  const load = async (principal: Principal, id: string, read = get): Promise<Session> => {
    const session = await read(principal.tenantId, id);
    if (!session || !isVisible(session, viewerOf(principal))) throw sessionNotFound(id);
    return session;
  };
  /**
   * The session once it is past `afterVersion` or ended, or as it stands at the end of the wait. Keeps nothing but
   * ids while it waits: ten thousand may.
   */
  const wait = async (
    principal: Principal,
    sessionId: string,
    { afterVersion, untilEnded, waitMs, tenantLimit, context }: WaitOptions,
  ): Promise<Session> => {
    const isDue = (session: Session) =>
      isEnded(session) || (!untilEnded && Number(session.version) > afterVersion);
    const read = async () => {
      const session = await load(principal, sessionId);
      return isAsker(session, principal) && beginWaiting(session) ? rememberWaiting(store, session) : session;
    };
    if (waitMs <= 0) return read();
    const due = await waiters.wait(
      { tenantId: principal.tenantId, sessionId, afterVersion, untilEnded },
      {
        waitMs,
        tenantLimit,
        signal: context.signal,
        read: async () => {
          const session = await read();
          return { due: isDue(session) ? session : undefined };
        },
      },
    );
    return due ?? load(principal, sessionId, getWoken);
  };

  return {
    async createSession(request, context) {
      const { principal } = context;
      const given = settingsFor(principal);
      const settings = given instanceof Promise ? await given : given;
      const asked = newSession(request, { principal, settings, now: now() });
      const waitMs = waitMsOf(request.wait);
      const tenantLimit = settings.limits?.openWaits ?? 0;
      // Refused before anything is kept; should room run out in between, the session comes back open.
      if (waitMs > 0) waiters.assertRoom(principal.tenantId, tenantLimit);
      if (settings.limits) await admit(store, creationLimits, asked, settings.limits);
      failpoint("session.before_create");
      const result = await store.create(asked);
      failpoint("session.after_create");
      if (result.kind === "over_quota") throw quotaExceeded(result.quota, result.limit);
      if (result.kind === "conflict") throw requestIdReused(request.requestId, result.session.id);
      if (waitMs <= 0) return { session: result.session };
      const options = { afterVersion: 0, untilEnded: true, waitMs, tenantLimit, context };
      return {
        session: await wait(principal, result.session.id, options).catch((error: unknown) => {
          if (result.kind === "created" && isNoRoom(error)) return result.session;
          throw error;
        }),
      };
    },

    async getSession({ sessionId }, { principal }) {
      return { session: await load(principal, sessionId) };
    },

    async listSessions({ filter, pageSize, pageToken }, { principal }) {
      const limit = pageSize || DEFAULT_PAGE;
      const cursor = pageToken ? undefined : await store.cursor(principal.tenantId);
      const found = await store.list(principal.tenantId, query(filter, principal, pageToken, limit + 1));
      const sessions = found.slice(0, limit);
      return {
        sessions,
        nextPageToken: found.length > limit ? sessions.at(-1)!.id : "",
        cursor: cursor === undefined ? 0n : BigInt(cursor),
      };
    },

    async waitSession({ sessionId, afterVersion, wait: duration, untilEnded }, context) {
      const waitMs = waitMsOf(duration);
      const given = settingsFor(context.principal);
      const { limits } = given instanceof Promise ? await given : given;
      const options = {
        afterVersion: Number(afterVersion),
        untilEnded,
        waitMs,
        tenantLimit: limits?.openWaits ?? 0,
        context,
      };
      return { session: await wait(context.principal, sessionId, options) };
    },

    watchSessions({ afterCursor }, { principal, signal }) {
      return watchSessions({
        store,
        log: logSignal,
        principal,
        afterCursor: Number(afterCursor),
        now,
        signal,
      });
    },

    async listChanges({ afterCursor, pageSize }, { principal }) {
      const found = await store.changesAfter(
        principal.tenantId,
        Number(afterCursor),
        pageSize || DEFAULT_PAGE,
        viewerOf(principal),
      );
      return {
        sessions: found.changes.map((each) => each.session),
        cursor: BigInt(found.cursor),
        serverTime: timestampFromDate(now()),
        reset: found.reset,
      };
    },

    async listEvents({ sessionId, pageSize, pageToken }, { principal }) {
      await load(principal, sessionId);
      const limit = pageSize || DEFAULT_PAGE;
      if (!/^\d{0,15}$/.test(pageToken)) throw pageTokenInvalid(pageToken);
      const found = await store.events(principal.tenantId, sessionId, Number(pageToken), limit + 1);
      const events = found.slice(0, limit);
      return { events, nextPageToken: found.length > limit ? String(events.at(-1)!.version) : "" };
    },

    async answerSession(request, { principal }) {
      const { sessionId, requestId, expectedVersion } = request;
      const sees = (session: Session) => isVisible(session, viewerOf(principal));
      failpoint("session.before_answer");
      const outcome = await change(principal, sessionId, sees, (session) => {
        if (!mayAnswer(session, principal)) throw responderNotAllowed(session);
        const value = request.value!;
        checkAnswer(session.interaction!, value, sessionId);
        const seen = session.replies.some((reply) => reply.id === requestId);
        if (!seen && !isEnded(session) && expectedVersion !== 0n && expectedVersion !== session.version) {
          throw versionMismatch(session, expectedVersion);
        }
        const outcome = answerSession(session, {
          submission: {
            id: requestId,
            channelId: request.channelId || "api",
            chat: undefined,
            sender: responderOf(principal, request.responderName),
            text: value.kind.case === "text" ? value.kind.value.text : "",
            imageUrls: [],
            receivedAt: now(),
            vendorMessage: "",
          },
          value,
          note: request.note,
          now: now(),
        });
        if (outcome.session === session) return { kind: "keep", result: outcome };
        const event = outcome.kind === "answered" ? Event_Type.ANSWERED : Event_Type.REPLY;
        return { kind: "store", session: outcome.session, event, result: outcome };
      });
      failpoint("session.after_answer");
      currentTracing()?.link(outcome.session.traceparent);
      if (outcome.kind === "late") throw sessionEnded(outcome.session);
      return { session: outcome.session };
    },

    async submitReply(request, { principal }) {
      const receivedAt = request.receiveTime ? timestampDate(request.receiveTime) : now();
      const sender = request.sender ?? create(ResponderSchema);
      failpoint("session.before_reply");
      const submitted = await store.submitReply(
        principal.tenantId,
        request.sessionId,
        request.inboundId,
        replierOf(sender, request.channelId),
        (session) => {
          const outcome = submitReply(
            session,
            {
              id: request.inboundId,
              channelId: request.channelId,
              chat: { chatId: request.chatId, chatType: request.chatType },
              sender,
              text: request.text,
              imageUrls: request.imageUrls,
              receivedAt,
              vendorMessage: request.vendorMessage,
            },
            now(),
          );
          const result = { disposition: outcome.disposition, guidance: outcome.guidance };
          return outcome.session
            ? { kind: "store", session: outcome.session, event: outcome.event, result }
            : { kind: "keep", result };
        },
      );
      failpoint("session.after_reply");
      if (!submitted) throw sessionNotFound(request.sessionId);
      const { disposition, guidance, sessionId } = submitted;
      return { disposition, guidance, session: await store.get(principal.tenantId, sessionId) };
    },

    async cancelSession({ sessionId, reason }, { principal }) {
      const session = await change(principal, sessionId, askerOr(principal, MANAGERS), (session) => {
        const next = cancelSession(session, reason, now());
        return next
          ? { kind: "store", session: next, event: Event_Type.CANCELLED, result: next }
          : { kind: "keep", result: session };
      });
      if (session.state !== Session_State.CANCELLED) throw sessionEnded(session);
      return { session };
    },

    async expireSession({ sessionId }, { principal }) {
      const session = await change(principal, sessionId, askerOr(principal, STAND_INS), (session) => {
        const next = expireSession(session, now());
        return next
          ? { kind: "store", session: next, event: Event_Type.EXPIRED, result: next }
          : { kind: "keep", result: session };
      });
      return { session };
    },

    async extendDeadline({ sessionId, expireTime }, { principal }) {
      const until = timestampDate(expireTime!);
      const leftMs = until.getTime() - now().getTime();
      if (leftMs <= 0) {
        throw invalid("expire_time", `expire_time ${until.toISOString()} is not in the future`, "future");
      }
      checkTimeout(leftMs, await settingsFor(principal));
      const session = await change(principal, sessionId, askerOr(principal, MANAGERS), (session) => {
        const next = extendDeadline(session, until, now());
        return next
          ? { kind: "store", session: next, event: Event_Type.EXTENDED, result: next }
          : { kind: "keep", result: session };
      });
      if (isEnded(session)) throw sessionEnded(session);
      return { session };
    },

    async acknowledgeAnswer({ sessionId }, { principal }) {
      const session = await change(principal, sessionId, askerOr(principal, STAND_INS), (session) => {
        if (!session.takenTime && !isUntaken(session)) throw noAnswer(session);
        const next = acknowledgeAnswer(session, now());
        return next
          ? { kind: "store", session: next, event: Event_Type.TAKEN, result: next }
          : { kind: "keep", result: session };
      });
      return { session };
    },

    async getAttachment({ sessionId, number }, { principal }) {
      const session = await load(principal, sessionId);
      const attachment = session.attachments.find((each) => each.number === number);
      const data = attachment && (await store.attachment(principal.tenantId, sessionId, number));
      if (!data) {
        throw hilError(
          Code.NotFound,
          ErrorReason.SESSION_NOT_FOUND,
          `session ${sessionId} has no attachment ${number}; it has ${session.attachments.length}`,
          { session_id: sessionId },
        );
      }
      return { attachment, data };
    },

    async reportDeliveries({ reports }, { principal }) {
      failpoint("session.before_report");
      await Promise.all(
        reports.map(({ sessionId, delivery }) =>
          store.change(principal.tenantId, sessionId, principal.id, (session) => {
            const next = reportDelivery(session, delivery!, now());
            return next
              ? { kind: "store", session: next.session, event: next.event, result: undefined }
              : { kind: "keep", result: undefined };
          }),
        ),
      );
      return {};
    },

    async findSessionsForReply({ by }) {
      if (by.case === undefined) return { sessions: [] };
      const clue: ReplyClue =
        by.case === "shortId"
          ? { kind: "short_id", shortId: by.value }
          : { kind: "chat", channelId: by.value.channelId, chatId: by.value.chatId };
      return { sessions: await store.findForReply(clue, MOST_FOR_REPLY) };
    },

    async getReceipt({ sessionId }, { principal }) {
      return createReceipt(await load(principal, sessionId), signingKey);
    },

    async getStatistics({ tenantId, since, until, timeZone }, { principal }) {
      const whose = tenantId || principal.tenantId;
      if (whose !== principal.tenantId) {
        if (!hasRole(principal, Role.OWNER)) throw tenantMismatch(tenantId);
        await tenants.get(whose); // throws TENANT_NOT_FOUND
      }
      const days = dayOf(timeZone);
      if (!days) {
        throw invalid(
          "time_zone",
          `there is no time zone ${JSON.stringify(timeZone)}; use an IANA name such as "Asia/Shanghai"`,
        );
      }
      const nowMs = now().getTime();
      const sinceMs = since ? timestampMs(since) : nowMs - STATISTICS_MS;
      // Ids of the millisecond under way count too.
      const untilMs = until ? timestampMs(until) : nowMs + 1;
      if (untilMs < sinceMs) throw invalid("until", "until is before since; swap them");
      return readStatistics(store, whose, { sinceMs, untilMs, dayOf: days });
    },

    async listAuditRecords(request, { principal }) {
      return listAuditRecords(store.audit, principal.tenantId, request);
    },
  };
}

/** Counts a question that is asked for the first time. */
async function admit(
  store: SessionStore,
  creationLimits: CreationLimits,
  { session, request }: NewSession,
  limits: NonNullable<TenantSettings["limits"]>,
): Promise<void> {
  const { tenantId } = session;
  if (request && (await store.hasRequest(tenantId, session.asker?.principalId ?? "", request.id))) return;
  creationLimits.admit(tenantId, session.audience?.targets ?? [], limits);
}

function isNoRoom(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === ErrorReason.OVERLOADED || reason === ErrorReason.QUOTA_EXCEEDED;
}

function responderOf({ id, memberId, name, roles }: Principal, givenName: string) {
  return create(ResponderSchema, {
    principalId: id,
    memberId: memberId ?? "",
    name: name || givenName,
    roles: [...roles],
  });
}

/** Plain replies of the chat count from now on; nobody needs to hear of it. */
async function rememberWaiting(store: SessionStore, session: Session): Promise<Session> {
  const by = session.asker?.principalId ?? "";
  const remembered = await store.change(session.tenantId, session.id, by, (current) => {
    const next = beginWaiting(current);
    return next
      ? { kind: "store", session: next, event: undefined, result: next }
      : { kind: "keep", result: current };
  });
  return remembered ?? session;
}

function waitMsOf(wait: Duration | undefined): number {
  return wait ? Math.min(durationMs(wait), MAX_WAIT_MS) : 0;
}

function query(
  filter: SessionFilter | undefined,
  principal: Principal,
  pageToken: string,
  limit: number,
): SessionQuery {
  if (pageToken !== "" && !/^[0-9a-f-]{36}$/.test(pageToken)) throw pageTokenInvalid(pageToken);
  return {
    viewer: viewerOf(principal),
    states: filter?.states ?? [],
    projectName: filter?.projectName ?? "",
    correlationId: filter?.correlationId ?? "",
    label: filter?.label,
    chat: filter?.chat,
    shortId: filter?.shortId ?? "",
    createdAfterMs: filter?.createdAfter && timestampMs(filter.createdAfter),
    createdBeforeMs: filter?.createdBefore && timestampMs(filter.createdBefore),
    askerId: filter?.mine ? principal.id : undefined,
    untakenOnly: filter?.untakenOnly ?? false,
    withoutNotices: filter?.withoutNotices ?? false,
    beforeId: pageToken || undefined,
    limit,
  };
}

function invalid(field: string, message: string, rule = "consistent") {
  return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, message, { field, rule });
}
