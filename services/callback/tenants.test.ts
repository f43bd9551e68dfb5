// Several teams on one deployment: nobody sees or answers what is not theirs.

import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { MessageTemplate_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { type Inbound, Inbound_Disposition } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { Session_State, SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { describe, expect, test, vi } from "vitest";
import { createFakeSessions } from "./testing/fake-sessions.ts";
import { startCallbackService, type TestCallback } from "./testing/start-callback-service.ts";

const ROBOT = "wecom-robot";
const from = { userid: "lina", name: "Li Na", alias: "lina" };
let messageNumber = 0;
const text = (content: string, more: object = {}) => ({
  chatid: "c1",
  chattype: "group",
  msgtype: "text",
  from,
  msgid: `m${++messageNumber}`,
  text: { content },
  ...more,
});

const session = (tenantId: string, shortId: string, target = { channelId: ROBOT, chatId: "c1" }) =>
  create(SessionSchema, {
    id: `session-${tenantId}-${shortId}`,
    tenantId,
    shortId,
    state: Session_State.OPEN,
    projectName: `project of ${tenantId}`,
    body: `secret of ${tenantId}`,
    createTime: timestampFromDate(new Date(Date.now() - 60_000)),
    interaction: { kind: { case: "text", value: {} } },
    audience: { targets: [target] },
  });

const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000 });

const seenBy = async (callback: TestCallback, credential: string): Promise<Inbound[]> =>
  (await callback.as(credential).listInbound({ pageSize: 200 })).inbounds.toReversed();

/** Waits until a tenant's operator sees so many decided messages. */
const settledFor = (callback: TestCallback, tenantId: string, count: number) =>
  eventually(async () => {
    const seen = await seenBy(callback, tenantId === "_default" ? "owner" : `operator:${tenantId}`);
    expect(seen).toHaveLength(count);
    for (const each of seen) expect(each.disposition).not.toBe(Inbound_Disposition.UNSPECIFIED);
    return seen;
  });

