// How much a tenant may use of the session service. What is beyond is refused before anything is kept.
//
// L1. A refused session takes nothing: it counts for its tenant's minute only if every chat lets it through too.
// L2. What is asked again under its request_id was counted when it was first asked. Asking for it is never refused.
//
// The counts of a minute are this process's own; how many sessions are open and how much is kept is exact.

import { Code } from "@connectrpc/connect";
import type { Limits } from "@hil/gen/hil/access/v1/access_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Target } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { type Rate, TokenBuckets } from "@hil/platform/limits/token-buckets.ts";
import { refusedByLimit } from "@hil/platform/telemetry/metrics.ts";

const MINUTE_MS = 60_000;
const MAX_TENANTS = 100_000;
/** Chats of one tenant that are told apart at a time. */
const MAX_CHATS = 10_000;

const QUOTAS = {
  open_sessions: { what: "sessions open", remedy: "have some answered or cancelled", retryAfterMs: 10_000 },
  attachment_bytes: {
    what: "bytes of attachments",
    remedy: "they go when their sessions do; ask without pictures",
    retryAfterMs: 60_000,
  },
  open_waits: {
    what: "calls waiting",
    remedy: "wait for several sessions by one watch",
    retryAfterMs: 3_000,
  },
} as const;

/** Counts the sessions of each minute. */
export interface CreationLimits {
  /** Counts one session. Throws RATE_LIMITED where it is one too many for the tenant or for a chat. */
  admit(tenantId: string, targets: readonly Target[], limits: Limits): void;
}

export function createCreationLimits({ now }: { now: () => Date }): CreationLimits {
  const ofTenants = new TokenBuckets(MAX_TENANTS);
  // Apart for each tenant, so that none can make another's chats be forgotten.
  const ofChats = new Map<string, TokenBuckets>();
  const chatsOf = (tenantId: string): TokenBuckets => {
    let buckets = ofChats.get(tenantId);
    if (!buckets) {
      buckets = new TokenBuckets(MAX_CHATS);
      ofChats.set(tenantId, buckets);
    }
    return buckets;
  };
  return {
    admit(tenantId, targets, { sessionsPerMinute, sessionsPerMinutePerChat }) {
      const nowMs = now().getTime();
      const asked: { buckets: TokenBuckets; key: string; rate: Rate }[] = [];
      const ask = (buckets: TokenBuckets, key: string, limit: string, points: number) => {
        const rate = { burst: points, windowMs: MINUTE_MS };
        const waitMs = buckets.waitMs(key, rate, nowMs);
        if (waitMs > 0) throw rateLimited(limit, points, waitMs);
        asked.push({ buckets, key, rate });
      };
      if (sessionsPerMinute > 0) ask(ofTenants, tenantId, "sessions_per_minute", sessionsPerMinute);
      if (sessionsPerMinutePerChat > 0) {
        const chats = new Set(targets.map(({ channelId, chatId }) => JSON.stringify([channelId, chatId])));
        for (const chat of chats) {
          ask(chatsOf(tenantId), chat, "sessions_per_minute_per_chat", sessionsPerMinutePerChat);
        }
      }
      for (const { buckets, key, rate } of asked) buckets.take(key, rate, nowMs);
    },
  };
}

export function quotaExceeded(quota: keyof typeof QUOTAS, limit: number) {
  refusedByLimit.inc({ limit: quota });
  const { what, remedy, retryAfterMs } = QUOTAS[quota];
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.QUOTA_EXCEEDED,
    `this tenant may have ${limit} ${what} at a time, and has them; ${remedy}, or have an administrator raise ${quota}`,
    { quota, limit: String(limit), retry_after_ms: String(retryAfterMs) },
  );
}

function rateLimited(limit: string, points: number, retryAfterMs: number) {
  refusedByLimit.inc({ limit });
  const where = limit === "sessions_per_minute" ? "" : " in one chat";
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.RATE_LIMITED,
    `this tenant may ask ${points} questions in a minute${where}, and has asked them; try again in ${retryAfterMs} ms`,
    { limit, retry_after_ms: String(retryAfterMs) },
  );
}
