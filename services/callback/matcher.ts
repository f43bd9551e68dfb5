// Brings kept messages to the sessions they answer.
//
// W1. Messages of a chat are matched in the order in which they came; chats do not wait for each other.
// W2. A service that cannot be reached is asked again for ever, and that counts as no try. Anything else is tried
//     five times; then the message is dead, is logged as an error, and waits for RedriveInbound (F23).
// W3. What was decided stays decided: whether the person could be told does not change it (see notices.ts).
// W4. A message that was matched is handed to the same session again after a restart (X3).
// W5. Sessions are looked for over all tenants, and a reply is handed over as the tenant of the one it answers. Nobody is
//     told of another tenant's sessions, not even that there are any (I6).

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError } from "@connectrpc/connect";
import { Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { Reply_Disposition } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { refusedReplies } from "@hil/platform/telemetry/metrics.ts";
import { resumeTrace } from "@hil/platform/telemetry/tracing.ts";
import { ownerOf } from "./channels.ts";
import type { Identities } from "./identities.ts";
import { type InboundKey, type InboxRow, type InboxStore, type Settlement, TAKEN } from "./inbox-store.ts";
import { createLanes, type Lanes, type Step } from "./lanes.ts";
import { readLinkCommand } from "./link-command.ts";
import type { Link, LinkOutcome } from "./linking.ts";
import { type Match, matchPlain, matchTagged } from "./match.ts";
import { readTag, type Tag } from "./tag.ts";
import type { TenantTexts } from "./tenant-texts.ts";
import type { Texts } from "./texts.ts";

/** How often a message is tried before it is dead. */
export const MAX_ATTEMPTS = 5;
/** How many chats are matched at a time. */
const CHATS_AT_A_TIME = 64;
/** How long one call may take; a service that hangs is one that cannot be reached. */
const CALL_TIMEOUT_MS = 10_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };
/** How soon a chat is looked at again that another replica works on. */
const TAKEN_MS = 200;

export interface MatcherOptions {
  readonly store: InboxStore;
  readonly sessions: Client<typeof SessionService>;
  readonly identities: Identities;
  readonly link: Link;
  readonly texts: TenantTexts;
  /** Hears of each chat where somebody is to be told something. */
  readonly wakeNotices: (chatKey: string) => void;
  readonly log: Log;
  readonly now: () => Date;
  /** Aborts calls under way. */
  readonly signal: AbortSignal;
}

/** Makes the lanes in which kept messages are matched, one for each chat. */
export function createMatcher(options: MatcherOptions): Lanes {
  const { store, wakeNotices, log, now, signal } = options;
  const failuresInARow = new Map<string, number>();

  const recordFailure = async (row: InboxRow, error: ConnectError): Promise<Step> => {
    const fields = { inbound_id: row.inbound.id, tenant_id: row.tenantId };
    if (isTransient(error)) {
      const failures = (failuresInARow.get(row.chatKey) ?? 0) + 1;
      failuresInARow.set(row.chatKey, failures);
      if (failures === 1) log.warn({ err: error, ...fields }, "cannot match now; trying again");
      return { kind: "wait", delayMs: backoffMs(failures, RETRY) };
    }
    const attemptCount = row.inbound.attemptCount + 1;
    const dead = attemptCount >= MAX_ATTEMPTS;
    await store.recordFailure(keyOf(row), { error: error.message, attemptCount, dead });
    if (!dead) return { kind: "wait", delayMs: backoffMs(attemptCount, RETRY) };
    log.error({ err: error, ...fields }, "matching failed five times; RedriveInbound tries again");
    return { kind: "more" };
  };

  return createLanes({
    limit: CHATS_AT_A_TIME,
    log,
    async run(chatKey) {
      const row = await store.firstPending(chatKey);
      if (!row) return { kind: "idle" };
      if (row === TAKEN) return { kind: "wait", delayMs: TAKEN_MS };
      try {
        failpoint("matcher.before_match");
        const settlement = await settle(row, options);
        if (settlement === LOST) return { kind: "more" };
        failpoint("matcher.before_settle");
        if (!(await store.settle(keyOf(row), settlement, now()))) return { kind: "more" };
        failpoint("matcher.after_settle");
        failuresInARow.delete(chatKey);
        if (settlement.disposition === Inbound_Disposition.REFUSED) {
          refusedReplies.inc();
          log.warn(
            { inbound_id: row.inbound.id, tenant_id: settlement.tenantId },
            "refused a reply to a question that its chat was not asked, or that its sender may not answer",
          );
        }
        if (settlement.guidance) wakeNotices(chatKey);
        return { kind: "more" };
      } catch (error) {
        // On the way down nothing failed; the next start goes on from here.
        if (signal.aborted) return { kind: "idle" };
        return recordFailure(row, ConnectError.from(error));
      }
    },
  });
}

/** Another replica took the chat over: what becomes of the message is its to say. */
const LOST = Symbol("another replica took the chat over");