describe("two tenants in one chat of the deployment's robot (I6)", () => {
  const sessions = () =>
    createFakeSessions({ sessions: [session("t1", "aaaaaaaa"), session("t2", "bbbbbbbb")] });

  test("a quoted reply is handed over as the tenant whose question it quotes, and only that one sees it", async () => {
    const far = sessions();
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("#aaaaaaaa for one"));
    await callback.post(text("#bbbbbbbb for two"));
    expect(await settledFor(callback, "t1", 1)).toMatchObject([{ text: "#aaaaaaaa for one" }]);
    expect(await settledFor(callback, "t2", 1)).toMatchObject([{ text: "#bbbbbbbb for two" }]);
    expect(await seenBy(callback, "owner")).toEqual([]);
    expect(far.submittedAs).toEqual(["t1", "t2"]);
    expect(far.submitted.map((each) => each.text)).toEqual(["for one", "for two"]);
  });

  test("a plain reply answers neither, and the hint names neither's question, number or count", async () => {
    const far = sessions();
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("yes"));
    const [inbound] = await settledFor(callback, "_default", 1);
    expect(inbound).toMatchObject({ disposition: Inbound_Disposition.AMBIGUOUS, sessionId: "" });
    await eventually(() => expect(callback.notices).toHaveLength(1));
    const [notice] = callback.notices;
    expect(notice!.markdown).toContain("Quote");
    expect(notice!.markdown).not.toMatch(/aaaaaaaa|bbbbbbbb|secret|project|\bt[12]\b|\d/);
    expect(callback.noticeTenants).toEqual(["_default"]);
    expect(await seenBy(callback, "operator:t1")).toEqual([]);
    expect(far.submitted).toEqual([]);
  });

  test("a plain reply where several of one tenant wait lists them, and is that tenant's to see", async () => {
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa"), session("t1", "cccccccc")] });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("yes"));
    const [inbound] = await settledFor(callback, "t1", 1);
    expect(inbound!.guidance).toMatch(/#cccccccc.*#aaaaaaaa/s);
    expect(await seenBy(callback, "owner")).toEqual([]);
    await eventually(() => expect(callback.noticeTenants).toEqual(["t1"]));
  });

  test("a foreign tag and one that nobody has are refused in the same words", async () => {
    const elsewhere = session("t2", "dddddddd", { channelId: ROBOT, chatId: "c2" });
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa"), elsewhere] });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("#dddddddd yes"));
    await callback.post(text("#eeeeeeee yes"));
    const refused = await settledFor(callback, "_default", 2);
    const [foreign, unknown] = refused.map(({ disposition, guidance, sessionId, lastError }) => ({
      disposition,
      sessionId,
      lastError,
      guidance: guidance.replace(/#[de]{8}/, "#"),
    }));
    expect(foreign).toEqual(unknown);
    expect(foreign!.disposition).toBe(Inbound_Disposition.REFUSED);
    expect(await seenBy(callback, "operator:t2")).toEqual([]);
    expect(far.submitted).toEqual([]);
  });

  test("what fails after the match is the session's tenant's, with the error, and driven again by that one alone", async () => {
    let broken = true;
    const far = createFakeSessions({
      sessions: [session("t1", "aaaaaaaa")],
      decide: () => {
        if (broken) throw new ConnectError("trouble with secret of t1", Code.Internal);
      },
    });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("yes"));
    const [dead] = await settledFor(callback, "t1", 1);
    expect(dead).toMatchObject({ disposition: Inbound_Disposition.DEAD, attemptCount: 5 });
    expect(await seenBy(callback, "owner")).toEqual([]);
    broken = false;
    for (const stranger of ["owner", "operator:t2"]) {
      const error = await callback
        .as(stranger)
        .redriveInbound({ inboundId: dead!.id })
        .catch((thrown: unknown) => thrown);
      expect(reasonOf(error)).toBe(ErrorReason.INBOUND_NOT_FOUND);
    }
    await callback.as("operator:t1").redriveInbound({ inboundId: dead!.id });
    await eventually(async () =>
      expect(await seenBy(callback, "operator:t1")).toMatchObject([
        { disposition: Inbound_Disposition.ATTACHED },
      ]),
    );
  });

  test("I11: driving again is in the audit log of its tenant, and in nobody else's", async () => {
    let broken = true;
    const far = createFakeSessions({
      sessions: [session("t1", "aaaaaaaa")],
      decide: () => {
        if (broken) throw new ConnectError("trouble", Code.Internal);
      },
    });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("yes"));
    const [dead] = await settledFor(callback, "t1", 1);
    broken = false;
    await callback.as("operator:t1").redriveInbound({ inboundId: dead!.id });
    expect((await callback.as("auditor:t1").listAuditRecords({})).records).toMatchObject([
      {
        tenantId: "t1",
        service: "callback",
        principalId: "key:operator",
        action: "inbound.redriven",
        resource: `inbound/${dead!.id}`,
        before: expect.stringContaining("DEAD"),
      },
    ]);
    for (const stranger of ["owner", "auditor:t2"]) {
      expect((await callback.as(stranger).listAuditRecords({})).records).toEqual([]);
    }
  });

  test("pages and ids tell a tenant nothing about how much others receive", async () => {
    const far = sessions();
    await using callback = await startCallbackService({ sessions: far.client });
    for (const each of ["a", "b", "a", "b", "a"]) await callback.post(text(`#${each.repeat(8)} yes`));
    const [, second] = await settledFor(callback, "t1", 3);
    const page = await callback.as("operator:t1").listInbound({ pageSize: 2 });
    expect(page.nextPageToken).toBe(second!.id);
    const foreign = await callback.as("operator:t2").listInbound({ pageToken: page.nextPageToken });
    for (const each of foreign.inbounds) expect(each.sessionId).toContain("t2");
    expect(
      (await callback.as("operator:t1").listInbound({ pageToken: page.nextPageToken })).inbounds,
    ).toHaveLength(1);
  });
});

