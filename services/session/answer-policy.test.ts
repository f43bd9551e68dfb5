import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import {
  type AnswerPolicySchema,
  Reply_Disposition,
  ResponderSchema,
  SessionSchema,
} from "@hil/gen/hil/session/v1/session_pb.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { expect, test, vi } from "vitest";
import { mayAnswer, mayReply } from "./answer-policy.ts";
import { startSessionService } from "./testing/start-session-service.ts";

type Policy = MessageInitShape<typeof AnswerPolicySchema>;

const text = { kind: { case: "text" as const, value: {} } };
const audience = { targets: [{ channelId: "wecom-robot", chatId: "c1" }] };
const answer = (sessionId: string, requestId = "r") => ({
  sessionId,
  requestId,
  value: { kind: { case: "text" as const, value: { text: "yes" } } },
});
const refusal = (call: Promise<unknown>) =>
  call.then(() => undefined).catch((error: unknown) => reasonOf(error));
const member = (id: string, ...roles: Role[]): Partial<Principal> => ({
  kind: "console",
  id: `member:${id}`,
  memberId: id,
  name: `Member ${id}`,
  roles: roles.length > 0 ? roles : [Role.RESPONDER],
});
const asked = (answerPolicy?: Policy, askerId = "agent") =>
  create(SessionSchema, { asker: { principalId: askerId }, answerPolicy });
const person = (given: Partial<Principal>): Principal => ({
  kind: "console",
  id: "p",
  tenantId: "t",
  roles: [],
  ...given,
});

test.each<[string, Policy | undefined, Partial<Principal>, boolean]>([
  ["no policy", undefined, { roles: [Role.RESPONDER] }, true],
  ["a member that is named", { members: ["m1"] }, member("m1"), true],
  ["a member that is not named", { members: ["m1"] }, member("m2"), false],
  ["a role that is named", { roles: [Role.OPERATOR] }, member("m2", Role.OPERATOR), true],
  ["a role that is not named", { roles: [Role.OPERATOR] }, member("m2"), false],
  ["an owner that is not named", { members: ["m1"] }, { id: "owner", roles: [Role.OWNER] }, false],
  ["an owner that is named", { roles: [Role.OWNER] }, { id: "owner", roles: [Role.OWNER] }, true],
  ["an administrator that is not named", { members: ["m1"] }, member("m2", Role.ADMINISTRATOR), false],
  ["a service", { members: ["m1"] }, { kind: "service", id: "service:x", roles: [Role.SERVICE] }, false],
  ["only a vendor's user id", { userIds: ["zhang"] }, member("zhang"), false],
  ["the asker, though named", { members: ["m1"] }, { ...member("m1"), id: "agent" }, false],
  [
    "a program that asks, though its role is named",
    { roles: [Role.RESPONDER] },
    { kind: "api-key", id: "key:k", roles: [Role.AGENT, Role.RESPONDER] },
    false,
  ],
])("who may answer: %s", (_, policy, principal, may) => {
  expect(mayAnswer(asked(policy), person(principal))).toBe(may);
});

test.each<[string, Policy | undefined, MessageInitShape<typeof ResponderSchema>, boolean]>([
  ["no policy", undefined, { userId: "anybody" }, true],
  ["a user id that is named", { userIds: ["zhang"] }, { userId: "zhang" }, true],
  ["a user id that is not named", { userIds: ["zhang"] }, { userId: "li" }, false],
  ["nobody knows who", { userIds: ["zhang"] }, {}, false],
  ["a member that is named", { members: ["m1"] }, { userId: "li", memberId: "m1" }, true],
  [
    "a member whose role is named",
    { roles: [Role.OPERATOR] },
    { memberId: "m1", roles: [Role.OPERATOR] },
    true,
  ],
  ["a role without a member", { roles: [Role.OPERATOR] }, { userId: "li", roles: [Role.OPERATOR] }, false],
  ["the member that asked, though named", { members: ["asker"] }, { memberId: "asker" }, false],
  ["a name like a member's", { members: ["m1"] }, { userId: "m1", name: "m1", alias: "m1" }, false],
])("who may answer in a chat: %s", (_, policy, sender, may) => {
  expect(mayReply(asked(policy, "member:asker"), create(ResponderSchema, sender))).toBe(may);
});

test.each<[string, Policy]>([
  ["nobody", {}],
  ["an empty member", { members: [""] }],
  ["agents", { roles: [Role.AGENT] }],
  ["services", { members: ["m1"], roles: [Role.SERVICE] }],
  ["no role", { roles: [Role.UNSPECIFIED] }],
])("a policy that names %s is refused", async (_, answerPolicy) => {
  await using sessions = await startSessionService();
  expect(await refusal(sessions.owner.createSession({ body: "?", interaction: text, answerPolicy }))).toBe(
    ErrorReason.INVALID_REQUEST,
  );
});

