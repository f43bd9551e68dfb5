// Tells the session service how far its deliveries are.
//
// Each change stays marked in the database until the session service has taken it, so a report survives a crash and
// an outage on either side. Reports may repeat; each carries the state as it is when it is sent. Those of a tenant go in
// a call in its name, and one tenant whose reports are not taken keeps no other's.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { backoffMs } from "@hil/platform/retry/backoff.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { resumeTrace } from "@hil/platform/telemetry/tracing.ts";
import { summaryState } from "./delivery.ts";
import type { DeliveryStore, UnreportedDelivery } from "./delivery-store.ts";

const REPORTS_AT_ONCE = 500;
const PATIENCE_MS = 10_000;
const RETRY = { baseMs: 250, maxMs: 30_000 };

export interface ReporterOptions {
  readonly store: DeliveryStore;
  readonly sessions: Pick<Client<typeof SessionService>, "reportDeliveries">;
  readonly log: Log;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #cut = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Says that there may be something to report. */
  kick(): void {
    if (this.#cut.signal.aborted) return;
    this.#again = true;
    // While the session service does not answer, the retry's time holds.
    if (this.#running || this.#timer) return;
    this.#running = resumeTrace("", () => this.#drain()).finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#timer) this.kick();
    });
  }

  /** What is not reported by now is reported after the next start. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#cut.abort();
    await this.#running;
  }

  async #drain(): Promise<void> {
    try {
      // Tenants whose reports were not taken this time: theirs must not stand in the way of the others'.
      const failed = new Map<string, unknown>();
      while (!this.#cut.signal.aborted) {
        this.#again = false;
        const waiting = await this.#options.store.takeReports(REPORTS_AT_ONCE, [...failed.keys()]);
        if (waiting.length === 0) break;
        for (const [tenantId, deliveries] of Map.groupBy(waiting, (delivery) => delivery.tenantId)) {
          try {
            failpoint("report.before_send");
            await this.#report(tenantId, deliveries);
            failpoint("report.before_mark");
            await this.#options.store.markReported(deliveries);
          } catch (error) {
            failed.set(tenantId, error);
            await this.#options.store.leaveReports(deliveries);
          }
        }
      }
      if (failed.size > 0) throw [...failed.values()][0];
      this.#failures = 0;
    } catch (error) {
      if (this.#cut.signal.aborted) return;
      this.#failures += 1;
      this.#options.log.warn({ err: error }, "the session service did not take reports; trying again");
      this.#timer = setTimeout(
        () => {
          this.#timer = undefined;
          this.kick();
        },
        backoffMs(this.#failures, RETRY),
      );
      this.#timer.unref();
    }
  }

  /** Throws when they may be taken later. */
  async #report(tenantId: string, deliveries: readonly UnreportedDelivery[]): Promise<void> {
    try {
      await this.#options.sessions.reportDeliveries(
        { reports: deliveries.map(reportOf) },
        { headers: { [TENANT_HEADER]: tenantId }, signal: this.#cut.signal, timeoutMs: PATIENCE_MS },
      );
    } catch (error) {
      if (ConnectError.from(error).code !== Code.InvalidArgument) throw error;
      // One that is never taken must not keep the others: it is found by itself, and dropped with a word.
      if (deliveries.length > 1) {
        for (const delivery of deliveries) await this.#report(tenantId, [delivery]);
        return;
      }
      const { id, sessionId } = deliveries[0]!;
      this.#options.log.error(
        { err: error, tenant_id: tenantId, delivery_id: id, session_id: sessionId },
        "a report was refused for good",
      );
    }
  }
}

function reportOf(delivery: UnreportedDelivery) {
  const { id, sessionId, channelId, chatId, chatType, state, reason, updateTimeMs } = delivery;
  return {
    sessionId,
    delivery: {
      deliveryId: id,
      target: { channelId, chatId, chatType },
      state: summaryState(state),
      reason,
      updateTime: timestampFromMs(updateTimeMs),
    },
  };
}