describe("a tenant's own channel", () => {
  const path = "/callback/team-robot";
  const channels = { t1: ["team-robot"], t2: ["team-robot"] };
  const onOwn = (tenantId: string, shortId: string) =>
    session(tenantId, shortId, { channelId: "team-robot", chatId: "c1" });

  test("brings its messages to that tenant's questions, also where another has a channel of the same name", async () => {
    const far = createFakeSessions({ sessions: [onOwn("t1", "aaaaaaaa"), onOwn("t2", "bbbbbbbb")] });
    await using callback = await startCallbackService({ sessions: far.client, channels });
    const same = text("yes");
    expect(await callback.post(same, { "x-api-key": "robot:t1" }, path)).toMatchObject({ status: 200 });
    expect(await callback.post(same, { "x-api-key": "robot:t2" }, `/api${path}`)).toMatchObject({
      status: 200,
    });
    await settledFor(callback, "t1", 1);
    await settledFor(callback, "t2", 1);
    expect(far.submitted.map((each) => each.sessionId).toSorted()).toEqual([
      "session-t1-aaaaaaaa",
      "session-t2-bbbbbbbb",
    ]);
  });

  test("cannot answer another tenant's question by its number, not even where that is asked on the deployment's robot", async () => {
    const far = createFakeSessions({ sessions: [onOwn("t2", "bbbbbbbb"), session("t2", "cccccccc")] });
    await using callback = await startCallbackService({ sessions: far.client, channels });
    for (const tag of ["bbbbbbbb", "cccccccc"]) {
      await callback.post(text(`#${tag} yes`), { "x-api-key": "robot:t1" }, path);
    }
    for (const each of await settledFor(callback, "t1", 2)) {
      expect(each.disposition).toBe(Inbound_Disposition.REFUSED);
    }
    expect(far.submitted).toEqual([]);
    await eventually(() => expect(callback.noticeTenants).toEqual(["t1", "t1"]));
  });

  test("cannot be spoken for by another tenant's key, nor the deployment's robot by any tenant's", async () => {
    const far = createFakeSessions();
    await using callback = await startCallbackService({
      sessions: far.client,
      channels: { t1: ["team-robot"] },
      settings: { allowKeyless: false },
    });
    expect(await callback.post(text("yes"), { "x-api-key": "robot:t2" }, path)).toMatchObject({
      status: 404,
    });
    expect(
      await callback.post(text("yes"), { authorization: "Bearer robot:t1" }, "/callback/wecom-robot"),
    ).toMatchObject({ status: 401 });
    expect(await callback.kept()).toEqual([]);
  });

  test("takes what a relay of the tenant brings, and refuses what it brings for a channel that is not the tenant's", async () => {
    const far = createFakeSessions({ sessions: [onOwn("t1", "aaaaaaaa")] });
    await using callback = await startCallbackService({
      sessions: far.client,
      channels: { t1: ["team-robot"] },
    });
    const body = new TextEncoder().encode(JSON.stringify(text("yes")));
    const messages = [{ channelId: "team-robot", body }];
    const { results } = await callback.service.ingestInbound(
      { messages },
      { headers: { "hil-tenant": "t1" } },
    );
    expect(results).toMatchObject([{ duplicate: false, refusal: "" }]);
    const foreign = await callback.service.ingestInbound({ messages }, { headers: { "hil-tenant": "t2" } });
    expect(foreign.results).toMatchObject([{ refusal: expect.stringContaining("channel"), inboundId: "" }]);
    expect(await settledFor(callback, "t1", 1)).toMatchObject([
      { disposition: Inbound_Disposition.ATTACHED },
    ]);
  });
});

