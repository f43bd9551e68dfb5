// Sends a test message, and says how that went.

import { setTimeout as pause } from "node:timers/promises";
import type { Channel, Locale, Part, SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { Target } from "@hil/gen/hil/session/v1/session_pb.ts";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { newDelivery } from "./delivery.ts";
import type { DeliveryStore, Line, StoredAttempt } from "./delivery-store.ts";
import type { TenantRules } from "./tenant-rules.ts";
import type { Turns } from "./turns.ts";

/** How long another process may take for a test message. */
const ELSEWHERE_PATIENCE_MS = 20_000;
const LOOK_MS = 100;

export interface ChannelTest {
  readonly tenantId: string;
  readonly target: Target;
  readonly locale: Locale;
  readonly signal: AbortSignal;
}

export interface TestOptions {
  readonly store: DeliveryStore;
  readonly turns: Turns;
  readonly rulesOf: (tenantId: string) => TenantRules | Promise<TenantRules>;
  readonly now: () => Date;
  readonly onQueued: (lines: readonly Line[]) => void;
}

/** One try, as it is told of a delivery. */
export async function testChannel(
  channel: Channel,
  test: ChannelTest,
  options: TestOptions,
): Promise<StoredAttempt> {
  const { tenantId } = test;
  const { store, now } = options;
  const startTimeMs = now().getTime();
  const place = channel.mode === "sends" && !channel.missing ? await channel.place?.() : undefined;
  if (place?.kind === "elsewhere") return testElsewhere(channel as SendingChannel, test, options);
  const outcome: SendOutcome =
    place?.kind === "nowhere"
      ? { kind: "retryable", reason: place.reason }
      : await sendTest(channel, test, options);
  const endTimeMs = now().getTime();
  if (channel.mode === "sends" && channel.missing === undefined && place?.kind !== "nowhere") {
    const failure =
      outcome.kind === "delivered"
        ? undefined
        : { reason: outcome.reason, broken: outcome.kind === "refused" && outcome.broken };
    await store.noteSend({ tenantId, channelId: channel.id }, failure, endTimeMs);
  }
  const detail = outcome.kind === "delivered" ? "" : outcome.reason;
  return { number: 1, startTimeMs, endTimeMs, outcome: attemptOutcome(outcome), detail };
}

/** Has the process send it that can: as a message that is worth little. */
async function testElsewhere(
  channel: SendingChannel,
  { tenantId, target, locale, signal }: ChannelTest,
  { store, rulesOf, now, onQueued }: TestOptions,
): Promise<StoredAttempt> {
  const startTimeMs = now().getTime();
  const giveUpTimeMs = startTimeMs + ELSEWHERE_PATIENCE_MS;
  const { chatId, chatType } = target;
  const id = uuidV7(startTimeMs);
  const order = { tenantId, id, sessionId: "", channelId: channel.id, chatId, chatType, giveUpTimeMs };
  const parts = testParts(channel, locale, now());
  const delivery = newDelivery(order, { parts }, channel, await rulesOf(tenantId), startTimeMs);
  onQueued(await store.insert([delivery], startTimeMs));
  for (;;) {
    await pause(LOOK_MS, undefined, { signal });
    const attempt = (await store.attempts({ tenantId, id })).at(-1);
    if (attempt?.endTimeMs !== undefined) return attempt;
    if (now().getTime() > giveUpTimeMs) {
      const detail = "no process that a relay of it is attached to has sent it in time";
      return {
        number: 1,
        startTimeMs,
        endTimeMs: now().getTime(),
        outcome: Attempt_Outcome.UNKNOWN,
        detail,
      };
    }
  }
}

async function sendTest(
  channel: Channel,
  { tenantId, target, locale, signal }: ChannelTest,
  { turns, now }: Pick<TestOptions, "turns" | "now">,
): Promise<SendOutcome> {
  if (channel.mode === "shows") return { kind: "delivered" };
  if (channel.missing !== undefined) return { kind: "refused", reason: channel.missing, broken: false };
  for (const part of testParts(channel, locale, now())) {
    const retryAfterMs = await turns.take(tenantId, channel, target);
    if (retryAfterMs > 0) {
      const reason = `the vendor's limit of messages a minute is used up; try again in ${Math.ceil(retryAfterMs / 1000)} s`;
      return { kind: "retryable", reason, retryAfterMs };
    }
    const outcome = await channel.send(part, target, signal);
    if (outcome.kind === "retryable" && outcome.retryAfterMs !== undefined) {
      await turns.stop(tenantId, channel, outcome.retryAfterMs);
    }
    if (outcome.kind !== "delivered") return outcome;
  }
  return { kind: "delivered" };
}

/** A test message has no pictures. */
function testParts(channel: SendingChannel, locale: Locale, now: Date): Exclude<Part, { kind: "image" }>[] {
  return channel.renderTest(locale, now).filter((part) => part.kind !== "image");
}

function attemptOutcome({ kind }: SendOutcome): Attempt_Outcome {
  switch (kind) {
    case "delivered":
      return Attempt_Outcome.DELIVERED;
    case "retryable":
      return Attempt_Outcome.RETRYABLE;
    case "refused":
      return Attempt_Outcome.REFUSED;
    case "unknown":
      return Attempt_Outcome.UNKNOWN;
  }
}
