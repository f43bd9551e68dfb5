import { durationMs } from "@bufbuild/protobuf/wkt";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { Session_Outcome } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { png } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { expect, test } from "vitest";
import { firstIdOf } from "./session-conditions.ts";
import type { SessionFigures } from "./session-store.ts";
import { dayOf, readStatistics } from "./statistics.ts";
import { startSessionService } from "./testing/start-session-service.ts";

const MINUTE_MS = 60_000;
const start = Date.parse("2026-11-20T12:00:00Z");
const idAt = (timeMs: number, n = 0) => `${firstIdOf(timeMs)}-7000-8000-${n.toString(16).padStart(12, "0")}`;

/** A session that was created at a time and, if it was answered, how long that took. */
const figures = (
  timeMs: number,
  {
    n = 0,
    projectName = "p",
    outcome = Session_Outcome.UNSPECIFIED,
    tookMs,
  }: { n?: number; projectName?: string; outcome?: Session_Outcome; tookMs?: number } = {},
): SessionFigures => ({
  id: idAt(timeMs, n),
  projectName,
  outcome,
  endTimeMs: tookMs === undefined ? undefined : timeMs + tookMs,
});

const count = async (all: SessionFigures[], timeZone = "", sinceMs = 0, untilMs = start * 2) => {
  const sorted = all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const store = {
    figures: async (_: string, after: string, before: string, limit: number) =>
      sorted.filter(({ id }) => id > after && id < before).slice(0, limit),
    openSessions: async () => 0,
    attachmentBytes: async () => 0,
  };
  return readStatistics(store, "t", { sinceMs, untilMs, dayOf: dayOf(timeZone)! });
};

test("each outcome is counted once, and a refusal is an answer too", async () => {
  const outcomes = [0, 1, 1, 1, 2, 3, 3, 4, 5] as Session_Outcome[];
  const { total } = await count(outcomes.map((outcome, n) => figures(start, { n, outcome })));
  expect(total).toMatchObject({
    created: 9n,
    open: 1n,
    answered: 4n,
    rejected: 1n,
    expired: 2n,
    cancelled: 1n,
    undeliverable: 1n,
  });
});

test.each([
  ["one", [5], 5, 5],
  ["an even number", [1, 2, 4, 9], 3, 9],
  ["ten", [10, 1, 2, 3, 4, 5, 6, 7, 8, 9], 5.5, 9],
  ["eleven", [11, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9], 6, 10],
])("how long answers took: %s", async (_, took, median, p90) => {
  const { total } = await count([
    ...took.map((minutes, n) =>
      figures(start, {
        n,
        outcome: n % 2 ? Session_Outcome.REJECTED : Session_Outcome.ANSWERED,
        tookMs: minutes * MINUTE_MS,
      }),
    ),
    // Neither was answered.
    figures(start, { n: 98, outcome: Session_Outcome.EXPIRED, tookMs: 100 * MINUTE_MS }),
    figures(start, { n: 99 }),
  ]);
  const { medianTimeToAnswer, p90TimeToAnswer } = total as never;
  expect(durationMs(medianTimeToAnswer) / MINUTE_MS).toBe(median);
  expect(durationMs(p90TimeToAnswer) / MINUTE_MS).toBe(p90);
});

test("where nothing was answered there is no median", async () => {
  const { total } = await count([figures(start)]);
  expect(total!.medianTimeToAnswer).toBeUndefined();
  expect(total!.p90TimeToAnswer).toBeUndefined();
});

test.each([
  ["", ["2026-11-01 2", "2026-11-02 1"]],
  ["Asia/Shanghai", ["2026-11-01 1", "2026-11-02 2"]],
  // The night in which the clocks went back has 25 hours.
  ["America/New_York", ["2026-10-31 1", "2026-11-01 2"]],
  ["Asia/Kathmandu", ["2026-11-01 1", "2026-11-02 2"]],
])("days are those of the time zone %j", async (timeZone, expected) => {
  const times = ["2026-11-01T03:59:59Z", "2026-11-01T18:15:00Z", "2026-11-02T04:59:59Z"];
  const { days } = await count(
    times.map((time) => figures(Date.parse(time))),
    timeZone,
  );
  expect(days!.map(({ date, statistics }) => `${date} ${statistics!.created}`)).toEqual(expected);
});

