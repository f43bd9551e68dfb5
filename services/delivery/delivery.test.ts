import { Attempt_Outcome, Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { expect, test } from "vitest";
import { passesOver, type StoredDelivery, settle } from "./delivery.ts";

const NOW = 1_000_000;
const HIGHEST = { baseMs: 1_000, maxMs: 60_000, random: () => 1 };

const sending: StoredDelivery = {
  sequence: 1,
  tenantId: "_default",
  id: "d1",
  sessionId: "s1",
  channelId: "wecom-robot",
  chatId: "wr",
  chatType: ChatType.GROUP,
  line: "wr",
  parts: [{ kind: "text", text: "hi", mentions: [] }],
  isSecret: false,
  partsSent: 0,
  partTries: 1,
  state: Delivery_State.SENDING,
  reason: "",
  attemptCount: 1,
  nextTimeMs: NOW - 10,
  giveUpTimeMs: NOW + 3_600_000,
  withdrawn: undefined,
  createTimeMs: NOW,
  updateTimeMs: NOW,
};
const busy = { kind: "stopped", outcome: { kind: "retryable", reason: "busy" } } as const;

test("the pause before the next try doubles up to a minute", () => {
  const pauses = [1, 2, 3, 7, 50].map((partTries) => {
    const { nextTimeMs } = settle({ ...sending, partTries }, busy, NOW, HIGHEST);
    return nextTimeMs! - NOW;
  });
  expect(pauses).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
});

test("the vendor's pause is kept, and the deadline is not passed", () => {
  const asked = {
    kind: "stopped",
    outcome: { kind: "retryable", reason: "x", retryAfterMs: 90_000 },
  } as const;
  expect(settle(sending, asked, NOW, HIGHEST).nextTimeMs).toBe(NOW + 90_000);
  expect(settle({ ...sending, giveUpTimeMs: NOW + 5 }, asked, NOW, HIGHEST).nextTimeMs).toBe(NOW + 5);
});

test("a delivery that waits for its turn in the middle keeps its place in the line", () => {
  const settlement = settle(sending, { kind: "paused", reason: "limit" }, NOW, HIGHEST);
  expect(settlement).toMatchObject({ state: Delivery_State.QUEUED, nextTimeMs: NOW - 10, report: false });
});

test("a session that ended meanwhile takes back what was not sent, and nothing that was", () => {
  const withdrawn = { ...sending, withdrawn: "answered" };
  expect(settle(withdrawn, busy, NOW, HIGHEST)).toMatchObject({
    state: Delivery_State.SUPPRESSED,
    reason: "answered",
    nextTimeMs: undefined,
    outcome: Attempt_Outcome.RETRYABLE,
  });
  expect(settle(withdrawn, { kind: "sent" }, NOW, HIGHEST).state).toBe(Delivery_State.SENT);
});

test("a picture is given up where a text is tried again", () => {
  const image = { kind: "image", number: 1 } as const;
  const refused = { kind: "refused", reason: "x", broken: false } as const;
  const unknown = { kind: "unknown", reason: "x" } as const;
  const limited = { kind: "retryable", reason: "x", retryAfterMs: 60_000 } as const;
  expect(passesOver(image, refused, 1)).toBe(true);
  expect([1, 2, 3].map((tries) => passesOver(image, unknown, tries))).toEqual([false, false, true]);
  expect(passesOver(image, limited, 9)).toBe(false);
  expect(passesOver(sending.parts[0]!, refused, 9)).toBe(false);
});
