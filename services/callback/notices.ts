// Tells people what became of what they sent.
//
// V1. What is to be told is on disk with the decision, so a restart does not swallow it.
// V2. A service that cannot be reached is asked again until the words are 10 minutes old; then nobody wants them.
// V3. A refusal is tried five times. Neither changes what was decided about the message.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError } from "@connectrpc/connect";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { isTransient } from "@hil/platform/errors/retry-hint.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type InboxStore, TAKEN } from "./inbox-store.ts";
import { createLanes, type Lanes } from "./lanes.ts";

/** How long after the decision the person is still told. */
const WORTH_SAYING_MS = 10 * 60_000;
const MAX_ATTEMPTS = 5;
const CHATS_AT_A_TIME = 16;
const CALL_TIMEOUT_MS = 10_000;
const RETRY = { baseMs: 200, maxMs: 5_000 };
/** How soon a chat is looked at again that another replica works on. */
const TAKEN_MS = 200;

/** Makes the lanes in which guidance is handed to the delivery service, one for each chat. */
export function createNotices({
  store,
  delivery,
  log,
  now,
  signal,
}: {
  store: InboxStore;
  delivery: Client<typeof DeliveryService>;
  log: Log;
  now: () => Date;
  /** Aborts calls under way. */
  signal: AbortSignal;
}): Lanes {
  const failuresInARow = new Map<string, number>();
  return createLanes({
    limit: CHATS_AT_A_TIME,
    log,
    async run(chatKey) {
      const row = await store.firstNotice(chatKey);
      if (!row) return { kind: "idle" };
      if (row === TAKEN) return { kind: "wait", delayMs: TAKEN_MS };
      const { id, channelId, chatId, chatType, guidance } = row.inbound;
      const key = { channelTenantId: row.channelTenantId, id, token: row.token };
      const expireMs = row.settleTime.getTime() + WORTH_SAYING_MS;
      if (now().getTime() > expireMs) {
        failuresInARow.delete(chatKey);
        await store.settleNotice(
          key,
          "the person was not told: the delivery service could not be reached in time",
        );
        return { kind: "more" };
      }
      try {
        failpoint("notice.before_send");
        await delivery.sendNotice(
          {
            noticeId: id,
            target: { channelId, chatId, chatType },
            markdown: guidance,
            expireTime: timestampFromMs(expireMs),
          },
          { headers: { [TENANT_HEADER]: row.tenantId }, signal, timeoutMs: CALL_TIMEOUT_MS },
        );
        failpoint("notice.before_settle");
        await store.settleNotice(key, "");
        failuresInARow.delete(chatKey);
        return { kind: "more" };
      } catch (caught) {
        // On the way down nothing failed; the next start goes on from here.
        if (signal.aborted) return { kind: "idle" };
        const error = ConnectError.from(caught);
        if (isTransient(error)) {
          const failures = (failuresInARow.get(chatKey) ?? 0) + 1;
          failuresInARow.set(chatKey, failures);
          return { kind: "wait", delayMs: backoffMs(failures, RETRY) };
        }
        const attemptCount = row.noticeAttemptCount + 1;
        if (attemptCount < MAX_ATTEMPTS) {
          await store.recordNoticeFailure(key, { error: error.message, attemptCount });
          return { kind: "wait", delayMs: backoffMs(attemptCount, RETRY) };
        }
        log.error(
          { err: error, inbound_id: id, tenant_id: row.tenantId },
          "the sender of a message could not be told what became of it",
        );
        await store.settleNotice(key, `the person was not told: ${error.message}`);
        return { kind: "more" };
      }
    },
  });
}