test("a session that names who may answer is there for them, its asker and who sees everything, and for nobody else", async () => {
  await using sessions = await startSessionService();
  const agent = sessions.agent("a");
  const open = (await agent.createSession({ body: "open", interaction: text })).session!;
  const answerPolicy = { members: ["m1"], roles: [Role.OPERATOR] };
  const kept = (await agent.createSession({ body: "kept", interaction: text, answerPolicy })).session!;
  const sees = async (client: ReturnType<typeof sessions.agent>) => ({
    list: (await client.listSessions({})).sessions.map((each) => each.body),
    changes: (await client.listChanges({})).sessions.map((each) => each.body),
    reads: await Promise.all(
      [open.id, kept.id].map(async (sessionId) => {
        const calls = [
          client.getSession({ sessionId }),
          client.waitSession({ sessionId }),
          client.listEvents({ sessionId }),
        ];
        const refusals = await Promise.all(calls.map(refusal));
        return refusals.every((each) => each === undefined)
          ? true
          : refusals.every((each) => each === ErrorReason.SESSION_NOT_FOUND)
            ? false
            : refusals;
      }),
    ),
  });
  const everything = { list: ["kept", "open"], changes: ["open", "kept"], reads: [true, true] };
  expect(await sees(agent)).toEqual(everything);
  expect(await sees(sessions.as(member("m1")))).toEqual(everything);
  expect(await sees(sessions.as(member("m2", Role.RESPONDER, Role.OPERATOR)))).toEqual(everything);
  for (const role of [Role.OWNER, Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR]) {
    expect(await sees(sessions.as({ id: "x", roles: [role] }))).toEqual(everything);
  }
  expect(await sees(sessions.as(member("m2")))).toEqual({
    list: ["open"],
    changes: ["open"],
    reads: [true, false],
  });
  expect(await sees(sessions.agent("b"))).toEqual({ list: [], changes: [], reads: [false, false] });
});

test("a watcher hears of the sessions that it may answer, and of no others", async () => {
  await using sessions = await startSessionService();
  const abort = new AbortController();
  const heard: string[] = [];
  const watching = (async () => {
    for await (const { message } of sessions.as(member("m1")).watchSessions({}, { signal: abort.signal })) {
      heard.push(message.case === "session" ? message.value.body : (message.case ?? ""));
    }
  })().catch(() => {}); // the abort ends it
  await vi.waitUntil(() => heard.includes("heartbeat"));
  const ask = (body: string, answerPolicy?: Policy) =>
    sessions.agent("a").createSession({ body, interaction: text, answerPolicy });
  await ask("for others", { members: ["m2"] });
  await ask("for m1", { members: ["m1"] });
  await ask("for all");
  await vi.waitUntil(() => heard.length === 3);
  abort.abort();
  await watching;
  expect(heard).toEqual(["heartbeat", "for m1", "for all"]);
});

test("only who is named answers, and the answer says which member it was, with which roles", async () => {
  await using sessions = await startSessionService();
  const { session } = await sessions
    .agent("a")
    .createSession({ body: "?", interaction: text, answerPolicy: { members: ["m1"] } });
  const { id } = session!;
  const administrator = sessions.as({ id: "admin", roles: [Role.ADMINISTRATOR] });
  expect(await refusal(sessions.owner.answerSession(answer(id)))).toBe(ErrorReason.RESPONDER_NOT_ALLOWED);
  expect(await refusal(administrator.answerSession(answer(id)))).toBe(ErrorReason.RESPONDER_NOT_ALLOWED);
  expect(await refusal(sessions.as(member("m2")).answerSession(answer(id)))).toBe(
    ErrorReason.SESSION_NOT_FOUND,
  );
  expect((await sessions.owner.getSession({ sessionId: id })).session).toEqual(session);
  const answered = await sessions
    .as(member("m1"))
    .answerSession({ ...answer(id), responderName: "Somebody" });
  expect(answered.session!.answer!.responder).toMatchObject({
    principalId: "member:m1",
    memberId: "m1",
    name: "Member m1",
    roles: [Role.RESPONDER],
  });
  // Refused as before, now that it has ended: nothing of the answer is told.
  expect(await refusal(administrator.answerSession(answer(id, "late")))).toBe(
    ErrorReason.RESPONDER_NOT_ALLOWED,
  );
});

test("nobody answers what they asked under a policy, signed in or in a chat", async () => {
  await using sessions = await startSessionService();
  const asker = sessions.as(member("m1", Role.ADMINISTRATOR));
  const { session } = await asker.createSession({
    body: "?",
    interaction: text,
    audience,
    answerPolicy: { members: ["m1", "m2"] },
  });
  expect(await refusal(asker.answerSession(answer(session!.id)))).toBe(ErrorReason.RESPONDER_NOT_ALLOWED);
  const inChat = await sessions.service.submitReply({
    sessionId: session!.id,
    inboundId: "in1",
    channelId: "wecom-robot",
    chatId: "c1",
    sender: { userId: "zhang", memberId: "m1" },
    text: "yes",
  });
  expect(inChat.disposition).toBe(Reply_Disposition.NOT_ALLOWED);
  await sessions.as(member("m2")).answerSession(answer(session!.id));
});

test("whoever replies in a chat without being named is told so, in the session's language, and changes nothing", async () => {
  await using sessions = await startSessionService();
  const ask = async (locale: string) =>
    (
      await sessions.agent("a").createSession({
        body: "?",
        interaction: text,
        audience,
        locale,
        answerPolicy: { userIds: ["zhang"] },
      })
    ).session!;
  const reply = (sessionId: string, inboundId: string, userId: string) =>
    sessions.service.submitReply({
      sessionId,
      inboundId,
      channelId: "wecom-robot",
      chatId: "c1",
      sender: { userId },
      text: "yes",
    });
  const english = await ask("en");
  const refused = await reply(english.id, "in1", "li");
  expect(refused.disposition).toBe(Reply_Disposition.NOT_ALLOWED);
  expect(refused.guidance).toContain(`[#${english.shortId}] This question is for particular people`);
  expect((await sessions.owner.getSession({ sessionId: english.id })).session).toEqual(english);
  expect((await reply((await ask("zh-CN")).id, "in2", "li")).guidance).toContain("指定了由谁来回答");
  expect((await reply(english.id, "in3", "zhang")).disposition).toBe(Reply_Disposition.ACCEPTED);
  // Late, and still not told what the answer was.
  expect((await reply(english.id, "in4", "li")).guidance).toBe(refused.guidance);
});