test("there is no day in a time zone that nobody knows", () => {
  expect(dayOf("Mars/Olympus")).toBeUndefined();
});

test("projects come busiest first, at most 100, and the period is kept", async () => {
  const all = Array.from({ length: 130 }, (_, p) =>
    Array.from({ length: (p % 13) + 1 }, (_, n) =>
      figures(start + n, { n: p, projectName: `p${String(p).padStart(3, "0")}` }),
    ),
  ).flat();
  const { projects, total } = await count(all);
  expect(projects).toHaveLength(100);
  expect(projects!.slice(0, 2).map((each) => [each.projectName, each.statistics!.created])).toEqual([
    ["p012", 13n],
    ["p025", 13n],
  ]);
  expect(total!.created).toBe(BigInt(all.length));
  expect((await count(all, "", start, start + 1)).total!.created).toBe(130n);
  expect((await count(all, "", start + 1, start + 1)).total!.created).toBe(0n);
});

test("more sessions than one piece has are counted to the last", async () => {
  const all = Array.from({ length: 4_001 }, (_, n) => figures(start + n));
  expect((await count(all)).total!.created).toBe(4_001n);
});

test("B6: a tenant's statistics count its own sessions, and what it uses now", async () => {
  await using sessions = await startSessionService();
  const red = sessions.as({ tenantId: "red", roles: [Role.ADMINISTRATOR] });
  const interaction = { kind: { case: "confirmation" as const, value: {} } };
  const picture = png(20, 10);
  const ask = async (projectName: string, attachments: { data: Uint8Array }[] = []) =>
    (await red.createSession({ body: "?", projectName, interaction, attachments })).session!.id;
  const answer = (sessionId: string, value: string) =>
    red.answerSession({
      sessionId,
      requestId: "r",
      value: { kind: { case: "confirmation", value: { value } } },
    });
  await answer(await ask("p1"), "yes");
  await answer(await ask("p1"), "no");
  await red.cancelSession({ sessionId: await ask("p2") });
  await red.expireSession({ sessionId: await ask("p1") });
  await ask("p1", [{ data: picture }]);
  await sessions.as({ tenantId: "blue" }).createSession({ body: "?", interaction });

  const { total, projects, days, openNow, attachmentBytesNow } = await red.getStatistics({});
  expect(total).toMatchObject({
    created: 5n,
    open: 1n,
    answered: 2n,
    rejected: 1n,
    expired: 1n,
    cancelled: 1n,
    undeliverable: 0n,
  });
  expect(projects.map((each) => [each.projectName, each.statistics!.created])).toEqual([
    ["p1", 4n],
    ["p2", 1n],
  ]);
  expect(days.reduce((sum, each) => sum + each.statistics!.created, 0n)).toBe(5n);
  expect([openNow, attachmentBytesNow]).toEqual([1n, BigInt(picture.length)]);

  const ofRed = await sessions.owner.getStatistics({ tenantId: "red" });
  expect(ofRed.total!.created).toBe(5n);
  expect((await sessions.owner.getStatistics({})).total!.created).toBe(0n);
});

test("another tenant's statistics are for an owner, and nonsense is refused", async () => {
  await using sessions = await startSessionService();
  const red = sessions.as({ tenantId: "red", roles: [Role.ADMINISTRATOR] });
  const refusal = (request: object) =>
    red.getStatistics(request).then(
      () => undefined,
      (error: unknown) => reasonOf(error),
    );
  expect(await refusal({ tenantId: "blue" })).toBe(ErrorReason.TENANT_MISMATCH);
  expect(await refusal({ tenantId: "red" })).toBeUndefined();
  expect(await refusal({ timeZone: "Mars/Olympus" })).toBe(ErrorReason.INVALID_REQUEST);
  expect(await refusal({ since: { seconds: 2n }, until: { seconds: 1n } })).toBe(ErrorReason.INVALID_REQUEST);
});