describe("who answers (I18)", () => {
  const member = { id: "member-1", tenantId: "t1", name: "Li Na", roles: [Role.RESPONDER], userId: "lina" };

  test("is told to the session service as the member of the session's tenant", async () => {
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa"), session("t2", "bbbbbbbb")] });
    await using callback = await startCallbackService({ sessions: far.client });
    callback.access.members.push(member);
    await callback.post(text("#aaaaaaaa yes"));
    await callback.post(text("#bbbbbbbb yes"));
    await callback.post(text("#aaaaaaaa yes", { from: { userid: "wang" } }));
    await settledFor(callback, "t1", 2);
    await settledFor(callback, "t2", 1);
    expect(far.submitted.map(({ sender }) => [sender!.userId, sender!.memberId, sender!.roles])).toEqual([
      ["lina", "member-1", [Role.RESPONDER]],
      ["lina", "", []],
      ["wang", "", []],
    ]);
  });

  test("S6: what is known of a person is at most 5 s old", async () => {
    let time = new Date();
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa")] });
    await using callback = await startCallbackService({ sessions: far.client, now: () => time });
    callback.access.members.push(member);
    await callback.post(text("#aaaaaaaa one"));
    await callback.post(text("#aaaaaaaa two"));
    await settledFor(callback, "t1", 2);
    expect(callback.access.lookUps()).toBe(1);
    callback.access.members.length = 0;
    time = new Date(time.getTime() + 5_000);
    await callback.post(text("#aaaaaaaa three"));
    await settledFor(callback, "t1", 3);
    expect(far.submitted.map(({ sender }) => sender!.memberId)).toEqual(["member-1", "member-1", ""]);
  });

  test("costs no message where the access service cannot be reached", async () => {
    let failures = 3;
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa")] });
    await using callback = await startCallbackService({ sessions: far.client });
    callback.access.decide = () => {
      if (failures-- > 0) throw new ConnectError("starting", Code.Unavailable);
    };
    await callback.post(text("yes"));
    expect(await settledFor(callback, "t1", 1)).toMatchObject([
      { disposition: Inbound_Disposition.ATTACHED, attemptCount: 1 },
    ]);
  });
});

describe("a link code", () => {
  const member = { id: "member-1", tenantId: "t1", name: "Li Na", roles: [Role.RESPONDER] };
  const start = async () => {
    const far = createFakeSessions({ sessions: [] });
    const callback = await startCallbackService({ sessions: far.client });
    callback.access.members.push(member);
    callback.access.codes.set("ABCD2345", "member-1");
    return callback;
  };

  test.each([
    ["en", "link abcd-2345", /Linked.*Li Na/],
    ["zh-CN", "绑定 ABCD2345", /已关联.*Li Na/],
  ])("in %s links its sender, who is told, and is kept nowhere", async (locale, words, answer) => {
    await using callback = await start();
    callback.tenants.set("t1", { locale });
    await callback.post(text(words));
    const [inbound] = await settledFor(callback, "t1", 1);
    expect(inbound).toMatchObject({ disposition: Inbound_Disposition.LINKED, sessionId: "" });
    expect(inbound!.text).not.toMatch(/2345/);
    expect(inbound!.guidance).toMatch(answer);
    await eventually(() => expect(callback.notices).toMatchObject([{ markdown: inbound!.guidance }]));
    expect(callback.access.members).toMatchObject([{ id: "member-1", userId: "lina" }]);
    expect(callback.access.redeemed).toMatchObject([{ tenantIds: [], identity: { value: "lina" } }]);
  });

  test("on a tenant's own channel is worth something in that tenant alone", async () => {
    const far = createFakeSessions({ sessions: [] });
    await using callback = await startCallbackService({
      sessions: far.client,
      channels: { t2: ["team-robot"] },
    });
    callback.access.members.push(member);
    callback.access.codes.set("ABCD2345", "member-1");
    await callback.post(text("link ABCD2345"), { "x-api-key": "robot:t2" }, "/callback/team-robot");
    const [inbound] = await settledFor(callback, "t2", 1);
    expect(inbound!.guidance).toContain("does not work");
    expect(callback.access.redeemed).toMatchObject([{ tenantIds: ["t2"] }]);
    expect(await seenBy(callback, "operator:t1")).toEqual([]);
  });

  test("that is wrong is answered, and guessing ends after five, for that sender alone", async () => {
    await using callback = await start();
    for (let each = 0; each < 7; each += 1) await callback.post(text(`link WRNG000${each}`));
    const settled = await settledFor(callback, "_default", 7);
    expect(callback.access.redeemed).toHaveLength(5);
    expect(settled[4]!.guidance).toContain("does not work");
    expect(settled[5]!.guidance).toContain("Too many wrong codes");
    await callback.post(text("link ABCD2345"));
    expect((await settledFor(callback, "_default", 8))[7]!.guidance).toContain("Too many");
    await callback.post(text("link ABCD2345", { from: { userid: "wang" } }));
    await settledFor(callback, "t1", 1);
  });

  test("of somebody who is another member already changes nothing", async () => {
    await using callback = await start();
    callback.access.members.push({ ...member, id: "member-2", userId: "lina" });
    await callback.post(text("link ABCD2345"));
    expect((await settledFor(callback, "_default", 1))[0]!.guidance).toContain("another member");
  });

  test("that could be a word answers the question where it is no code", async () => {
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa")] });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("link database"));
    expect(await settledFor(callback, "t1", 1)).toMatchObject([
      { disposition: Inbound_Disposition.ATTACHED, text: "link database" },
    ]);
  });

  test("within a quoted reply is a part of the answer", async () => {
    const far = createFakeSessions({ sessions: [session("t1", "aaaaaaaa")] });
    await using callback = await startCallbackService({ sessions: far.client });
    await callback.post(text("#aaaaaaaa link ABCD2345"));
    await settledFor(callback, "t1", 1);
    expect(far.submitted).toMatchObject([{ text: "link ABCD2345" }]);
    expect(callback.access.redeemed).toEqual([]);
  });
});

