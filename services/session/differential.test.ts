// S3, I6: two tenants that call everything the same see, side by side, exactly what each sees alone.

import { toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorInfoSchema } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { createRandom } from "@hil/testing/chaos/random.ts";
import { expect, test } from "vitest";
import { startSessionService, type TestSessions } from "./testing/start-session-service.ts";

/** Of each tenant. HIL_DIFFERENTIAL_CALLS=50000 makes the run of 100,000 calls. */
const OPERATIONS = Number(process.env.HIL_DIFFERENTIAL_CALLS ?? 4_000);
const SEED = 20_261_121;
/** Few names, so that nearly every one is used by both tenants, and again and again. */
const NAMES = 40;
const NOW = new Date("2026-11-21T10:00:00Z");
const AGENTS = ["robot", "person"];

/** What one tenant sees of its calls, one line for each, without ids and names that the server made up. */
async function live(service: TestSessions, tenantId: string, seed: number): Promise<string[]> {
  const random = createRandom(seed).below;
  const tenant = { tenantId };
  const as = (id: string, role: Role) => service.as({ kind: "api-key", id, roles: [role], ...tenant });
  const agents = AGENTS.map((id) => as(id, Role.AGENT));
  const responder = service.as({
    kind: "console",
    id: "member:m",
    memberId: "m",
    roles: [Role.RESPONDER],
    ...tenant,
  });
  const administrator = as("admin", Role.ADMINISTRATOR);
  const callback = { headers: { [TENANT_HEADER]: tenantId } };
  const known: { id: string; shortId: string }[] = [];
  const normal = createNormalizer(tenantId);
  let cursor = 0n;
  let page = "";

  const some = () => known[random(known.length)]?.id ?? "01930000-0000-7000-8000-000000000000";
  const name = (what: string) => `${what}-${random(NAMES)}`;
  const operations: readonly (() => Promise<unknown>)[] = [
    async () => {
      const { session } = await agents[random(2)]!.createSession({
        requestId: name("request"),
        projectName: name("project"),
        body: `question ${random(3)}`,
        interaction: { kind: { case: "text", value: {} } },
        correlationId: name("run"),
        labels: { team: name("label") },
        audience: { targets: [{ channelId: "wecom-robot", chatId: name("chat") }] },
        ...(random(4) === 0 ? { answerPolicy: { members: [random(2) === 0 ? "m" : "n"] } } : {}),
        withoutDeadline: true,
      });
      if (!known.some(({ id }) => id === session!.id)) known.push(session!);
      return session;
    },
    async () => agents[random(2)]!.getSession({ sessionId: some() }),
    async () => responder.getSession({ sessionId: some() }),
    async () =>
      responder.answerSession({ sessionId: some(), requestId: name("answer"), value: text(name("yes")) }),
    async () =>
      service.service.submitReply(
        {
          sessionId: some(),
          inboundId: name("inbound"),
          channelId: "wecom-robot",
          chatId: name("chat"),
          text: name("reply"),
        },
        callback,
      ),
    async () => agents[random(2)]!.cancelSession({ sessionId: some(), reason: name("reason") }),
    async () => agents[random(2)]!.acknowledgeAnswer({ sessionId: some() }),
    async () => agents[random(2)]!.listSessions({ filter: { projectName: name("project") }, pageSize: 5 }),
    async () => responder.listSessions({ filter: { states: [Session_State.OPEN] }, pageSize: 3 }),
    async () =>
      administrator.listSessions({ filter: { label: { key: "team", value: name("label") } }, pageSize: 3 }),
    async () =>
      administrator.listSessions({
        filter: { correlationId: name("run"), mine: random(2) === 0 },
        pageSize: 3,
      }),
    async () =>
      administrator.listSessions({
        filter: { chat: { channelId: "wecom-robot", chatId: name("chat") } },
        pageSize: 3,
      }),
    async () =>
      administrator.listSessions({ filter: { shortId: known[random(known.length)]?.shortId ?? "00000000" } }),
    async () => {
      const answer = await administrator.listSessions({ pageSize: 4, pageToken: page });
      page = random(3) === 0 ? "" : answer.nextPageToken;
      return answer;
    },
    async () => {
      const answer = await administrator.listChanges({ afterCursor: cursor, pageSize: 5 });
      cursor = answer.cursor;
      return { sessions: answer.sessions, reset: answer.reset, cursor };
    },
    async () => agents[random(2)]!.listEvents({ sessionId: some() }),
    async () => administrator.listAuditRecords({ pageSize: 3 }),
  ];
  const lines: string[] = [];
  for (let n = 0; n < OPERATIONS; n++) {
    const which = random(operations.length);
    const seen = await operations[which]!().catch((error: unknown) => failure(error));
    lines.push(normal(`${which} ${JSON.stringify(seen, plain)}`));
    if (n % 1_000 === 999) {
      const statistics = await administrator.getStatistics({
        since: { seconds: 0n },
        until: { seconds: 4_000_000_000n },
      });
      lines.push(normal(JSON.stringify(statistics, plain)));
    }
  }
  return lines;
}

const text = (value: string) => ({ kind: { case: "text", value: { text: value } } }) as const;

function failure(thrown: unknown): object {
  const error = ConnectError.from(thrown);
  const details = error.findDetails(ErrorInfoSchema).map((each) => toJson(ErrorInfoSchema, each));
  return { code: error.code, message: error.rawMessage, details };
}

/** Values as they stand, but for what differs between any two runs: seals and digests depend on ids and keys. */
function plain(key: string, value: unknown): unknown {
  if (key === "seal") return "…";
  if (typeof value === "bigint") return Number(value);
  return value instanceof Uint8Array ? [...value] : value;
}

/** Replaces ids that the server made by the order in which they are first seen. */
function createNormalizer(tenantId: string): (line: string) => string {
  const seen = new Map<string, string>();
  const nameOf = (id: string) => {
    const known = seen.get(id) ?? `<${seen.size}>`;
    seen.set(id, known);
    return known;
  };
  return (line) =>
    line
      .replaceAll(tenantId, "<tenant>")
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, nameOf)
      .replaceAll(/(?<="shortId":"|#)[0-9a-f]{8}/g, nameOf)
      .replaceAll(/"(seconds|nanos)":\d+/g, '"$1":0');
}

test("two tenants that call with the same names: no difference from each alone", async () => {
  const alone = async (tenantId: string, seed: number) => {
    await using service = await startSessionService({ now: NOW });
    return await live(service, tenantId, seed);
  };
  const together = async () => {
    await using service = await startSessionService({ now: NOW });
    return await Promise.all([live(service, "alpha", SEED), live(service, "beta", SEED + 1)]);
  };
  const [alpha, beta] = await together();
  for (const [seen, tenantId, seed] of [
    [alpha, "alpha", SEED],
    [beta, "beta", SEED + 1],
  ] as const) {
    const expected = await alone(tenantId, seed);
    const first = seen.findIndex((line, index) => line !== expected[index]);
    expect(
      first === -1 ? undefined : { call: first, together: seen[first], alone: expected[first] },
    ).toBeUndefined();
    expect(seen.length).toBe(expected.length);
  }
}, 3_600_000);