async function settle(row: InboxRow, options: MatcherOptions): Promise<Settlement | typeof LOST> {
  const tag = readTag(row.inbound);
  const settled = await settleLink(row, tag, options);
  if (settled) return settled;
  const match = await matchOf(row, tag, options);
  const untied = async (
    disposition: Inbound_Disposition,
    words: (texts: Texts) => string,
    tenantId = row.channelTenantId,
  ): Promise<Settlement> => {
    const guidance = words(await options.texts.of(tenantId));
    return { disposition, tenantId, sessionId: "", guidance };
  };
  const name = row.inbound.sender?.name ?? "";
  switch (match.kind) {
    case "session":
      return submit(row, match, options);
    case "unmatched":
      return untied(Inbound_Disposition.UNMATCHED, (texts) => texts.chatIdHint(row.inbound));
    case "ambiguous":
      // The words name sessions, so they are for the eyes of their tenant.
      return untied(
        Inbound_Disposition.AMBIGUOUS,
        (texts) => texts.severalHint(name, match.candidates),
        match.tenantId,
      );
    case "severalTenants":
      return untied(Inbound_Disposition.AMBIGUOUS, (texts) => texts.quoteHint(name));
    case "unknownTag":
      return untied(Inbound_Disposition.REFUSED, (texts) => texts.unknownTag(match.shortId));
  }
}

/** Settles a message that is a code. Undefined for one that is none, or turns out to be none. */
async function settleLink(
  row: InboxRow,
  tag: Tag,
  { link, identities, texts }: MatcherOptions,
): Promise<Settlement | undefined> {
  const { inbound } = row;
  if (tag.kind !== "none" || inbound.sessionId) return undefined;
  const command = readLinkCommand(inbound.text);
  if (!command) return undefined;
  const outcome = await link(row, command.code);
  if (outcome.kind !== "linked" && outcome.kind !== "taken" && !command.certain) return undefined;
  const tenantId = outcome.kind === "linked" ? outcome.tenantId : row.channelTenantId;
  if (outcome.kind === "linked") identities.forget(tenantId, inbound.sender?.userId ?? "");
  return {
    disposition: Inbound_Disposition.LINKED,
    tenantId,
    sessionId: "",
    guidance: linkWords(await texts.of(tenantId), outcome),
    text: command.withoutCode,
  };
}

function linkWords(texts: Texts, outcome: LinkOutcome): string {
  switch (outcome.kind) {
    case "linked":
      return texts.linked(outcome.name);
    case "invalid":
      return texts.linkInvalid;
    case "taken":
      return texts.linkTaken;
    case "tooMany":
      return texts.linkTooMany;
    case "nobody":
      return texts.linkNobody;
  }
}

async function matchOf(row: InboxRow, tag: Tag, { sessions, signal }: MatcherOptions): Promise<Match> {
  const { inbound, channelTenantId } = row;
  const { channelId, chatId, sessionId } = inbound;
  if (sessionId) {
    const text = tag.kind === "one" ? tag.text : inbound.text;
    return { kind: "session", tenantId: row.tenantId, sessionId, text };
  }
  const chat = { channelId, chatId, channelTenantId: ownerOf(channelTenantId, channelId) };
  const find = async (by: Parameters<typeof sessions.findSessionsForReply>[0]["by"]) =>
    (await sessions.findSessionsForReply({ by }, { signal, timeoutMs: CALL_TIMEOUT_MS })).sessions;
  if (tag.kind === "one") {
    return matchTagged(tag, await find({ case: "shortId", value: tag.shortId }), chat);
  }
  const open = await find({ case: "chat", value: { channelId, chatId } });
  const receiveTime = timestampDate(inbound.receiveTime!);
  return matchPlain({ text: inbound.text, receiveTime }, tag, open, chat);
}

async function submit(
  row: InboxRow,
  { tenantId, sessionId, text, traceparent }: Extract<Match, { kind: "session" }>,
  { store, sessions, identities, texts, signal }: MatcherOptions,
): Promise<Settlement | typeof LOST> {
  const { inbound } = row;
  const { sender } = inbound;
  if (!inbound.sessionId && !(await store.recordMatch(keyOf(row), { tenantId, sessionId }))) return LOST;
  failpoint("matcher.before_submit");
  const member = await identities.memberOf(tenantId, sender?.userId ?? "");
  const submitReply = () =>
    sessions.submitReply(
      {
        sessionId,
        inboundId: inbound.id,
        channelId: inbound.channelId,
        chatId: inbound.chatId,
        chatType: inbound.chatType,
        sender: {
          userId: sender?.userId ?? "",
          name: sender?.name ?? "",
          alias: sender?.alias ?? "",
          memberId: member?.id ?? "",
          roles: member?.roles ?? [],
        },
        text,
        imageUrls: inbound.imageUrls,
        receiveTime: inbound.receiveTime,
        vendorMessage: row.vendorMessage,
      },
      { headers: { [TENANT_HEADER]: tenantId }, signal, timeoutMs: CALL_TIMEOUT_MS },
    );
  const { disposition, guidance, session } = await resumeTrace(traceparent ?? "", submitReply);
  const settled = async (as: Inbound_Disposition, words?: (texts: Texts) => string): Promise<Settlement> => ({
    disposition: as,
    tenantId,
    sessionId,
    guidance: guidance || !words ? guidance : words(await texts.of(tenantId)),
  });
  const shortId = session?.shortId ?? "";
  switch (disposition) {
    case Reply_Disposition.ACCEPTED:
      return settled(Inbound_Disposition.ATTACHED);
    case Reply_Disposition.LATE:
      return settled(Inbound_Disposition.LATE, (each) => each.closedTag(shortId, session?.outcome));
    case Reply_Disposition.INVALID:
      return settled(Inbound_Disposition.INVALID);
    case Reply_Disposition.NOT_ALLOWED:
      return settled(Inbound_Disposition.REFUSED, (each) => each.notAllowed(shortId));
    default:
      throw new ConnectError("the session service did not say what became of the reply");
  }
}

function keyOf({ channelTenantId, inbound: { id }, token }: InboxRow): InboundKey {
  return { channelTenantId, id, token };
}