describe("words for people", () => {
  test("are in the language, and by the template, of the tenant whose channel or questions it is", async () => {
    const far = createFakeSessions({ sessions: [session("t2", "aaaaaaaa"), session("t2", "bbbbbbbb")] });
    await using callback = await startCallbackService({
      sessions: far.client,
      channels: { t1: ["team-robot"] },
    });
    callback.tenants.set("t1", {
      templates: [{ kind: MessageTemplate_Kind.CHAT_ID_HINT, text: "t1 says: {chat_id}" }],
    });
    callback.tenants.set("t2", { locale: "zh-CN" });
    await callback.post(text("hello"), { "x-api-key": "robot:t1" }, "/callback/team-robot");
    expect((await settledFor(callback, "t1", 1))[0]!.guidance).toBe("t1 says: c1");
    await callback.post(text("hello"));
    expect((await settledFor(callback, "t2", 1))[0]!.guidance).toContain("引用回复");
    await callback.post(text("hello", { chatid: "c9" }));
    expect((await settledFor(callback, "_default", 1))[0]!.guidance).toContain("Nothing waits");
  });
});

test("I12: no log line has what people wrote, or their codes", async () => {
  const lines: string[] = [];
  const line = (...parts: unknown[]) => void lines.push(JSON.stringify(parts));
  const log: Log = { debug: line, info: line, warn: line, error: line, fatal: line, child: () => log };
  const far = createFakeSessions({
    sessions: [session("t1", "aaaaaaaa")],
    decide: ({ text: words }) => {
      if (words.includes("poison")) throw new ConnectError("boom", Code.Internal);
    },
  });
  await using callback = await startCallbackService({ sessions: far.client, log });
  await callback.post(text("#aaaaaaaa poison canary-1"));
  await callback.post(text("#cccccccc canary-2"));
  await callback.post(text("link WRNG9999"));
  await settledFor(callback, "t1", 1);
  await settledFor(callback, "_default", 2);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join("\n")).not.toMatch(/canary|WRNG9999|secret of/);
});
